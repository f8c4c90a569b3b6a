import { describeCoverage } from '../helpers/coverage.ts';

describeCoverage({
  folder: import.meta.dirname,
  title: 'RFC 4827 3 to 12',
  sections: ['3', '4', '5', '6', '7', '8', '9', '10', '11', '12'],
  rules: 16,
  wholly: ['manipulation.test.ts'],
});
