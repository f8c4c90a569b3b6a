import { describeCoverage, subsections } from '../helpers/coverage.ts';

describeCoverage({
  folder: import.meta.dirname,
  title: 'RFC 5626, server parts',
  sections: ['4.4', '4.4.1', ...subsections({ 5: 4 }), '5.3.1', '5.3.2', '6', '7', '8', ...subsections({ 9: 5 }), '10', '12'],
  rules: 35,
  wholly: ['registrar.test.ts', 'sections.test.ts'],
});
