import { describeCoverage } from '../helpers/coverage.ts';

describeCoverage({
  folder: import.meta.dirname,
  title: 'RFC 3858 3 to 6',
  sections: ['3', '4', '6'],
  rules: 14,
  wholly: [],
});
