import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SHAPES, type Shape } from './hostile-shapes.ts';
import { ATTRIBUTE, AUTH_POLICY, ELEMENT, RESOURCE_LISTS, RLS_SERVICES } from './xcap-server.ts';

/** Milliseconds for which nothing may hold the event loop up. */
const LIMIT = 50;
/** Other processes hold it up too: once of so many times must do; each is another user's, whose requests within an hour are bounded. */
const TRIERS = ['sip:a@x', 'sip:b@x', 'sip:c@x', 'sip:e@x'];
const TRIES = TRIERS.length;
const SERVER = fileURLToPath(new URL('../../dist/test/rfc4825/watched-server.js', import.meta.url));
const TYPES = { 'resource-lists': RESOURCE_LISTS, 'rls-services': RLS_SERVICES, 'pres-rules': AUTH_POLICY };

// Compiled and in a process of its own: so what is measured is the server alone, with the thread that only the compiled one has.
let child: ChildProcess;
let port = 0;
beforeAll(async () => {
  if (!existsSync(SERVER)) throw new Error(`${SERVER} is missing: run "npm run build" first`);
  child = fork(SERVER);
  const [message] = (await once(child, 'message')) as [{ port: number }];
  port = message.port;
});
afterAll(async () => {
  child.send('stop');
  await once(child, 'exit');
});

/** The longest delay since the last time it was asked for, in milliseconds. */
async function longestDelay(): Promise<number> {
  child.send('longest delay');
  const [delay] = (await once(child, 'message')) as [number];
  return delay;
}

function send(method: string, path: string, type?: string, body?: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const headers = type === undefined ? {} : { 'content-type': type };
    const request = httpRequest({ host: '127.0.0.1', port, method, path, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
    });
    request.on('error', reject);
    request.end(body);
  });
}

let user = 'sip:a@x';
const documentOf = ({ auid }: Shape, name = 'index') => `/xcap-root/${auid}/users/${user}/${name}`;

/** Everything that can be done with a document and its nodes. Gives the statuses. */
async function useAll(shape: Shape): Promise<number[]> {
  const path = documentOf(shape);
  const first = `${path}/~~/*/*%5B1%5D`;
  const fresh = `${first}/*%5B1%5D%5B@uri=%22new%22%5D`;
  const entry = '<entry xmlns="urn:ietf:params:xml:ns:resource-lists" uri="new"/>';
  const answers = [
    await send('PUT', path, TYPES[shape.auid], shape.text),
    await send('PUT', path, TYPES[shape.auid], `${shape.text}\n`),
    await send('GET', first),
    await send('GET', `${first}/namespace::*`),
    await send('PUT', fresh, ELEMENT, entry),
    await send('DELETE', fresh),
    await send('PUT', `${first}/@new`, ATTRIBUTE, 'x'.repeat(1000)),
    await send('PUT', `${first}/@name`, ATTRIBUTE, '\r'.repeat(100_000)),
    await send('PUT', `${path}/~~/*`, ELEMENT, shape.text),
    await send('DELETE', path),
  ];
  return answers.map(({ status }) => status);
}

describe('documents within the bounds that ask for as much work as can be (RFC 4825 8)', () => {
  test.each(Object.entries(SHAPES))('%s: no turn of the event loop is longer than 50 ms', { timeout: 60_000 }, async (_, shape) => {
    let shortest = Number.POSITIVE_INFINITY;
    for (let tries = 0; tries < TRIES && shortest >= LIMIT; tries++) {
      await longestDelay();
      user = TRIERS[tries] ?? '';
      for (const status of await useAll(shape)) expect([200, 201, 404, 409, 413]).toContain(status);
      shortest = Math.min(shortest, await longestDelay());
    }
    expect(shortest).toBeLessThan(LIMIT);
  });

  test('many at once: no turn of the event loop is longer than 50 ms', { timeout: 60_000 }, async () => {
    const shapes = ['a list as long as can be', 'as many lists as can be', 'as many rules as can be'].map((name) => SHAPES[name] as Shape);
    let shortest = Number.POSITIVE_INFINITY;
    for (let tries = 0; tries < TRIES && shortest >= LIMIT; tries++) {
      await longestDelay();
      const puts = shapes.flatMap((shape) =>
        ['1', '2', '3'].map((name) => send('PUT', documentOf(shape, name), TYPES[shape.auid], shape.text)),
      );
      for (const { status } of await Promise.all(puts)) expect([200, 201]).toContain(status);
      const gets = shapes.flatMap((shape) => ['1', '2', '3'].map((name) => send('GET', `${documentOf(shape, name)}/~~/*/*%5B1%5D`)));
      for (const { status } of await Promise.all(gets)) expect(status).toBe(200);
      shortest = Math.min(shortest, await longestDelay());
    }
    expect(shortest).toBeLessThan(LIMIT);
  });

  test.each([
    ['more lists than can be', 413, 'elements'],
    ['attributes on many elements', 413, 'attributes'],
    ['attributes without end', 413, 'start tag'],
    ['one long attribute', 413, 'start tag'],
    ['more services than can be', 409, 'services'],
  ])('%s: refused, and told which bound', async (name, status, bound) => {
    const shape = SHAPES[name] as Shape;
    const answer = await send('PUT', documentOf(shape), TYPES[shape.auid], shape.text);
    expect([answer.status, answer.body]).toEqual([status, expect.stringContaining(bound)]);
  });

  test('what is valid in the thread of its own is told as it is elsewhere: line and reason', async () => {
    const text = SHAPES['as many elements as can be, none of them valid']?.text ?? '';
    const { status, body } = await send('PUT', '/xcap-root/resource-lists/users/sip:a@x/index', RESOURCE_LISTS, `\n\n${text}`);
    expect([status, body]).toEqual([409, expect.stringMatching(/schema-validation-error phrase="line 3: .*is not allowed here/)]);
  });
});

describe('edits of one element in a long list (RFC 4825 8.2.3, 8.4)', () => {
  const path = '/xcap-root/resource-lists/users/sip:b@x/long';

  /** Milliseconds that the quickest of some insertions with their removals took. */
  async function editOf(entries: number): Promise<number> {
    const content = Array.from({ length: entries }, (_, n) => `<entry uri="sip:user${n}@example.com"/>\n`).join('');
    const text = `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="f">${content}</list></resource-lists>`;
    expect((await send('PUT', path, RESOURCE_LISTS, text)).status).toBeLessThan(202);
    const entry = `${path}/~~/resource-lists/list/entry%5B@uri=%22new%22%5D`;
    let quickest = Number.POSITIVE_INFINITY;
    for (let n = 0; n < 25; n++) {
      const begin = performance.now();
      const put = await send('PUT', entry, ELEMENT, '<entry uri="new"/>');
      const removed = await send('DELETE', entry);
      quickest = Math.min(quickest, performance.now() - begin);
      expect([put.status, removed.status]).toEqual([201, 200]);
    }
    return quickest;
  }

  test('their cost grows no worse than linearly with the list', { timeout: 60_000 }, async () => {
    await editOf(1000);
    const short = await editOf(1250);
    const long = await editOf(5000);
    const longer = await editOf(9900);
    // Four times the entries, and twice; a quadratic step would take sixteen and four times as long.
    expect(long / short).toBeLessThan(6);
    expect(longer / long).toBeLessThan(3);
  });
});
