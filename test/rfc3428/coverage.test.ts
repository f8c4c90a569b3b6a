import { describeCoverage } from '../helpers/coverage.ts';

describeCoverage({
  folder: import.meta.dirname,
  title: 'RFC 3428',
  sections: ['2', '3', '4', '5', '6', '7', '8', '9'],
  rules: 28,
  wholly: ['sections.test.ts'],
});
