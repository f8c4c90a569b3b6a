import { describe, expect, test } from 'vitest';
import type { Change, Trigger } from '../../schemas/filter/filter-set.ts';
import { FilteredDocument } from '../../schemas/filter/filtered-document.ts';
import { TriggerFilter } from '../../schemas/filter/trigger.ts';

const document = (...tuples: readonly string[]) => new FilteredDocument(`<p>${tuples.join('')}</p>`);
const tuple = (id: string, basic: string, more = '') => `<t id="${id}"><s><b>${basic}</b>${more}</s></t>`;
const NO_PARTS = { changed: [], added: [], removed: [] };

function fires(before: FilteredDocument, after: FilteredDocument, ...triggers: readonly Partial<Trigger>[]): boolean {
  return new TriggerFilter(
    triggers.map((trigger) => ({ ...NO_PARTS, ...trigger })),
    {},
  ).fires(before, after);
}

const changed = (limits: Omit<Change, 'expression'> = {}, expression = '/p/t/s/b') => ({ changed: [{ expression, ...limits }] });

describe('RFC 4661 3.6.1: changed', () => {
  test.each([
    ['closed', 'open', {}, true],
    ['open', 'open', {}, false],
    ['open', ' open ', {}, false],
    ['closed', 'open', { from: 'closed', to: 'open' }, true],
    ['closed', 'open', { from: 'CLOSED', to: 'OPEN' }, true],
    ['open', 'closed', { from: 'closed', to: 'open' }, false],
    ['closed', 'open', { from: 'closed' }, true],
    ['closed', 'open', { from: 'open' }, false],
    ['closed', 'open', { to: 'open' }, true],
    ['open', 'open', { to: 'open' }, false],
    ['6', '8', { by: 2 }, true],
    ['6', '4', { by: 2 }, true],
    ['6', '7.9', { by: 2 }, false],
    ['6', 'x', { by: 2 }, false],
    ['6', '9', { by: 2, to: '9.0' }, true],
    ['6', '9', { by: 2, from: '5' }, false],
  ])('%s to %s: %j', (from, to, limits, expected) => {
    expect(fires(document(tuple('a', from)), document(tuple('a', to)), changed(limits))).toBe(expected);
  });

  test('each tuple is compared with itself, wherever it stands', () => {
    const before = document(tuple('a', 'open'), tuple('b', 'closed'));
    expect(fires(before, document(tuple('b', 'closed'), tuple('a', 'open')), changed())).toBe(false);
    expect(fires(before, document(tuple('b', 'open'), tuple('a', 'open')), changed({ to: 'open' }))).toBe(true);
  });

  test('what takes the place of something else is compared with that; what is new may come up with a value (6.3)', () => {
    expect(fires(document(tuple('none', 'closed')), document(tuple('a', 'open')), changed({ from: 'closed', to: 'open' }))).toBe(true);
    const before = document(tuple('a', 'open'));
    expect(fires(before, document(tuple('a', 'open'), tuple('b', 'open')), changed({ to: 'open' }))).toBe(true);
    expect(fires(before, document(tuple('a', 'open'), tuple('b', 'open')), changed())).toBe(false);
    expect(fires(before, document(), changed({ from: 'open' }))).toBe(false);
  });

  test('attributes, and elements with elements', () => {
    const [one, two] = ['1', '2'].map((n) => document(`<t id="a" n="${n}"><s><b>x</b></s></t>`)) as [FilteredDocument, FilteredDocument];
    expect(fires(one, two, changed({}, '/p/t/@n'))).toBe(true);
    expect(fires(one, one, changed({}, '//@n'))).toBe(false);
    expect(fires(document(tuple('a', 'x')), document(tuple('a', 'x', '<c d="1"/>')), changed({}, '/p/t'))).toBe(true);
    expect(fires(one, two, changed({}, '/p/t'))).toBe(false);
  });
});

describe('RFC 4661 3.6.2, 3.6.3: added and removed', () => {
  const [one, two] = [document(tuple('a', 'x')), document(tuple('a', 'x'), tuple('b', 'x'))];

  test('instances come and go', () => {
    const [added, removed] = [{ added: ['/p/t'] }, { removed: ['/p/t'] }];
    expect([fires(one, two, added), fires(two, one, added), fires(one, one, added)]).toEqual([true, false, false]);
    expect([fires(one, two, removed), fires(two, one, removed), fires(two, two, removed)]).toEqual([false, true, false]);
    const other = document(tuple('c', 'x'));
    expect([fires(one, other, added), fires(one, other, removed)]).toEqual([true, true]);
  });

  test('3.6: all parts of a trigger, any of the triggers', () => {
    const both = { added: ['/p/t'], ...changed({ to: 'y' }) };
    expect(fires(one, two, both)).toBe(false);
    expect(fires(one, document(tuple('a', 'y'), tuple('b', 'x')), both)).toBe(true);
    expect(fires(one, two, changed({ to: 'y' }), { added: ['/p/t'] })).toBe(true);
  });
});
