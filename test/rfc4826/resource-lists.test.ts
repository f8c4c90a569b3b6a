import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parseXml } from '../../schemas/xml/parse.ts';
import { attribute, textContent } from '../../schemas/xml/tree.ts';
import { schemaViolations } from '../../schemas/xml/validate.ts';
import { ATTRIBUTE, D, ELEMENT, entry, F, G, LISTS, RESOURCE_LISTS, type XcapResponse, XcapServer } from '../rfc4825/xcap-server.ts';

let server: XcapServer;
beforeAll(async () => {
  server = await XcapServer.start();
});
afterAll(() => server.stop());
beforeEach(async () => {
  await server.delete(D);
  expect((await server.put(D, RESOURCE_LISTS, LISTS)).status).toBe(201);
});

/** The error element of a 409 with the fields and values of its `<exists>` elements. */
function conflict({ status, body }: XcapResponse): { kind: string; fields: (string | undefined)[]; values: string[] } {
  expect(status).toBe(409);
  expect(schemaViolations('urn:ietf:params:xml:ns:xcap-error', body)).toEqual([]);
  const [error] = parseXml(body).root.elements;
  const exists = error?.elements ?? [];
  return {
    kind: error?.local ?? '',
    fields: exists.map((e) => attribute(e, 'field')),
    values: exists.flatMap((e) => e.elements.map(textContent)),
  };
}

const list = (content: string) => `<list name="f">${content}</list>`;

describe('rule 24: uniqueness-failure (RFC 4825 11.1)', () => {
  test('rule 24: the field is relative to the document, percent-encoded, 1-based, with values that are free', async () => {
    const response = await server.put(`${D}/~~/resource-lists/list%5B2%5D/@name`, ATTRIBUTE, 'f');
    const { kind, fields, values } = conflict(response);
    expect([kind, fields]).toEqual(['uniqueness-failure', ['resource-lists/list%5B2%5D/@name']]);
    expect(values.length).toBeGreaterThan(0);
    for (const value of values) {
      expect((await server.put(`${D}/~~/resource-lists/list%5B2%5D/@name`, ATTRIBUTE, value)).status).toBe(200);
    }
  });

  test('rule 24: every duplicate has its field, at every level, and each field selects it', async () => {
    const content = '<entry uri="b"/><list name="n"><entry uri="c"/><entry uri="d"/><entry uri="c"/></list><entry uri="b"/>';
    const { fields } = conflict(await server.put(F, ELEMENT, list(content)));
    expect(fields).toEqual(['resource-lists/list%5B1%5D/list%5B1%5D/entry%5B3%5D/@uri', 'resource-lists/list%5B1%5D/entry%5B2%5D/@uri']);
    const good = content.replace('"c"/></list><entry uri="b"/>', '"e"/></list><entry uri="f"/>');
    expect((await server.put(F, ELEMENT, list(good))).status).toBe(200);
    const values = await Promise.all(fields.map(async (field) => (await server.get(`${D}/~~/${field}`)).body));
    expect(values).toEqual(['e', 'f']);
  });
});

describe('rule 26: constraints on lists (RFC 4826 3.4.5)', () => {
  const ref = 'resource-lists/users/sip:b@x/index/~~/resource-lists/list%5b1%5d/entry%5b1%5d';
  const anchor = 'http://example.com/resource-lists/users/sip:b@x/index/~~/resource-lists/list%5b1%5d';

  test.each([
    ['list names', '<list name="a"/><list name="a"/>'],
    ['entry URIs', '<entry uri="sip:a@x"/><entry uri="sip:a@x"/>'],
    ['entry references', `<entry-ref ref="${ref}"/><entry-ref ref="${ref}"/>`],
    ['external anchors', `<external anchor="${anchor}"/><external anchor="${anchor}"/>`],
  ])('rule 26: %s are unique within one parent', async (_, content) => {
    expect(conflict(await server.put(F, ELEMENT, list(content))).kind).toBe('uniqueness-failure');
    expect((await server.get(D)).body).toBe(LISTS);
  });

  test('rule 26: case counts, another parent or kind does not, nor do lists without a name', async () => {
    const content =
      '<entry uri="sip:a@x"/><entry uri="sip:A@x"/><list name="a"><entry uri="sip:a@x"/></list><list name="A"/><list/><list/>';
    expect((await server.put(F, ELEMENT, list(content))).status).toBe(200);
  });

  test('rule 26: an insertion that makes a duplicate is refused', async () => {
    const twice = await server.put(`${F}/entry%5B3%5D`, ELEMENT, '<entry uri="sip:b@x"/>');
    expect(conflict(twice)).toEqual({ kind: 'uniqueness-failure', fields: ['resource-lists/list%5B1%5D/entry%5B3%5D/@uri'], values: [] });
  });

  test.each(['/resource-lists/users', 'http://x/resource-lists', '//x/a', 'urn:a', '?a', '', '#a', 'a:b'])(
    'rule 26: the entry reference %s -> constraint-failure',
    async (value) => {
      expect(conflict(await server.put(F, ELEMENT, list(`<entry-ref ref="${value}"/>`))).kind).toBe('constraint-failure');
    },
  );

  test.each([ref, 'a', 'a/b:c', 'a?b:c'])('rule 26: the entry reference %s is a relative path', async (value) => {
    expect((await server.put(F, ELEMENT, list(`<entry-ref ref="${value}"/>`))).status).toBe(200);
  });

  test.each(['resource-lists/users', '/a', 'ftp://x/a', 'http:/a', 'http://', 'sip:a@x'])(
    'rule 26: the anchor %s -> constraint-failure',
    async (value) => {
      expect(conflict(await server.put(F, ELEMENT, list(`<external anchor="${value}"/>`))).kind).toBe('constraint-failure');
    },
  );

  test.each([anchor, 'https://x/a', 'HTTP://x'])('rule 26: the anchor %s is absolute', async (value) => {
    expect((await server.put(F, ELEMENT, list(`<external anchor="${value}"/>`))).status).toBe(200);
  });

  test('rule 26: a document that the schema refuses says where and why', async () => {
    const response = await server.put(`${G}/entry`, ELEMENT, '<entry/>');
    expect(conflict(response).kind).toBe('schema-validation-error');
    expect(response.body).toMatch(/phrase="line 8: .*uri/);
    const other = await server.put(D, RESOURCE_LISTS, '<ruleset xmlns="urn:ietf:params:xml:ns:common-policy"/>');
    expect(conflict(other).kind).toBe('schema-validation-error');
  });

  test('rule 26: five thousand entries, and an edit in the midst of them', { timeout: 10_000 }, async () => {
    const big = await XcapServer.start();
    try {
      const uris = Array.from({ length: 5000 }, (_, i) => `sip:user${i}@example.com`);
      const started = performance.now();
      const document = LISTS.replace('></list>\n</resource', `>${uris.map((uri) => `<entry uri="${uri}"/>`).join('')}</list>\n</resource`);
      expect((await big.put(D, RESOURCE_LISTS, document)).status).toBe(201);
      const { kind } = conflict(await big.put(`${G}/entry%5B5001%5D`, ELEMENT, '<entry uri="sip:user0@example.com"/>'));
      expect(kind).toBe('uniqueness-failure');
      for (let i = 0; i < 10; i++)
        expect((await big.put(`${G}/${entry(`sip:new${i}@x`)}`, ELEMENT, `<entry uri="sip:new${i}@x"/>`)).status).toBe(201);
      // Twelve passes over five thousand entries: a quadratic one takes minutes, a linear one a tenth of this.
      expect(performance.now() - started).toBeLessThan(5000);
    } finally {
      await big.stop();
    }
  });
});
