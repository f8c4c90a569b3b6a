import { describeCoverage, subsections } from '../helpers/coverage.ts';

describeCoverage({
  folder: import.meta.dirname,
  title: 'RFC 4662',
  sections: ['4', ...subsections({ 4: 8 }), '5', ...subsections({ 5: 6 }), '7.1.1', '7.1.2', '7.2', '7.3', '7.4'],
  rules: 50,
  wholly: ['nested-lists.test.ts', 'list-restart.test.ts'],
});
