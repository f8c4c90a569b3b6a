import { describeCoverage, subsections } from '../helpers/coverage.ts';

describeCoverage({
  folder: import.meta.dirname,
  title: 'RFC 5263, RFC 5262',
  sections: [...subsections({ 4: 5 }), '5', '6', '8'],
  rules: 20,
  wholly: ['partial-notification.test.ts', 'storm.test.ts', 'restart.test.ts'],
});
