import { describe, expect, test } from 'vitest';
import { FilterError, parseExpression } from '../../schemas/filter/expression.ts';
import { compileExpression, FilteredDocument, Work } from '../../schemas/filter/filtered-document.ts';

const BINDINGS = { p: 'urn:p', q: 'urn:q' };
const DOCUMENT = `<presence xmlns="urn:p" xmlns:q="urn:q" entity="e">
 <tuple id="a" q:mark="1"><status><basic>open</basic></status><q:class>IM</q:class><device>one</device></tuple>
 <tuple id="b"><status><basic>closed</basic></status><q:class>voice</q:class></tuple>
 <q:person id="c"><q:age>30</q:age><note>x</note></q:person>
</presence>`;

/** Names of what an expression selects, by the ids of tuples around it. */
function selected(expression: string): string[] {
  const document = new FilteredDocument(DOCUMENT);
  return [...document.select(compileExpression(expression, BINDINGS), new Work())].map((node) =>
    document
      .keyOf(node)
      .replace(/urn:[pq] /g, '')
      .replace(/\[1\]/g, ''),
  );
}

describe('RFC 4661 5: what is understood, and what it selects', () => {
  test.each([
    ['/p:presence', ['presence']],
    ['/p:presence/p:tuple/p:status/p:basic', ['presence/tuple#a/status/basic', 'presence/tuple#b/status/basic']],
    ['//p:basic', ['presence/tuple#a/status/basic', 'presence/tuple#b/status/basic']],
    ['/*/p:tuple[@id="a"]', ['presence/tuple#a']],
    ['//*[p:status/p:basic="open"]', ['presence/tuple#a']],
    ['/p:presence/p:tuple[*/p:basic="open"]', ['presence/tuple#a']],
    ['//p:tuple[p:status/p:basic="open" and p:device="one"]', ['presence/tuple#a']],
    ['//p:tuple[p:status/p:basic="open" and p:device="two"]', []],
    ['//p:tuple[q:class="IM" or q:class="voice"]/@id', ['presence/tuple#a/@ id', 'presence/tuple#b/@ id']],
    ['//@id', ['presence/tuple#a/@ id', 'presence/tuple#b/@ id', 'presence/person#c/@ id']],
    ['//@q:mark', ['presence/tuple#a/@mark']],
    ['//q:age[.>29]', ['presence/person#c/age']],
    ['//q:age[.<30]', []],
    ["//p:basic[.='open']", ['presence/tuple#a/status/basic']],
    ['//p:basic[..="open"]', ['presence/tuple#a/status/basic']],
    ['//q:person[@id="c"]/q:age', ['presence/person#c/age']],
    ['//p:tuple[.//p:basic="open"]', 'refused'],
    ['//p:tuple[p:status//p:basic="open"]', ['presence/tuple#a']],
    ['/p:presence[p:tuple//p:basic="open"]/q:person', ['presence/person#c']],
    ['/p:presence//p:basic', ['presence/tuple#a/status/basic', 'presence/tuple#b/status/basic']],
    [
      '//p:tuple//*',
      ['status', 'status/basic', 'class', 'device']
        .map((name) => `presence/tuple#a/${name}`)
        .concat(['status', 'status/basic', 'class'].map((name) => `presence/tuple#b/${name}`)),
    ],
    [' / p:presence\n/ p:tuple [ @id = "b" ] ', ['presence/tuple#b']],
    // A name without a prefix is in no namespace.
    ['/presence/tuple', []],
    ['//xml:lang', []],
  ] as const)('%s', (expression, expected) => {
    if (expected === 'refused') expect(() => selected(expression)).toThrow(FilterError);
    else expect(selected(expression)).toEqual(expected);
  });

  test.each([
    '', '/', '//', 'p:tuple', '/p:presence/', '/p:presence//', '///p:tuple', '/p:tuple[', '/p:tuple[]', '/p:tuple[1]', '/p:tuple[p:a]',
    '/p:tuple[p:a="1"', '/p:tuple[p:a!="1"]', '/p:tuple[p:a="1" and]', '/p:tuple[not(p:a="1")]', '/p:tuple[(p:a="1")]', '/p:tuple[count(*)>1]',
    '/p:tuple[position()=1]', '/p:tuple[p:a=p:b]', '/p:tuple[p:a="1"', '/p:tuple[p:a>="1"]', '/p:tuple | /p:note', '/p:tuple/text()', '/p:tuple/node()',
    '/descendant::p:tuple', '/p:tuple/ancestor::*', '/p:tuple/..', '/p:tuple/.', '//p:tuple[a//b//c="1"]', '/@id', '/p:a/@id/p:b', '/p:a/@*', '/x:tuple',
    '/p:tuple[x:a="1"]', '/constructor:a', '/__proto__:a', '/p:tuple[p:a="it\'s]', '/p:tuple[$v="1"]', 'document("file:///etc/passwd")', '/p:tuple[p:a="1"]x',
    `/${'p:a/'.repeat(30)}p:a`, `/p:a[${'p:b="1" or '.repeat(30)}p:b="1"]`, `//${'x'.repeat(1000)}`,
  ])('refused: %s', (expression) => {
    expect(() => parseExpression(expression, BINDINGS, 'selection')).toThrow(FilterError);
  }); // biome-ignore format: a table

  test('3.6: what triggers is referred to without conditions', () => {
    expect(() => parseExpression('//p:tuple[@id="a"]', BINDINGS, 'reference')).toThrow(FilterError);
    expect(parseExpression('//p:tuple/@id', BINDINGS, 'reference').segments).toHaveLength(1);
  });

  test('the same is the same, whatever its prefixes', () => {
    const key = (text: string, bindings: Record<string, string>) => parseExpression(text, bindings, 'selection').key;
    expect(key('//a:x[ b:y = "1" ]', { a: 'urn:p', b: 'urn:q' })).toBe(key('//p:x[q:y="1"]', BINDINGS));
    expect(key('//a:x', { a: 'urn:q' })).not.toBe(key('//p:x', BINDINGS));
  });
});
