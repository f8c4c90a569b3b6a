import { describeCoverage, subsections } from '../helpers/coverage.ts';

describeCoverage({
  folder: import.meta.dirname,
  title: 'RFC 5393',
  sections: [
    '4.1',
    ...subsections({ '4.2': 4 }),
    '5.1',
    '5.2',
    ...subsections({ '5.3': 5 }),
    '5.3.3.1',
    ...subsections({ '5.4': 3 }),
    '5.5',
    '5.6',
    '5.7',
  ],
  rules: 25,
  wholly: ['sections.test.ts', 'proxy-loops.test.ts'],
});
