import { describeCoverage, subsections } from '../helpers/coverage.ts';

describeCoverage({
  folder: import.meta.dirname,
  title: 'RFC 4825 5 to 13',
  sections: ['7', '8', '9', '10', '12', '13', ...subsections({ 5: 10, 6: 4, '8.2': 7, 11: 2 }), '8.1', '8.3', '8.4', '8.5'],
  rules: 101,
  wholly: ['sections.test.ts'],
});
