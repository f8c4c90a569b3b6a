import { afterAll, beforeAll, expect, test } from 'vitest';
import { ATTRIBUTE, D, ELEMENT, entry, F, LISTS, RESOURCE_LISTS, RLS_SERVICES, XcapServer } from './xcap-server.ts';

let server: XcapServer;
beforeAll(async () => {
  server = await XcapServer.start({ roots: ['/', '/xcap-root'] });
});
afterAll(() => server.stop());

/** A small generator of numbers, so that a failure can be had again. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const SNIPPETS = [
  '~~',
  '/',
  '%7E%7E',
  '%2F',
  '%',
  '%00',
  '%C3',
  '%5B',
  '[',
  ']',
  '"',
  "'",
  '@',
  '*',
  '?',
  'xmlns(',
  ')',
  '^',
  ':',
  '<',
  '>',
  '&',
  ']]>',
  '\n',
  '<!--',
  '<a>',
  '</list>',
  'namespace::*',
  '..',
  '\u20ac',
  ';',
  '%F0%9F%98%80',
];

test('nothing in a URI or body makes a 500, and the document stays well (RFC 4825 8)', { timeout: 60_000 }, async () => {
  const random = numbers(7);
  const mutate = (text: string) => {
    let out = text;
    for (let n = 1 + random(3); n > 0; n--) {
      const at = random(out.length + 1);
      out = out.slice(0, at) + (SNIPPETS[random(SNIPPETS.length)] ?? '') + out.slice(at + random(4));
    }
    return out;
  };
  const seen = new Set<string>();
  const requests: [path: string, type: string, body: string][] = [
    [D, RESOURCE_LISTS, LISTS],
    [F, ELEMENT, '<list name="f"><entry uri="sip:b@x"/></list>'],
    [`${F}/${entry('sip:d@x')}`, ELEMENT, '<entry uri="sip:d@x"/>'],
    [`${F}/@name`, ATTRIBUTE, 'f'],
    [`${D}/~~/p:resource-lists?xmlns(p=urn:p)`, ELEMENT, '<p:a xmlns:p="urn:p"/>'],
    [D.replace('resource-lists', 'rls-services'), RLS_SERVICES, '<rls-services xmlns="urn:ietf:params:xml:ns:rls-services"/>'],
  ];
  for (let i = 0; i < 1500; i++) {
    const [path, type, body] = requests[random(requests.length)] ?? ['/', ELEMENT, ''];
    const method = ['GET', 'PUT', 'PUT', 'PUT', 'DELETE'][random(5)] ?? 'GET';
    const target = (random(2) === 0 ? mutate(path) : path).replace(/[^!-~]/g, '_');
    const headers = [
      `Content-Type: ${random(8) === 0 ? mutate(type) : type}`,
      ...(random(8) === 0 ? [`If-Match: ${mutate('"x",*')}`] : []),
    ];
    const content = method !== 'PUT' ? '' : random(2) === 0 ? mutate(body) : body;
    const printable = headers.map((header) => header.replace(/[^ -~]/g, ''));
    const answer = await server.raw(`${method} ${target}`, printable, content);
    const status = answer.slice(9, 12);
    if (!/^[234]/.test(status)) expect.fail(`${method} ${target}\n${printable.join('\n')}\n${content}\n${answer}`);
    seen.add(status);
    if (i % 50 === 0) await server.put(D, RESOURCE_LISTS, LISTS);
  }
  for (const status of ['200', '201', '400', '404', '409', '412', '415']) expect(seen).toContain(status);
  expect((await server.put(D, RESOURCE_LISTS, LISTS)).status).toBeLessThan(202);
  expect((await server.get(D)).body).toBe(LISTS);
});
