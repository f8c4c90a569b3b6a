import type { Element } from '@xmldom/xmldom';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseXml } from '../../schemas/xml/parse.ts';
import {
  descendantsOf,
  elementsOf,
  outlineOf,
  outlineOfOurs,
  parseIndependently,
  pictureOf,
  pictureOfOurs,
  SelectorWriter,
} from './independent-view.ts';
import { type Bindings, ElementWriter, pick, type Random, randomDocument, randomNumbers } from './random-xml.ts';
import { ATTRIBUTE, D, ELEMENT, RESOURCE_LISTS, XcapServer } from './xcap-server.ts';

/** What must hold for every document and every selector. A failure tells its seed: `SEED=n` tries that one again, and no other. */

const BUDGET = 2200;
const LISTS = 'urn:ietf:params:xml:ns:resource-lists';

let server: XcapServer;
beforeAll(async () => {
  server = await XcapServer.start();
});
afterAll(() => server.stop());

/** Tries the property with one seed after the other for as long as there is time. */
async function holds(property: (random: Random) => Promise<void>): Promise<void> {
  const { SEED } = process.env;
  const end = performance.now() + BUDGET;
  let seed = SEED === undefined ? Date.now() % 2 ** 31 : Number(SEED);
  let tried = 0;
  do {
    try {
      await property(randomNumbers(seed));
    } catch (error) {
      throw new Error(`SEED=${seed}: ${error instanceof Error ? error.message : error}`, { cause: error });
    }
    seed++;
    tried++;
  } while (SEED === undefined && performance.now() < end);
  if (SEED === undefined) expect(tried).toBeGreaterThan(0);
}

async function putDocument(text: string): Promise<Element> {
  const { status, body } = await server.put(D, RESOURCE_LISTS, text);
  if (status !== 200 && status !== 201) throw new Error(`${status} ${body}\n${text}`);
  return parseIndependently(text);
}

const text = async () => (await server.get(D)).body;

/** Elements of no usage's namespaces: the schema lets anything happen to them. */
function foreign(root: Element): Element[] {
  return descendantsOf(root).filter((e) => e.namespaceURI !== LISTS);
}

/** The namespaces in scope at an element, as the server tells them. */
async function bindingsAt(path: string, query: string): Promise<Bindings> {
  const { status, body } = await server.get(`${path}/namespace::*${query}`);
  expect(status).toBe(200);
  return new Map([...body.matchAll(/ xmlns:?([^=]*)="([^"]*)"/g)].map(([, prefix = '', uri = '']) => [prefix, uri]));
}

/** Whether `after` is `before` with `old` replaced by `fresh` at one place. */
function isSplice(before: string, after: string, old: string, fresh: string): boolean {
  for (let at = before.indexOf(old); at >= 0; at = before.indexOf(old, at + 1)) {
    if (after === before.slice(0, at) + fresh + before.slice(at + old.length)) return true;
  }
  return false;
}

test('a selector selects what an independent parser finds there (6.3)', () =>
  holds(async (random) => {
    const document = randomDocument(random);
    const root = await putDocument(document);
    expect(outlineOf(document)).toEqual(outlineOfOurs(parseXml(document).root));
    expect(pictureOfOurs(parseXml(document).root)).toEqual(pictureOf(root));
    for (let n = 0; n < 12; n++) {
      const element = pick(random, descendantsOf(root));
      const writer = new SelectorWriter(random);
      const path = `${D}/~~/${writer.selectorOf(element)}`;
      const response = await server.get(path + writer.query());
      expect([path, response.status]).toEqual([path, 200]);
      const bindings = await bindingsAt(path, writer.query());
      let declarations = '';
      for (const [prefix, uri] of bindings) declarations += ` xmlns${prefix && ':'}${prefix}="${uri}"`;
      const [selected] = elementsOf(parseIndependently(`<x${declarations}>${response.body}</x>`));
      expect(selected && pictureOf(selected)).toEqual(pictureOf(element));
    }
  }));

test('GET(PUT(x)) = x for random documents, elements and attributes (7, 8.2.3)', () =>
  holds(async (random) => {
    const document = randomDocument(random);
    await putDocument(document);
    expect(await text()).toBe(document);
    const writer = new ElementWriter(random, 'e');
    for (let n = 0; n < 6; n++) {
      const targets = foreign(parseIndependently(await text()));
      const selectors = new SelectorWriter(random);
      const parent = selectors.selectorOf(pick(random, targets));
      const bindings = await bindingsAt(`${D}/~~/${parent}`, selectors.query());
      const k = writer.nextKey();
      const element = writer.element(bindings, { depth: 2, width: 2 }, { k });
      const path = `${D}/~~/${parent}/${selectors.byKey('', undefined, k)}`;
      const put = await server.put(path + selectors.query(), ELEMENT, element);
      expect([put.status, put.body]).toEqual([201, '']);
      expect((await server.get(path + selectors.query())).body).toBe(element);
      const attribute = `${path}/${selectors.attributeStep('', 'fresh')}${selectors.query()}`;
      const value = pick(random, ['', 'v', `it's`, 'say "x"', 'a&amp;b &#10;&lt;', '\u{1F600}\u20ac', ' x\t']);
      expect((await server.put(attribute, ATTRIBUTE, value)).status).toBe(201);
      expect((await server.get(attribute)).body).toBe(value);
    }
    const stored = await text();
    expect(pictureOfOurs(parseXml(stored).root)).toEqual(pictureOf(parseIndependently(stored)));
  }));

test('every byte outside of what a request changes stays as it was (6.3, 8.2.3, 8.2.4, 8.4)', () =>
  holds(async (random) => {
    await putDocument(randomDocument(random));
    const writer = new ElementWriter(random, 'f');
    for (let n = 0; n < 8; n++) {
      const before = await text();
      const target = pick(random, foreign(parseIndependently(before)));
      const selectors = new SelectorWriter(random);
      const parent = selectors.selectorOf(target.parentNode as Element);
      const k = target.getAttribute('k') ?? '';
      const step = selectors.byKey(target.namespaceURI ?? '', target.namespaceURI === null ? undefined : (target.localName ?? ''), k);
      const path = `${D}/~~/${parent}/${step}${selectors.query()}`;
      const old = (await server.get(path)).body;
      const siblings = elementsOf(target.parentNode as Element);
      if (random(3) === 0 && (siblings.length > 1 || (target.parentNode as Element).namespaceURI !== LISTS)) {
        expect([path, (await server.delete(path)).status]).toEqual([path, 200]);
        expect(isSplice(before, await text(), old, '')).toBe(true);
        if (foreign(parseIndependently(await text())).length === 0) return;
      } else {
        // The same name, so that the URI selects what is put.
        const start = /^<[^\s/>]+/.exec(old)?.[0] ?? '';
        const bindings = await bindingsAt(`${D}/~~/${parent}`, selectors.query());
        const fresh = `${start} k="${k}">${writer.element(bindings, { depth: 1, width: 2 })}</${start.slice(1)}>`;
        const declared = old.slice(start.length).match(/\sxmlns[^\s=]*\s*=\s*(?:"[^"]*"|'[^']*')/);
        const put = await server.put(path, ELEMENT, fresh);
        // Without the declaration that it had, the name may be another, or none.
        if (put.status === 409 && declared) continue;
        expect([put.status, put.body]).toEqual([200, '']);
        expect(isSplice(before, await text(), old, fresh)).toBe(true);
      }
    }
  }));

test('PUT and then DELETE of something new gives back the original (7, 8.4)', () =>
  holds(async (random) => {
    const root = await putDocument(randomDocument(random));
    const writer = new ElementWriter(random, 'g');
    for (let n = 0; n < 6; n++) {
      const before = await text();
      const selectors = new SelectorWriter(random);
      const parent = `${D}/~~/${selectors.selectorOf(pick(random, foreign(root)))}`;
      const k = writer.nextKey();
      const query = selectors.query();
      const fresh = writer.element(await bindingsAt(parent, query), { depth: 2, width: 2 }, { k });
      const around = (await server.get(parent + query)).body;
      const path = random(3) === 0 ? `${parent}/@fresh${query}` : `${parent}/${selectors.byKey('', undefined, k)}${query}`;
      const put = path.includes('/@fresh') ? await server.put(path, ATTRIBUTE, 'v') : await server.put(path, ELEMENT, fresh);
      expect([put.status, put.body]).toEqual([201, '']);
      expect(await text()).not.toBe(before);
      expect((await server.delete(path)).status).toBe(200);
      // What was written as an empty-element tag has got an end tag, which is no content.
      const opened = `${around.slice(0, -2)}></${/^<([^\s/>]+)/.exec(around)?.[1]}>`;
      const same = path.includes('/@fresh') || !/^<[^<>]*\/>$/.test(around.replaceAll(/"[^"]*"|'[^']*'/g, ''));
      const after = await text();
      if (same) expect(after).toBe(before);
      else expect(isSplice(before, after, around, opened)).toBe(true);
    }
  }));
