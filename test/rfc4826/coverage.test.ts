import { describeCoverage, subsections } from '../helpers/coverage.ts';

describeCoverage({
  folder: import.meta.dirname,
  title: 'RFC 4826 3 to 7',
  sections: [
    '3.1',
    '3.2',
    ...subsections({ '3.4': 5, '4.4': 5 }),
    '3.4.7',
    '3.4.9',
    '4.1',
    '4.2',
    '4.4.7',
    '4.4.8',
    '4.4.9',
    '4.5',
    '5',
    '6',
    '7',
  ],
  rules: 55,
  wholly: ['resource-lists.test.ts', 'rls-services.test.ts', 'list-traversal.test.ts'],
});
