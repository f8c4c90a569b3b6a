import { describeCoverage } from '../helpers/coverage.ts';

describeCoverage({
  folder: import.meta.dirname,
  title: 'RFC 5874 3 to 7',
  sections: ['3', '4', '6', '7'],
  rules: 28,
  wholly: ['diff-document.test.ts'],
});
