import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { turn } from '../../schemas/turns.ts';
import { parseXml, XmlError } from '../../schemas/xml/parse.ts';
import { differenceOf } from '../../xcap/document-difference.ts';
import { pick, type Random, randomDocument, randomNumbers } from './random-xml.ts';
import { expectSameAsParsed } from './tree-picture.ts';
import { AUTH_POLICY, D, RESOURCE_LISTS, type XcapResponse, XcapServer } from './xcap-server.ts';

const LIMITS = { depth: 100, nodes: 1000 };

describe('a document put in the place of one that is much like it (RFC 4825 8.2.1)', () => {
  const NEW = [
    '',
    'x',
    '<',
    '>',
    '/',
    '"',
    "'",
    '&',
    '&amp;',
    '<a/>',
    '</a>',
    '<a>',
    '<!--',
    '-->',
    ']]>',
    '<![CDATA[',
    'xmlns:p="urn:q"',
    '<?',
    ' ',
  ];

  /** Puts something, or a part of the text itself, in the place of a random part. */
  function change(text: string, random: Random): string {
    const start = random(text.length);
    const end = Math.min(text.length, start + random(pick(random, [1, 4, 30])));
    const from = random(text.length);
    const part = random(3) === 0 ? text.slice(from, from + random(40)) : pick(random, NEW);
    return text.slice(0, start) + part + text.slice(end);
  }

  test('has the tree that parsing it gives, and is read whole where it is malformed, whatever the difference', async () => {
    let found = 0;
    let malformed = 0;
    for (let seed = 1; seed <= 500; seed++) {
      const random = randomNumbers(seed);
      const before = parseXml(
        `<r xmlns="urn:r" xmlns:p="urn:p">${randomDocument(random).replace(/^<\?xml[^>]*\?>/, '')}<p:b k="1"><c>text</c></p:b></r>`,
      );
      // Only so much is done in one round of the event loop.
      await turn();
      for (let i = 0; i < 20; i++) {
        const text = change(before.source, random);
        const difference = differenceOf(before, text, LIMITS);
        if (!difference) continue;
        found++;
        expect(difference.document.source).toBe(text);
        expectSameAsParsed(difference.document);
        const { start, end } = difference.changed;
        expect(text.slice(0, start) + text.slice(end)).toBe(
          before.source.slice(0, start) + before.source.slice(end - text.length + before.source.length),
        );
      }
      for (let i = 0; i < 5; i++) {
        const text = change(before.source, random);
        try {
          parseXml(text);
        } catch (error) {
          expect(error).toBeInstanceOf(XmlError);
          expect(differenceOf(before, text, LIMITS)).toBeUndefined();
          malformed++;
        }
      }
    }
    expect(found).toBeGreaterThan(500);
    expect(malformed).toBeGreaterThan(500);
  });

  test('may not be nested deeper than any other', async () => {
    await turn();
    const padding = '<x>padding, so that the part is small against the whole</x>'.repeat(4);
    const before = parseXml(`<a><b><c>1</c></b>${padding}</a>`);
    const deep = `<a><b><c><d/></c></b>${padding}</a>`;
    expect(differenceOf(before, deep, { depth: 4, nodes: 1000 })).toBeDefined();
    expect(differenceOf(before, deep, { depth: 3, nodes: 1000 })).toBeUndefined();
  });
});

describe('rules put in the place of rules (RFC 4745 13, RFC 4825 8.2.5)', () => {
  const RULES = '/xcap-root/pres-rules/users/sip:a@x/index';
  let server: XcapServer;
  beforeAll(async () => {
    server = await XcapServer.start();
  });
  afterAll(() => server.stop());

  const rule = (id: string, handling: string) =>
    `<cr:rule id="${id}"><cr:conditions><cr:identity><cr:one id="sip:${id.trim()}@x"/></cr:identity></cr:conditions><cr:actions><pr:sub-handling>${handling}</pr:sub-handling></cr:actions></cr:rule>\n`;
  const ruleset = (...rules: string[]) =>
    `<cr:ruleset xmlns:pr="urn:ietf:params:xml:ns:pres-rules" xmlns:cr="urn:ietf:params:xml:ns:common-policy">\n${rules.join('')}</cr:ruleset>`;
  const put = (text: string) => server.put(RULES, AUTH_POLICY, text);
  const violation = (response: XcapResponse) => {
    expect(response.status).toBe(409);
    expect(response.body).toContain('<schema-validation-error');
    return /line (\d+)/.exec(response.body)?.[1];
  };

  test('one that is no longer valid is refused with its line, and the stored ones stay', async () => {
    const stored = ruleset(rule('a', 'allow'), rule('b', 'allow'), rule('c', 'allow'), rule('d', 'block'));
    expect((await put(stored)).status).toBe(201);
    const changed = stored.replace('<pr:sub-handling>block<', '<pr:sub-handling>blocked<');
    expect(violation(await put(changed))).toBe('5');
    expect((await server.get(RULES)).body).toBe(stored);
    const good = stored.replace('<pr:sub-handling>block<', '<pr:sub-handling>confirm<');
    expect((await put(good)).status).toBe(200);
    expect((await server.get(RULES)).body).toBe(good);
  });

  test.each([['b'], [' b '], ['b '], ['d']])('no two have the identifier "%s", however far apart', async (id) => {
    const stored = ruleset(rule('a', 'allow'), rule('b', 'allow'), rule('c', 'allow'), rule('e', 'allow'), rule('d', 'block'));
    expect((await put(stored)).status).toBeLessThan(300);
    violation(await put(stored.replace('id="e"', `id="${id}"`)));
    violation(
      await server.put(
        `${RULES}/~~/cr:ruleset/cr:rule%5B4%5D?xmlns(cr=urn:ietf:params:xml:ns:common-policy)`,
        'application/xcap-el+xml',
        rule(id, 'allow').trim(),
      ),
    );
    expect((await server.get(RULES)).body).toBe(stored);
  });

  test('what becomes malformed is refused as not well-formed', async () => {
    const stored = ruleset(rule('a', 'allow'), rule('b', 'allow'), rule('c', 'allow'));
    expect((await put(stored)).status).toBeLessThan(300);
    for (const [from, to] of [
      ['id="sip:b@x"/>', 'id="sip:b@x">'],
      ['sip:b@x', 'sip:b&@x'],
      ['cr:one id="sip:b', 'zz:one id="sip:b'],
    ] as const) {
      const response = await put(stored.replace(from, to));
      expect(response.status).toBe(409);
      expect(response.body).toContain('<not-well-formed');
    }
    expect((await server.get(RULES)).body).toBe(stored);
  });

  test('an entry changed to one that is there already is refused', async () => {
    const lists = (uris: string[]) =>
      `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="f">${uris.map((uri) => `<entry uri="${uri}"/>`).join('')}</list></resource-lists>`;
    await server.put(D, RESOURCE_LISTS, lists(['sip:a@x', 'sip:b@x', 'sip:c@x', 'sip:d@x', 'sip:e@x', 'sip:f@x']));
    const response = await server.put(D, RESOURCE_LISTS, lists(['sip:a@x', 'sip:b@x', 'sip:c@x', 'sip:d@x', 'sip:b@x', 'sip:f@x']));
    expect(response.status).toBe(409);
    expect(response.body).toContain('<uniqueness-failure');
  });
});
