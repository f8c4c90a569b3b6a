import { describe, expect, it } from 'vitest';
import { registerSchema, schemaFor, schemaNamespaces, schemaViolations } from '../../schemas/xml/validate.ts';

const NS = 'urn:ietf:params:xml:ns:';
const LISTS = `${NS}resource-lists`;

describe('validation by schema', () => {
  it('has a usable schema for every namespace it names', () => {
    expect(schemaNamespaces().length).toBeGreaterThan(22);
    for (const namespace of schemaNamespaces()) expect(schemaFor(namespace)?.namespace).toBe(namespace);
  });

  it('knows nothing of other namespaces', () => {
    expect(schemaFor('urn:example:none')).toBeUndefined();
    expect(() => schemaViolations('urn:example:none', '<a/>')).toThrow('urn:example:none');
  });

  it('tells line, element and what was expected', () => {
    const text = `<resource-lists xmlns="${LISTS}">\n <list>\n  <entry/>\n  <friend/>\n </list>\n</resource-lists>`;
    expect(schemaViolations(LISTS, text)).toEqual([
      { line: 3, element: 'entry', message: '<entry> needs the attribute uri' },
      {
        line: 4,
        element: 'friend',
        message: '<friend> is not allowed here; expected an element of another namespace, <entry>, <list>, <entry-ref> or <external>',
      },
    ]);
  });

  it('tells the namespace where the name alone would mislead', () => {
    const text = `<r:resource-lists xmlns:r="${LISTS}"><r:list><entry uri="sip:a@example.com"/></r:list></r:resource-lists>`;
    expect(schemaViolations(LISTS, text)[0]?.message).toMatch(
      /^<entry> \(in no namespace\) is not allowed here; expected .*<entry> \(namespace/,
    );
  });

  it('accepts no other root than the namespace has', () => {
    const lists = `<resource-lists xmlns="${LISTS}"/>`;
    expect(schemaViolations(LISTS, lists)).toEqual([]);
    const [violation] = schemaViolations(`${NS}rls-services`, lists);
    expect(violation).toMatchObject({ line: 1, element: 'resource-lists' });
    expect(violation?.message).toContain('but must be <rls-services>');
    expect(schemaViolations(LISTS, '<resource-lists/>')[0]?.message).toContain('in no namespace');
  });

  it('answers for a text that is no document at all', () => {
    for (const text of ['', '<', '<a>', '\0', 'a', '<a/><b/>']) {
      expect(schemaViolations(LISTS, text)).toEqual([{ line: 1, message: 'the text is not a well-formed XML document' }]);
    }
  });

  it('neither fetches nor expands entities', () => {
    const external = `<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><resource-lists xmlns="${LISTS}"><list name="a"><display-name>&x;</display-name></list></resource-lists>`;
    expect(schemaViolations(LISTS, external)).toEqual([{ line: 1, message: 'the document has parts that no schema can describe' }]);
    let bomb = '<!ENTITY a0 "aaaaaaaaaa">';
    for (let i = 1; i < 12; i++) bomb += `<!ENTITY a${i} "${`&a${i - 1};`.repeat(10)}">`;
    const started = performance.now();
    expect(
      schemaViolations(LISTS, `<!DOCTYPE r [${bomb}]><resource-lists xmlns="${LISTS}"><list name="&a11;"/></resource-lists>`),
    ).not.toEqual([]);
    expect(performance.now() - started).toBeLessThan(1000);
  });

  it('stays quick and brief on a megabyte of violations', () => {
    const text = `<r:resource-lists xmlns:r="${LISTS}"><r:list>${'<r:entry/>'.repeat(100_000)}</r:list></r:resource-lists>`;
    const started = performance.now();
    expect(schemaViolations(LISTS, text)).toHaveLength(20);
    // Asking for each complaint's path, as the library does by itself, takes ten seconds and more.
    expect(performance.now() - started).toBeLessThan(3000);
  });

  it('keeps lines apart beyond the 65535th', () => {
    const text = `<resource-lists xmlns="${LISTS}">${'\n'.repeat(70_000)}<list x="1"/></resource-lists>`;
    expect(schemaViolations(LISTS, text)[0]?.line).toBe(70_001);
  });

  it('gives all its memory back', () => {
    const valid = `<resource-lists xmlns="${LISTS}"><list name="a">${'<entry uri="sip:a@example.com"/>'.repeat(500)}</list></resource-lists>`;
    const invalid = valid.replace('name="a"', 'nome="a"');
    const round = () => {
      for (let i = 0; i < 200; i++) {
        schemaViolations(LISTS, valid);
        schemaViolations(LISTS, invalid);
        schemaViolations(LISTS, '<a>');
      }
    };
    round();
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 5; i++) round();
    // A document left behind would cost some 200 KB each time: 400 MB in all.
    expect(process.memoryUsage().rss - before).toBeLessThan(60_000_000);
  });
});

describe('registering a schema', () => {
  const namespace = 'urn:example:notes';
  const root = { namespace, local: 'notes' };
  const schema = (
    type: string,
  ) => `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:rl="${LISTS}" targetNamespace="${namespace}">
    <xs:import namespace="${LISTS}"/>
    <xs:element name="notes" type="${type}"/>
  </xs:schema>`;

  it('makes a namespace known, with types of others it uses', () => {
    registerSchema({ namespace, root, uses: [LISTS], text: schema('rl:resourceList') });
    const document = (entry: string) => `<n:notes xmlns:n="${namespace}" xmlns="${LISTS}">${entry}</n:notes>`;
    expect(schemaViolations(namespace, document('<entry uri="sip:a@example.com"/>'))).toEqual([]);
    expect(schemaViolations(namespace, document('<entry/>'))[0]?.message).toBe('<entry> needs the attribute uri');
    expect(schemaNamespaces()).toContain(namespace);
  });

  it('can be repeated, and refuses what is no schema without losing the former', () => {
    registerSchema({ namespace, root, uses: [LISTS], text: schema('xs:date') });
    expect(() => registerSchema({ namespace, root, uses: [LISTS], text: schema('xs:no-such-type') })).toThrow(/unusable.*no-such-type/s);
    expect(() => registerSchema({ namespace, root, text: '<xs:schema' })).toThrow('unusable');
    expect(() => registerSchema({ namespace, root, uses: ['urn:example:none'], text: schema('xs:date') })).toThrow('urn:example:none');
    expect(schemaViolations(namespace, `<notes xmlns="${namespace}">2026-01-31</notes>`)).toEqual([]);
    expect(schemaViolations(namespace, `<notes xmlns="${namespace}">tomorrow</notes>`)[0]?.message).toContain('"tomorrow"');
  });

  it('never reads files for it', () => {
    const text = `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:o="urn:example:o" targetNamespace="${namespace}"><xs:import namespace="urn:example:o" schemaLocation="file:///etc/hostname"/><xs:element name="notes" type="o:type"/></xs:schema>`;
    expect(() => registerSchema({ namespace, root, text })).toThrow('unusable');
  });
});
