import { describeCoverage, subsections } from '../helpers/coverage.ts';

describeCoverage({
  folder: import.meta.dirname,
  title: 'RFC 4745 3 to 11',
  sections: ['4', '5', '6', '7', '8', '9', ...subsections({ 3: 3, 6: 2, 7: 4, '7.1': 3, '7.1.3': 3, 10: 3 }), '11', '13'].filter(
    (s) => s !== '7.1',
  ),
  rules: 35,
  wholly: ['examples.test.ts', 'unchanged.test.ts'],
});
