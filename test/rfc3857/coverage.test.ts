import { describeCoverage } from '../helpers/coverage.ts';

describeCoverage({
  folder: import.meta.dirname,
  title: 'RFC 3857 4 to 6',
  sections: ['4.1', '4.2', '4.3', '4.4', '4.5', '4.6', '4.7.1', '4.7.2', '4.8', '4.9', '4.10', '4.11', '6.1', '6.2'],
  rules: 26,
  wholly: ['winfo.test.ts', 'waiting-watchers.test.ts'],
});
