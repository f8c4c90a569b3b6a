import { describeCoverage, subsections } from '../helpers/coverage.ts';

describeCoverage({
  folder: import.meta.dirname,
  title: 'RFC 5025 3 to 10',
  sections: ['3', '3.1.2', '4', '5', '6', '7', '8', '10', ...subsections({ '3.1.1': 2, '3.2': 1, '3.3.1': 3, '3.3.2': 15, 9: 9 })],
  rules: 38,
  wholly: ['leak.test.ts', 'leak-wire.test.ts'],
});
