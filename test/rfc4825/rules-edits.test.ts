import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parseXml } from '../../schemas/xml/parse.ts';
import { schemaViolations } from '../../schemas/xml/validate.ts';
import { ATTRIBUTE, AUTH_POLICY, D, ELEMENT, entry, F, G, LISTS, RESOURCE_LISTS, type XcapResponse, XcapServer } from './xcap-server.ts';

let server: XcapServer;
beforeAll(async () => {
  server = await XcapServer.start({ limits: { documentBytes: 64 * 1024, depth: 20 } });
});
afterAll(() => server.stop());
beforeEach(async () => {
  await server.delete(D);
  expect((await server.put(D, RESOURCE_LISTS, LISTS)).status).toBe(201);
});

/** The error element of a 409, whose body must satisfy the schema of RFC 4825 11.2. */
function conflict(response: XcapResponse): string {
  expect(response.status).toBe(409);
  expect(response.headers['content-type']).toBe('application/xcap-error+xml');
  expect(schemaViolations('urn:ietf:params:xml:ns:xcap-error', response.body)).toEqual([]);
  return parseXml(response.body).root.elements[0]?.local ?? '';
}

const text = async () => (await server.get(D)).body;
const put = (path: string, body: string | Buffer) => server.put(path, ELEMENT, body);
const putAttribute = (path: string, body: string | Buffer) => server.put(path, ATTRIBUTE, body);

describe('rule 1: GET(PUT(x)) = x for elements (RFC 4825 8.2.3)', () => {
  test.each([
    ['an inserted element that its predicate does not match', entry('sip:z@x')],
    ['a replaced element that its predicate does not match any more', entry('sip:b@x')],
    ['an element of another name', 'list'],
    ['a position that it would not have', 'entry%5B9%5D'],
    ['the position zero', 'entry%5B0%5D'],
  ])('rule 1: %s -> 409 cannot-insert', async (_, step) => {
    expect(conflict(await put(`${F}/${step}`, '<entry uri="sip:other@x"/>'))).toBe('cannot-insert');
    expect(await text()).toBe(LISTS);
  });

  test('rule 1: an element of another namespace under the same name -> 409 cannot-insert', async () => {
    expect(conflict(await put(`${F}/${entry('sip:z@x')}`, '<entry xmlns="urn:z" uri="sip:z@x"/>'))).toBe('cannot-insert');
  });
});

describe('rule 2: attributes that the selector itself names (RFC 4825 7.7, 8.2.4)', () => {
  test('rule 2: PUT F/@name -> 409 cannot-insert', async () => {
    expect(conflict(await putAttribute(`${F}/@name`, 'h'))).toBe('cannot-insert');
    expect((await putAttribute(`${F}/@name`, 'f')).status).toBe(200);
    expect((await putAttribute(`${D}/~~/resource-lists/list%5B1%5D/@name`, 'h')).status).toBe(200);
    expect((await server.get(`${D}/~~/resource-lists/list%5B1%5D/@name`)).body).toBe('h');
  });
});

describe('rule 3: DELETE must leave the selector matching nothing (RFC 4825 8.4)', () => {
  test('rule 3: by position, only the last can go', async () => {
    expect(conflict(await server.delete(`${F}/entry%5B1%5D`))).toBe('cannot-delete');
    expect(await text()).toBe(LISTS);
    expect((await server.delete(`${F}/entry%5B2%5D`)).status).toBe(200);
    expect((await server.delete(`${F}/entry%5B1%5D`)).status).toBe(200);
    expect(await text()).toContain('<list name="f">\n  \n  <!-- c is new -->\n  \n </list>');
  });

  test('rule 3: by position and attribute, or by name alone when it is the only one', async () => {
    expect((await server.delete(`${F}/entry%5B1%5D%5B@uri=%22sip:b@x%22%5D`)).status).toBe(200);
    expect((await server.delete(`${F}/entry`)).status).toBe(200);
    expect((await server.delete(`${F}/entry`)).status).toBe(404);
  });
});

describe('rule 6: the position of a new element (RFC 4825 8.2.3)', () => {
  const POLICY = '/xcap-root/pres-rules/users/sip:a@x/insertion';
  const QUERY = '?xmlns(c=urn:ietf:params:xml:ns:common-policy)xmlns(t=urn:t)';
  const CONTENT = `\n <t:el1 att="first"/>\n <t:el1 att="second"/>\n <!-- comment -->\n <t:el2 att="first"/>\n`;
  /** The schema takes any extension in a rule's conditions, so that these can be the RFC's own examples. */
  const document = (content: string) =>
    `<c:ruleset xmlns:c="urn:ietf:params:xml:ns:common-policy" xmlns:t="urn:t"><c:rule id="r"><c:conditions>${content}</c:conditions></c:rule></c:ruleset>`;

  const insert = async (selector: string, body: string, content = CONTENT) => {
    await server.delete(POLICY);
    expect((await server.put(POLICY, AUTH_POLICY, document(content))).status).toBe(201);
    const path = `${POLICY}/~~/c:ruleset/c:rule/c:conditions/${encodeURIComponent(selector)}${QUERY}`;
    const response = await put(path, body);
    if (response.status !== 201) return conflict(response);
    expect((await server.get(path)).body).toBe(body);
    return (await server.get(POLICY)).body;
  };

  const third = '<t:el1 att="third"/>';
  const two = '<t:el2 att="2"/>';
  const three = '<t:el3 att="first"/>';
  const behindSecond = document(CONTENT.replace('"second"/>', `"second"/>${third}`));
  const atTheEnd = (fresh: string) => document(CONTENT + fresh);

  test.each([
    ['t:el1[@att="third"]', third, behindSecond],
    ['t:el1[3][@att="third"]', third, behindSecond],
    ['*[3][@att="third"]', third, behindSecond],
    ['t:el3', three, atTheEnd(three)],
    ['t:el3[1]', three, atTheEnd(three)],
    ['t:el3[1][@att="first"]', three, atTheEnd(three)],
    ['*[@att="new"]', '<t:el3 att="new"/>', atTheEnd('<t:el3 att="new"/>')],
    ['*[@att="third"]', third, behindSecond],
    ['t:el2[@att="2"]', two, document(CONTENT.replace('<t:el2 att="first"/>', `<t:el2 att="first"/>${two}`))],
    ['t:el2[2][@att="2"]', two, document(CONTENT.replace('<t:el2 att="first"/>', `<t:el2 att="first"/>${two}`))],
    ['*[2][@att="2"]', two, document(CONTENT.replace('"first"/>', `"first"/>${two}`))],
    ['t:el2[1][@att="2"]', two, document(CONTENT.replace('<t:el2 att="first"/>', `${two}<t:el2 att="first"/>`))],
    ['t:el1[1][@att="third"]', third, document(CONTENT.replace('<t:el1', `${third}<t:el1`))],
    ['*[1][@att="2"]', two, document(CONTENT.replace('<t:el1', `${two}<t:el1`))],
    ['*[4]', two, document(CONTENT.replace('<t:el2 att="first"/>', `<t:el2 att="first"/>${two}`))],
    ['t:el3[2]', three, 'cannot-insert'],
    ['t:el1[4][@att="third"]', third, 'cannot-insert'],
    ['*[5][@att="third"]', third, 'cannot-insert'],
    ['t:el1[@att="fourth"]', third, 'cannot-insert'],
  ])('rule 6: %s', async (selector, body, expected) => {
    expect(await insert(selector, body)).toBe(expected);
  });

  test.each(['t:el3', 't:el3[1]', '*', '*[1]', '*[@att="first"]'])(
    'rule 6: %s as the first child, behind the white space',
    async (selector) => {
      expect(await insert(selector, three, '\n  ')).toBe(document(`\n  ${three}`));
      expect(await insert(selector, three, '<!-- c -->')).toBe(document(`<!-- c -->${three}`));
    },
  );

  test('rule 6: into an element written as an empty-element tag', async () => {
    await put(G, '<list name="g" />');
    expect((await put(`${G}/entry`, '<entry uri="sip:d@x"/>')).status).toBe(201);
    expect(await text()).toContain('<list name="g" ><entry uri="sip:d@x"/></list>');
    expect((await put(`${G}/${entry('sip:e@x')}`, '<entry uri="sip:e@x"/>')).status).toBe(201);
    expect(await text()).toContain('<entry uri="sip:d@x"/><entry uri="sip:e@x"/></list>');
  });
});

describe('rule 7: the source bytes (RFC 4825 6.3, 8.3)', () => {
  test('rule 7: GET of an element is its exact source, with no namespace added', async () => {
    const response = await server.get(`${F}/${entry('sip:c@x')}`);
    expect(response.body).toBe("<entry uri='sip:c@x'><display-name>C &amp; co</display-name></entry>");
    expect(response.headers['content-type']).toBe('application/xcap-el+xml');
  });

  test('rule 7: a fragment may use prefixes that only the document binds, and spellings survive edits elsewhere', async () => {
    const document = LISTS.replace('<resource-lists ', '<resource-lists xmlns:o="urn:o"\r\n\t').replace('name="g"', "name = 'g'");
    await server.put(D, RESOURCE_LISTS, document);
    const fragment = '<entry uri="sip:d@x" o:k="&#x41;"><o:x><![CDATA[<]]></o:x><?pi?><!-- - --></entry>';
    expect((await put(`${F}/${entry('sip:d@x')}`, fragment)).status).toBe(201);
    expect((await server.get(`${F}/${entry('sip:d@x')}`)).body).toBe(fragment);
    expect(await text()).toBe(document.replace('</entry>\n', `</entry>${fragment}\n`));
    expect(conflict(await put(`${F}/${entry('sip:e@x')}`, '<entry uri="sip:e@x" p:k=""/>'))).toBe('not-xml-frag');
  });

  test('rule 7: white space around a fragment is not part of it', async () => {
    expect((await put(`${F}/${entry('sip:d@x')}`, '\n <entry uri="sip:d@x"/>\n')).status).toBe(201);
    expect(await text()).toContain('</entry><entry uri="sip:d@x"/>\n </list>');
  });
});

describe('rule 11: a missing parent (RFC 4825 8.2.1, 11.1)', () => {
  test('rule 11: GET and DELETE -> 404, PUT -> no-parent with the deepest ancestor', async () => {
    const path = `${F}/list%5B@name=%22h%22%5D/${entry('sip:d@x')}`;
    expect((await server.get(path)).status).toBe(404);
    expect((await server.delete(path)).status).toBe(404);
    const response = await put(path, '<entry uri="sip:d@x"/>');
    expect(conflict(response)).toBe('no-parent');
    expect(response.body).toContain(`<ancestor>${F}</ancestor>`);
    const attribute = await putAttribute(`${F}/${entry('sip:z@x')}/@uri`, 'sip:y@x');
    expect(conflict(attribute)).toBe('no-parent');
    expect(attribute.body).toContain(`<ancestor>${F}</ancestor>`);
  });

  test('rule 11: no step selects anything: the ancestor is the document; prefixes keep their bindings', async () => {
    const response = await put(`${D}/~~/other/list`, '<list/>');
    expect(conflict(response)).toBe('no-parent');
    expect(response.body).toContain(`<ancestor>${D}</ancestor>`);
    const query = '?xmlns(p=urn:ietf:params:xml:ns:resource-lists)';
    const prefixed = await put(`${D}/~~/p:resource-lists/list%5B9%5D/entry${query}`, '<entry uri="a"/>');
    expect(prefixed.body).toContain(`<ancestor>${D}/~~/p:resource-lists${query}</ancestor>`);
  });

  test('rule 11: a PUT of a node into a missing document', async () => {
    await server.delete(D);
    const response = await put(F, '<list name="f"/>');
    expect(conflict(response)).toBe('no-parent');
    expect(response.body).toContain('<ancestor>/xcap-root/resource-lists/users/sip:a@x/</ancestor>');
    expect((await server.get(F)).status).toBe(404);
    expect((await server.delete(F)).status).toBe(404);
  });
});

describe('rule 12: content types (RFC 4825 8.2.2)', () => {
  test.each([
    [D, 'application/xml'],
    [D, 'application/xcap-el+xml'],
    [F, 'application/resource-lists+xml'],
    [F, ATTRIBUTE],
    [`${F}/@name`, ELEMENT],
    [`${F}/@name`, 'text/plain'],
  ])('rule 12: %s as %s -> 415', async (path, type) => {
    expect((await server.put(path, type, '<list name="f"/>')).status).toBe(415);
  });

  test('rule 12: none at all, or one that is no media type -> 415', async () => {
    expect((await server.request('PUT', D, {}, LISTS)).status).toBe(415);
    expect((await server.put(D, 'nonsense', LISTS)).status).toBe(415);
  });

  test('rule 12: parameters and upper case are fine', async () => {
    expect((await server.put(D, 'Application/Resource-Lists+XML; charset=utf-8', LISTS)).status).toBe(200);
    expect((await server.put(F, `${ELEMENT} ;charset="utf-8"`, '<list name="f"/>')).status).toBe(200);
    expect((await server.put(`${F}/@name`, `${ATTRIBUTE};v=1`, 'f')).status).toBe(200);
  });

  test('rule 12: a content coding that is not understood -> 415, identity is none', async () => {
    expect((await server.put(D, RESOURCE_LISTS, LISTS, { 'content-encoding': 'gzip' })).status).toBe(415);
    expect((await server.put(D, RESOURCE_LISTS, LISTS, { 'content-encoding': 'identity' })).status).toBe(200);
  });
});

describe('rule 13: bodies (RFC 4825 8.2.2)', () => {
  const latin = Buffer.from('<list name="\u00e9"/>', 'latin1');

  test('rule 13: not UTF-8 -> not-utf-8', async () => {
    expect(conflict(await server.put(D, RESOURCE_LISTS, latin))).toBe('not-utf-8');
    expect(conflict(await put(F, latin))).toBe('not-utf-8');
    expect(conflict(await putAttribute(`${F}/@name`, Buffer.from([0xff])))).toBe('not-utf-8');
    const declared = LISTS.replace('UTF-8', 'ISO-8859-1');
    expect(conflict(await server.put(D, RESOURCE_LISTS, declared))).toBe('not-utf-8');
  });

  test.each(['', 'no xml', '<a', '<a></b>', '<a/><b/>', '<a b="1" b="2"/>', '<a:b/>', '<a>&undefined;</a>'])(
    'rule 13: the document %s -> not-well-formed',
    async (body) => {
      expect(conflict(await server.put(D, RESOURCE_LISTS, body))).toBe('not-well-formed');
      expect(await text()).toBe(LISTS);
    },
  );

  test.each([
    '',
    'text',
    '<list name="f"/><list name="h"/>',
    '<?xml version="1.0"?><list name="f"/>',
    '<list name="f"/><!-- beside -->',
    '<!-- beside --><list name="f"/>',
    '<list name="f">',
    '<list name="f"></list></list><list>',
    'text<list name="f"/>',
  ])('rule 13: the element %s -> not-xml-frag', async (body) => {
    expect(conflict(await put(F, body))).toBe('not-xml-frag');
    expect(await text()).toBe(LISTS);
  });

  test.each(['a<b', '"a<b"', 'a&b', '&undefined;', 'a\u0001b'])('rule 13: the attribute %s -> not-xml-att-value', async (body) => {
    expect(conflict(await putAttribute(`${F}/@name`, body))).toBe('not-xml-att-value');
  });
});

describe('rule 14: attribute values (RFC 4825 7.7, 7.9)', () => {
  const NAME = `${D}/~~/resource-lists/list%5B2%5D/@name`;

  test.each([
    ['plain', 'plain', '"plain"'],
    ['"quoted"', 'quoted', '"quoted"'],
    ["'quoted'\n", 'quoted', '"quoted"'],
    ['a&amp;b &#65; &lt;', 'a&amp;b &#65; &lt;', '"a&amp;b &#65; &lt;"'],
    [`'say "x"'`, 'say "x"', `'say "x"'`],
    [`it's`, `it's`, `"it's"`],
    [`it's "x"`, `it's &quot;x&quot;`, `"it's &quot;x&quot;"`],
    ['', '', '""'],
    ['""', '', '""'],
    ['a>b', 'a>b', '"a>b"'],
  ])('rule 14: PUT %s', async (body, value, source) => {
    expect((await putAttribute(NAME, body)).status).toBe(200);
    const response = await server.get(NAME);
    expect([response.body, response.headers['content-type']]).toEqual([value, ATTRIBUTE]);
    expect(await text()).toContain(`<list name=${source}>`);
  });

  test('rule 14: GET gives the value as its source spells it', async () => {
    await put(G, `<list name='a&#x26;"b"'/>`);
    expect((await server.get(`${D}/~~/resource-lists/list%5B2%5D/@name`)).status).toBe(200);
    await server.put(D, RESOURCE_LISTS, LISTS.replace('name="g"', `name='a&#x26;"b"'`));
    expect((await server.get(NAME)).body).toBe('a&#x26;"b"');
  });

  test('rule 14: a new attribute goes into the start tag, with the prefix the document has for its namespace', async () => {
    await server.put(D, RESOURCE_LISTS, LISTS.replace('<resource-lists ', '<resource-lists xmlns:o="urn:o" '));
    await put(G, '<list\n name="g"\n/>');
    const path = `${G}/@p:k?xmlns(p=urn:o)`;
    expect((await putAttribute(path, 'v')).status).toBe(201);
    expect(await text()).toContain('<list\n name="g" o:k="v"\n/>');
    expect((await server.get(path)).body).toBe('v');
    expect((await server.delete(path)).status).toBe(200);
    expect(await text()).toContain('<list\n name="g"\n/>');
    expect(conflict(await putAttribute(`${G}/@p:k?xmlns(p=urn:nowhere)`, 'v'))).toBe('cannot-insert');
    expect((await putAttribute(`${F}/display-name/@xml:lang`, 'v')).status).toBe(409);
  });
});

describe('rule 17: the answers to a PUT (RFC 4825 8.2.7)', () => {
  test('rule 17: 201 for what is new, 200 without a body for what was there', async () => {
    const created = [
      await server.put(D.replace('index', 'other'), RESOURCE_LISTS, LISTS),
      await put(`${F}/${entry('sip:d@x')}`, '<entry uri="sip:d@x"/>'),
      await putAttribute(`${D}/~~/resource-lists/list%5B2%5D/@xml:lang`, 'en'),
    ];
    expect(created.map(({ status, body }) => `${status}${body}`)).toEqual(['201', '201', '201']);
    const replaced = [
      await server.put(D.replace('index', 'other'), RESOURCE_LISTS, LISTS.replace('"g"', '"h"')),
      await put(`${F}/${entry('sip:d@x')}`, '<entry uri="sip:d@x"></entry>'),
      await putAttribute(`${D}/~~/resource-lists/list%5B2%5D/@name`, 'h'),
    ];
    for (const { status, body, headers } of replaced) {
      expect([status, body]).toEqual([200, '']);
      expect(headers.etag).toMatch(/^".+"$/);
    }
  });
});

describe('rule 19: DELETE validates the result (RFC 4825 8.4)', () => {
  test('rule 19: DELETE entry/@uri -> 409 schema-validation-error', async () => {
    expect(conflict(await server.delete(`${F}/entry%5B1%5D/@uri`))).toBe('schema-validation-error');
    expect(await text()).toBe(LISTS);
    expect((await server.delete(`${D}/~~/resource-lists/list%5B2%5D/@name`)).status).toBe(200);
    expect(await text()).toContain('<list></list>');
  });
});

describe('rule 34: no DTD, and bounds (RFC 4825 8.2.2, 14)', () => {
  const bomb =
    '<!DOCTYPE resource-lists [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>\n<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="&b;"/></resource-lists>';

  test('rule 34: a DOCTYPE is refused, in a document and in a fragment', async () => {
    const response = await server.put(D, RESOURCE_LISTS, bomb);
    expect(conflict(response)).toBe('not-well-formed');
    expect(response.body).toContain('document type declaration');
    expect(conflict(await put(F, bomb))).toBe('not-xml-frag');
    expect(await text()).toBe(LISTS);
  });

  test('rule 34: nesting is bounded, by PUT of a document and step by step', async () => {
    const nested = (depth: number) => '<list>'.repeat(depth) + '</list>'.repeat(depth);
    const document = (depth: number) => `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">${nested(depth)}</resource-lists>`;
    expect((await server.put(D, RESOURCE_LISTS, document(19))).status).toBe(200);
    expect(conflict(await server.put(D, RESOURCE_LISTS, document(20)))).toBe('not-well-formed');
    expect(conflict(await put(`${D}/~~/resource-lists${'/list'.repeat(20)}`, '<list/>'))).toBe('not-xml-frag');
    expect(conflict(await server.put(D, RESOURCE_LISTS, '<a>'.repeat(10_000)))).toBe('not-well-formed');
  });

  test('rule 34: elements and attributes are bounded, by PUT of a document and one by one -> 413', async () => {
    const small = await XcapServer.start({ limits: { nodes: 12 } });
    try {
      const lists = (content: string) =>
        `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="f">${content}</list></resource-lists>`;
      const entries = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `<entry uri="sip:${from + i}"/>`).join('');
      expect((await small.put(D, RESOURCE_LISTS, lists(entries(0, 5)))).status).toBe(413);
      expect((await small.put(D, RESOURCE_LISTS, lists(`<entry uri="u" ${'abcdefghij'.replace(/./g, ' $&="1"')}/>`))).status).toBe(413);
      expect((await small.put(D, RESOURCE_LISTS, lists(entries(0, 4)))).status).toBe(201);
      expect((await small.put(`${F}/${entry('sip:9')}`, ELEMENT, '<entry uri="sip:9"/>')).status).toBe(413);
      expect((await small.put(`${F}/${entry('sip:9')}`, ELEMENT, `<entry uri="sip:9">${'<x/>'.repeat(20)}</entry>`)).status).toBe(413);
      expect((await small.put(F, ELEMENT, `<list name="f">${entries(0, 5)}</list>`)).status).toBe(413);
      expect((await small.put(`${F}/${entry('sip:3')}/@a`, ATTRIBUTE, 'v')).status).toBe(413);
      expect((await small.put(`${F}/${entry('sip:3')}`, ELEMENT, '<entry  uri="sip:3"/>')).status).toBe(200);
      expect((await small.delete(`${F}/${entry('sip:3')}`)).status).toBe(200);
      expect((await small.put(`${F}/${entry('sip:9')}`, ELEMENT, '<entry uri="sip:9"/>')).status).toBe(201);
    } finally {
      await small.stop();
    }
  });

  test('rule 34: size is bounded, of a body and of what an edit makes -> 413', async () => {
    const long = `<entry uri="sip:d@x"><display-name>${'\u20ac'.repeat(21_000)}</display-name></entry>`;
    expect((await put(`${F}/${entry('sip:d@x')}`, long)).status).toBe(201);
    const response = await put(`${F}/${entry('sip:e@x')}`, long.replace('sip:d', 'sip:e'));
    expect(response.status).toBe(413);
    expect((await server.put(D, RESOURCE_LISTS, LISTS + ' '.repeat(70_000))).status).toBe(413);
    expect((await server.get(`${F}/${entry('sip:e@x')}`)).status).toBe(404);
  });
});
