import { describeCoverage, subsections } from '../helpers/coverage.ts';

describeCoverage({
  folder: import.meta.dirname,
  title: 'RFC 3903',
  sections: ['4', ...subsections({ 4: 5 }), '5', '6', '7', '8', '9', ...subsections({ 10: 5, 11: 3, 14: 5 })],
  rules: 35,
  wholly: ['sections.test.ts'],
});
