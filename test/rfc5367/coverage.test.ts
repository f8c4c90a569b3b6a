import { describeCoverage } from '../helpers/coverage.ts';

describeCoverage({
  folder: import.meta.dirname,
  title: 'RFC 5367',
  sections: ['4', '5', '5.1', '6', '8'],
  rules: 7,
  wholly: ['brought-lists.test.ts'],
});
