import { describe, expect, test } from 'vitest';
import { XcapRefusal } from '../../xcap/errors.ts';
import { type NodeSelector, parseNodeSelector, type Step } from '../../xcap/node-selector.ts';

const NS = 'urn:default';
const parse = (selector: string, query?: string): NodeSelector => parseNodeSelector(selector, query).bind(NS);
const steps = (selector: string, query?: string): readonly Step[] => parse(selector, query).steps;
const step = (local: string | undefined, rest: Partial<Step> = {}): Step => ({
  name: local === undefined ? undefined : { uri: NS, local },
  position: undefined,
  test: undefined,
  ...rest,
});

function refusal(selector: string, query?: string): number {
  try {
    parse(selector, query);
  } catch (error) {
    if (error instanceof XcapRefusal) return error.status;
    throw error;
  }
  return 200;
}

describe('the grammar of node selectors (RFC 4825 6.3)', () => {
  test.each<[string, Step]>([
    ['a', step('a')],
    ['*', step(undefined)],
    ['a.b-c_d', step('a.b-c_d')],
    ['%C3%A9t%C3%A9', step('\u00e9t\u00e9')],
    ['%F0%90%80%80', step('\u{10000}')],
    ['a%5B3%5D', step('a', { position: 3 })],
    ['a[3]', step('a', { position: 3 })],
    ['*%5B007%5D', step(undefined, { position: 7 })],
    ['a%5B@b=%22c%22%5D', step('a', { test: { uri: '', local: 'b', value: 'c' } })],
    ["a%5B@b='c%22d'%5D", step('a', { test: { uri: '', local: 'b', value: 'c"d' } })],
    ['a%5B@b=%22%22%5D', step('a', { test: { uri: '', local: 'b', value: '' } })],
    ['a%5B@b=%22%5B1%5D%5D%22%5D', step('a', { test: { uri: '', local: 'b', value: '[1]]' } })],
    ['a%5B@b=%22x/y%2Fz%22%5D', step('a', { test: { uri: '', local: 'b', value: 'x/y/z' } })],
    ['a%5B@b=%22%2541%22%5D', step('a', { test: { uri: '', local: 'b', value: '%41' } })],
    ['a%5B@b=%22%C3%80%E3%82%A2%22%5D', step('a', { test: { uri: '', local: 'b', value: '\u00c0\u30a2' } })],
    ['a%5B@b=%22%26lt;%26%23x41;%26apos;%26%22%5D', step('a', { test: { uri: '', local: 'b', value: "<A'&" } })],
    [
      'a%5B2%5D%5B@xml:lang=%22en%22%5D',
      step('a', { position: 2, test: { uri: 'http://www.w3.org/XML/1998/namespace', local: 'lang', value: 'en' } }),
    ],
  ])('%s', (selector, expected) => {
    expect(steps(selector)).toEqual([expected]);
  });

  test('several steps, and the terminals', () => {
    expect(parse('a/*%5B1%5D/c')).toEqual({ steps: [step('a'), step(undefined, { position: 1 }), step('c')], terminal: undefined });
    expect(parse('a/@b')).toEqual({ steps: [step('a')], terminal: { kind: 'attribute', prefix: '', uri: '', local: 'b' } });
    expect(parse('a/%40b').terminal).toEqual({ kind: 'attribute', prefix: '', uri: '', local: 'b' });
    expect(parse('a/namespace::*').terminal).toEqual({ kind: 'namespaces' });
    expect(parse('a/p:b/@q:c', 'xmlns(p=urn:p)xmlns(q=urn:q)')).toEqual({
      steps: [step('a'), step(undefined, { name: { uri: 'urn:p', local: 'b' } })],
      terminal: { kind: 'attribute', prefix: 'q', uri: 'urn:q', local: 'c' },
    });
  });

  test.each([
    '',
    '/a',
    'a/',
    'a//b',
    '@a',
    'a/@b/c',
    'a/namespace::*/b',
    'namespace::*',
    'a[]',
    'a[x]',
    'a[1',
    'a[1]b',
    'a[@b]',
    'a[@b=c]',
    'a[@b="c]',
    'a[@b="c"][1]',
    'a[1][2]',
    'a[@b="c"][@d="e"]',
    'a[ 1 ]',
    'a[@b = "c"]',
    'a[@b="<"]',
    'a[+1]',
    '*[last()]',
    'a/@',
    'a/@*',
    'a/%',
    'p:a',
    'a[@p:b="c"]',
    'a/@p:b',
  ])('%s -> 400', (selector) => {
    expect(refusal(selector)).toBe(400);
  });

  test.each(['id(%22a%22)', 'a/text()', '.', '..', '1a', 'child::a', 'a%2Fb', '-', 'a:b:c'])(
    '%s is an extension selector that is not known -> 404',
    (selector) => {
      expect(refusal(selector)).toBe(404);
    },
  );
});

describe('namespace bindings (RFC 4825 6.4)', () => {
  test.each<[string, string]>([
    ['xmlns(p=urn:p)', 'urn:p'],
    ['xmlns(p=urn:x)xmlns(p=urn:p)', 'urn:p'],
    [' xmlns(p=urn:p) ', 'urn:p'],
    ['xmlns(p=urn:(p))', 'urn:(p)'],
    ['xmlns(p=urn:^(p^^)', 'urn:(p^'],
    ['xmlns(p=urn:%23p)', 'urn:#p'],
    ['other(a(b)c)x:y(^))xmlns(p=urn:p)', 'urn:p'],
    ['xmlns(p=a=b)', 'a=b'],
  ])('%s', (query, uri) => {
    expect(steps('p:a', query)).toEqual([step(undefined, { name: { uri, local: 'a' } })]);
  });

  test('xml and xmlns keep their meaning', () => {
    expect(parse('a/@xml:b', 'xmlns(xml=urn:x)').terminal).toMatchObject({ uri: 'http://www.w3.org/XML/1998/namespace' });
    expect(parse('a/@xmlns:b').terminal).toMatchObject({ uri: 'http://www.w3.org/2000/xmlns/' });
  });

  test.each(['xmlns(p=urn:p', 'xmlns(p)', 'xmlns(=urn:p)', 'xmlns(p=urn:p))', '(a)', 'a=b', 'xmlns(p=^x)', 'xmlns(p=urn:p)%'])(
    '%s is no pointer -> 400',
    (query) => {
      expect(refusal('a', query)).toBe(400);
    },
  );

  test('a shorthand pointer is of no scheme, and an empty query says nothing', () => {
    expect(refusal('a', 'shorthand')).toBe(200);
    expect(refusal('a', '')).toBe(200);
  });
});
