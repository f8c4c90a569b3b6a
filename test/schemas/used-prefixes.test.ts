import { expect, test } from 'vitest';
import { usedPrefixes } from '../../schemas/xml/used-prefixes.ts';

test.each<[string, string[]]>([
  ['<a/>', []],
  ['<p:a q:b="r:c">(s:d) t:e</p:a>', ['p', 'q', 'r', 's', 't']],
  ['<p:a xmlns:p="http://x"/>', ['p', 'xmlns', 'http']],
  ['x-1.y:z', ['x-1.y']],
  ['a:b:c', ['a', 'b']],
  [':a', []],
  [' :a ::b', []],
  ['<\u00e4\u4e00:a/>', ['\u00e4\u4e00']],
])('RFC 5874 3: %s may use %s', (xml, prefixes) => {
  expect([...usedPrefixes(xml)].toSorted()).toEqual(prefixes.toSorted());
});

test('a long text without a prefix is gone through once', () => {
  expect(usedPrefixes('x'.repeat(5_000_000)).size).toBe(0);
  expect(usedPrefixes(`${'x'.repeat(5_000_000)}:`).size).toBe(1);
});

test('only what stands between the offsets counts', () => {
  expect([...usedPrefixes('a:b cd:e f:g', 5, 9)]).toEqual(['d']);
  expect([...usedPrefixes('a:b cd:e f:g', 4, 6)]).toEqual([]);
});
