import { describeCoverage } from '../helpers/coverage.ts';

describeCoverage({
  folder: import.meta.dirname,
  title: 'RFC 4660',
  sections: [
    '3.2',
    '3.3',
    '3.3.1',
    '3.3.2',
    '3.3.3',
    '3.3.4',
    '3.4',
    '4.1',
    '4.2',
    '5.1',
    '5.2',
    '5.2.1',
    '5.3',
    '5.3.1',
    '5.3.2',
    '5.4',
    '6',
    '7.1.1',
    '7.2.1',
    '8',
  ],
  rules: 38,
});
