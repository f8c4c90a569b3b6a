import { describeCoverage } from '../helpers/coverage.ts';

describeCoverage({
  folder: import.meta.dirname,
  title: 'RFC 4661',
  sections: ['3', '3.1', '3.4', '3.5.1', '3.5.2', '3.6', '3.6.1', '3.6.2', '3.6.3', '3.6.1.4', '4', '5', '8'],
  rules: 24,
});
