import { expect, it } from 'vitest';
import { GenerationCache } from '../../schemas/generation-cache.ts';

it('keeps what is used, forgets the rest, and never holds more than its bound', () => {
  const cache = new GenerationCache<string>(100, (value) => value.length);
  for (let index = 0; index < 1000; index++) {
    cache.set('hot', 'x'.repeat(5));
    expect(cache.get('hot')).toBeDefined();
    cache.set(`${index}`, 'y'.repeat(10));
  }
  let held = 0;
  for (let index = 0; index < 1000; index++) held += cache.get(`${index}`)?.length ?? 0;
  expect(held).toBeGreaterThan(0);
  expect(held).toBeLessThanOrEqual(100);
  expect(cache.get('999')).toBeDefined();
  expect(cache.get('0')).toBeUndefined();
});

it('gives the newest value, and none once it is deleted', () => {
  const cache = new GenerationCache<number>(4);
  cache.set('a', 1);
  cache.set('b', 1);
  cache.set('c', 1);
  cache.set('a', 2);
  expect(cache.get('a')).toBe(2);
  cache.delete('a');
  expect(cache.get('a')).toBeUndefined();
  cache.set('a', 3);
  cache.clear();
  expect(cache.get('a')).toBeUndefined();
});

it('does not count what was replaced', () => {
  const cache = new GenerationCache<string>(100, (value) => value.length);
  cache.set('first', 'x'.repeat(10));
  for (let index = 0; index < 1000; index++) cache.set('again', 'y'.repeat(10));
  expect([cache.get('first')?.length, cache.get('again')?.length]).toEqual([10, 10]);
});
