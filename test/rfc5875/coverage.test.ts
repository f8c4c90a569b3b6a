import { describeCoverage, subsections } from '../helpers/coverage.ts';

describeCoverage({
  folder: import.meta.dirname,
  title: 'RFC 5875',
  sections: [...subsections({ 4: 8 }), '4.10', '7'],
  rules: 30,
  wholly: ['collections.test.ts'],
});
