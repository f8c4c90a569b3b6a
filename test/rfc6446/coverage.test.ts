import { describeCoverage } from '../helpers/coverage.ts';

describeCoverage({
  folder: import.meta.dirname,
  title: 'RFC 6446',
  sections: ['4.1', '4.2', '5.1', '5.2', '5.3', '6.3', '7.3', '5.5.1', '6.1', '6.2', '7.1', '7.2', '7.4', '8', '9.3', '10', '11'],
  rules: 41,
});
