import { describeCoverage, subsections } from '../helpers/coverage.ts';

describeCoverage({
  folder: import.meta.dirname,
  title: 'RFC 3680',
  sections: [...subsections({ 3: 3, 4: 6 }), '4.7.1', '4.7.2', '4.9', '4.10', '4.11', '5.1', '5.2', '5.4'],
  rules: 30,
  wholly: ['reg.test.ts', 'sections.test.ts'],
});
