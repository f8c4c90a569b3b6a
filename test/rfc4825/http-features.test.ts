import { once } from 'node:events';
import { Agent } from 'node:http';
import { connect, type Socket } from 'node:net';
import { deflateRawSync, deflateSync, gunzipSync, gzipSync, inflateSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type SentAnswer, send } from '../helpers/http-exchange.ts';
import { type InProcessServer, startServer } from '../helpers/server.ts';

const TYPE = { 'content-type': 'application/resource-lists+xml' };
const ELEMENT = { 'content-type': 'application/xcap-el+xml' };
const D = '/xcap-root/resource-lists/users/alice/index';
const lists = (entries: number) =>
  `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="f">${Array.from({ length: entries }, (_, i) => `<entry uri="sip:u${i}@example.com"/>`).join('')}</list></resource-lists>`;
const SMALL = lists(1);
const LARGE = lists(200);
const HUGE = lists(3000);

let server: InProcessServer;
beforeAll(async () => {
  server = await startServer({ auth: 'none', maxDocumentSize: 200_000, maxDepth: 20, maxDocuments: 3 });
});
afterAll(() => server.stop());
const ask = (method: string, path: string, headers: Record<string, string> = {}, body?: string | Buffer): Promise<SentAnswer> =>
  send({ port: server.http.port, method, path, headers, body });

describe('RFC 9110 8.4: coded request bodies', () => {
  test.each([
    ['gzip', gzipSync(LARGE)],
    ['x-gzip', gzipSync(LARGE)],
    ['GZIP', gzipSync(LARGE)],
    ['deflate', deflateSync(LARGE)],
    ['deflate', deflateRawSync(LARGE)],
    ['identity', Buffer.from(LARGE)],
  ])('a document in %s', async (coding, body) => {
    await ask('DELETE', D);
    expect((await ask('PUT', D, { ...TYPE, 'content-encoding': coding }, body)).status).toBe(201);
    expect((await ask('GET', D)).body).toBe(LARGE);
  });

  test('an element in gzip, sent in chunks', async () => {
    await ask('PUT', D, TYPE, SMALL);
    const body = gzipSync('<entry uri="sip:z@example.com"/>');
    const headers = { ...ELEMENT, 'content-encoding': 'gzip', 'transfer-encoding': 'chunked' };
    expect((await ask('PUT', `${D}/~~/resource-lists/list/entry%5B2%5D`, headers, body)).status).toBe(201);
  });

  test.each([
    ['an unknown coding', 'br', Buffer.from(SMALL), 415],
    ['two codings', 'gzip, gzip', gzipSync(gzipSync(SMALL)), 415],
    ['what is not coded', 'gzip', Buffer.from(SMALL), 400],
    ['what is not coded', 'deflate', Buffer.from(SMALL), 400],
    ['half of it', 'gzip', gzipSync(LARGE).subarray(0, 100), 400],
    ['a broken sum', 'gzip', Buffer.concat([gzipSync(SMALL).subarray(0, -8), Buffer.alloc(8, 1)]), 400],
    ['nothing', 'gzip', Buffer.of(), 400],
    ['more than a document may be', 'gzip', gzipSync(' '.repeat(300_000)), 413],
  ])('%s (%s) is refused', async (_, coding, body, status) => {
    const refused = await ask('PUT', D, { ...TYPE, 'content-encoding': coding }, body);
    expect(refused.status).toBe(status);
    if (status === 415) expect(refused.headers['accept-encoding']).toBe('gzip, deflate');
  });

  test('a bomb is given up when it is larger than a document may be: it costs no more than such a document', async () => {
    const bomb = gzipSync(Buffer.alloc(150 * 1024 * 1024), { level: 9 });
    expect(bomb.length).toBeLessThan(200_000);
    const before = process.memoryUsage().rss;
    const started = performance.now();
    const answers = await Promise.all(Array.from({ length: 10 }, () => ask('PUT', D, { ...TYPE, 'content-encoding': 'gzip' }, bomb)));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 413));
    // All of the ten would be 1.5 GB, and take seconds.
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 * 1024);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});

describe('RFC 9110 12.5.3: coded answers', () => {
  beforeAll(() => ask('PUT', D, TYPE, LARGE));

  test.each([
    ['gzip', 'gzip'],
    ['deflate', 'deflate'],
    ['gzip, deflate, br', 'gzip'],
    ['deflate, gzip;q=0.9', 'deflate'],
    ['gzip;q=0.5, deflate; q=0.6', 'deflate'],
    ['*', 'gzip'],
    ['gzip;q=0, *', 'deflate'],
    ['identity;q=0, *;q=0, gzip;q=0.001', 'gzip'],
    ['X-GZIP', 'gzip'],
    ['', undefined],
    ['br', undefined],
    ['gzip;q=0', undefined],
    ['gzip;q=0.5, identity', undefined],
    ['gzip;q=2', undefined],
    ['*;q=0', undefined],
    ['identity', undefined],
  ])('Accept-Encoding: %s -> %s', async (accepted, coding) => {
    for (const path of [D, `${D}/~~/resource-lists/list`]) {
      const plain = await ask('GET', path);
      const answer = await ask('GET', path, { 'accept-encoding': accepted });
      expect(answer.headers['content-encoding']).toBe(coding);
      const decoded = coding === 'gzip' ? gunzipSync(answer.bytes) : coding === 'deflate' ? inflateSync(answer.bytes) : answer.bytes;
      expect(decoded.toString()).toBe(plain.body);
      expect(answer.headers.vary).toBe('accept-encoding');
      expect(answer.headers.etag).toBe(plain.headers.etag);
      expect(answer.headers['content-length']).toBe(String(answer.bytes.length));
      const head = await ask('HEAD', path, { 'accept-encoding': accepted });
      expect({ ...head.headers, date: '' }).toEqual({ ...answer.headers, date: '' });
    }
  });

  test('what is small is not coded; what is large is, and its tag serves for conditional changes', async () => {
    const etag = (await ask('PUT', D, TYPE, SMALL)).headers.etag ?? '';
    const small = await ask('GET', D, { 'accept-encoding': 'gzip' });
    expect([small.headers['content-encoding'], small.body]).toEqual([undefined, SMALL]);
    const unchanged = await ask('GET', D, { 'accept-encoding': 'gzip', 'if-none-match': etag });
    expect([unchanged.status, unchanged.headers.vary, unchanged.headers['cache-control']]).toEqual([304, 'accept-encoding', 'no-cache']);
    await ask('PUT', D, TYPE, HUGE);
    const huge = await ask('GET', D, { 'accept-encoding': 'gzip' });
    expect(gunzipSync(huge.bytes).toString()).toBe(HUGE);
    expect((await ask('PUT', D, { ...TYPE, 'if-match': huge.headers.etag ?? '' }, LARGE)).status).toBe(200);
    expect(gunzipSync((await ask('GET', D, { 'accept-encoding': 'gzip' })).bytes).toString()).toBe(LARGE);
  });
});

describe('what is sent as it is', () => {
  test('letters beyond ASCII, in documents and nodes; and HEAD tells their length in bytes', async () => {
    const text = SMALL.replace('/></list>', '><display-name>J\u00fcrgen \u20ac \u{1f600}</display-name></entry></list>');
    await ask('PUT', D, TYPE, text);
    const get = await ask('GET', D);
    expect([get.body, get.headers['content-length']]).toEqual([text, String(Buffer.byteLength(text))]);
    expect((await ask('HEAD', D)).headers['content-length']).toBe(String(Buffer.byteLength(text)));
    expect((await ask('GET', `${D}/~~/resource-lists/list/entry/display-name`)).body).toBe(
      '<display-name>J\u00fcrgen \u20ac \u{1f600}</display-name>',
    );
    expect((await ask('GET', D, { connection: 'close' })).headers.connection).toBe('close');
  });

  test('is counted like every answer', async () => {
    const counted = async () => Number(/^rollcall_http_requests_total\{method="GET",status="200"\} (\d+)$/m.exec((await ask('GET', '/metrics')).body)?.[1]); // biome-ignore format: one line
    const before = await counted();
    for (const headers of [{}, { 'accept-encoding': 'gzip' }]) await ask('GET', D, headers);
    // The first of the two requests for the figures is among them.
    expect(await counted()).toBe(before + 3);
  });
});

describe('limits', () => {
  beforeEach(() => ask('PUT', D, TYPE, SMALL));

  test('RFC 9110 15.5.14: a document too large -> 413, whole or by an edit', async () => {
    expect((await ask('PUT', D, TYPE, lists(8000))).status).toBe(413);
    const entry = `<entry uri="sip:z@example.com"><display-name>${'x'.repeat(199_950)}</display-name></entry>`;
    expect((await ask('PUT', `${D}/~~/resource-lists/list/entry%5B2%5D`, ELEMENT, entry)).status).toBe(413);
    const chunked = { ...TYPE, 'transfer-encoding': 'chunked' };
    expect((await ask('PUT', D, chunked, ' '.repeat(200_001))).status).toBe(413);
    expect((await ask('GET', D)).body).toBe(SMALL);
  });

  test('RFC 4825 11.1: a document too deep -> 409 whose phrase says how deep it may be', async () => {
    const nested = (depth: number) => `${'<list>'.repeat(depth)}${'</list>'.repeat(depth)}`;
    const deep = await ask('PUT', `${D}/~~/resource-lists/list/list`, ELEMENT, nested(30));
    expect([deep.status, /nested more than 1\d deep/.test(deep.body)]).toEqual([409, true]);
    const whole = await ask('PUT', D, TYPE, SMALL.replace('</list>', `</list>${nested(20)}`));
    expect([whole.status, /nested more than 20 deep/.test(whole.body)]).toEqual([409, true]);
    expect((await ask('PUT', `${D}/~~/resource-lists/list/list`, ELEMENT, nested(18))).status).toBe(201);
  });

  test('RFC 4825 11.1: a document too many -> 409 constraint-failure that says how many; room that is made is there', async () => {
    const document = (name: string, auid = 'resource-lists', user = 'carol') => `/xcap-root/${auid}/users/${user}/${name}`;
    const rules = '<ruleset xmlns="urn:ietf:params:xml:ns:common-policy"/>';
    expect((await ask('PUT', document('a'), TYPE, SMALL)).status).toBe(201);
    expect((await ask('PUT', document('index', 'pres-rules'), { 'content-type': 'application/auth-policy+xml' }, rules)).status).toBe(201);
    const parallel = await Promise.all(['b', 'c', 'd', 'e'].map((name) => ask('PUT', document(name), TYPE, SMALL)));
    expect(parallel.map(({ status }) => status).toSorted()).toEqual([201, 409, 409, 409]);
    const refused = parallel.find(({ status }) => status === 409);
    expect(refused?.headers['content-type']).toBe('application/xcap-error+xml');
    expect(refused?.body).toContain('<constraint-failure phrase="a user may have 3 documents, and there are as many"/>');
    expect((await ask('PUT', document('a'), TYPE, LARGE)).status).toBe(200);
    expect((await ask('PUT', document('a', undefined, 'dave'), TYPE, SMALL)).status).toBe(201);
    expect((await ask('DELETE', document('a'))).status).toBe(200);
    const again = await Promise.all(['f', 'g'].map((name) => ask('PUT', document(name), TYPE, SMALL)));
    expect(again.map(({ status }) => status).toSorted()).toEqual([201, 409]);
  });
});

describe('RFC 9110 9.3.7, 15.5.6: what can be done with a resource', () => {
  const CHANGEABLE = 'GET, HEAD, PUT, DELETE, OPTIONS';
  const READABLE = 'GET, HEAD, OPTIONS';
  test.each([
    [D, CHANGEABLE],
    ['/xcap-root/resource-lists/global/index', CHANGEABLE],
    ['/xcap-root/pres-rules/global/index', READABLE],
    ['/xcap-root/xcap-caps/global/index', READABLE],
    ['/xcap-root/rls-services/global/index', READABLE],
    [`${D}/~~/resource-lists/namespace::*`, READABLE],
    [`${D}/~~/resource-lists/list/@name`, CHANGEABLE],
  ])('OPTIONS %s -> %s, and what is not among them 405', async (path, allow) => {
    const options = await ask('OPTIONS', path);
    expect([options.status, options.headers.allow]).toEqual([204, allow]);
    const post = await ask('POST', path, TYPE, SMALL);
    expect([post.status, post.headers.allow]).toEqual([405, allow]);
    if (allow === CHANGEABLE) return;
    const put = await ask('PUT', path, TYPE, SMALL);
    expect([put.status, put.headers.allow]).toEqual([405, allow]);
  });

  test('OPTIONS or POST of what no usage has -> 404', async () => {
    for (const method of ['OPTIONS', 'POST']) expect((await ask(method, '/xcap-root/nothing/users/alice/index')).status).toBe(404);
  });
});

describe('RFC 9112 9.3, RFC 9110 10.1.1: connections', () => {
  test('one connection serves many requests, refused ones among them', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    let connections = 0;
    const go = (method: string, path: string, headers = {}, body?: string) =>
      send({ port: server.http.port, method, path, headers, body, agent });
    const create = agent.createConnection.bind(agent);
    agent.createConnection = (...parameters: Parameters<typeof create>) => {
      connections++;
      return create(...parameters);
    };
    expect((await go('PUT', D, TYPE, LARGE)).status).toBe(200);
    expect((await go('PUT', D, TYPE, '<nothing')).status).toBe(409);
    expect((await go('PUT', D, { 'content-type': 'text/plain' }, 'x')).status).toBe(415);
    expect((await go('POST', D, TYPE, 'x')).status).toBe(405);
    expect((await go('GET', D)).body).toBe(LARGE);
    expect(connections).toBe(1);
    agent.destroy();
  });

  async function open(): Promise<{
    socket: Socket;
    heard: () => string;
    until: (pattern: RegExp) => Promise<string>;
    closed: Promise<unknown>;
  }> {
    const socket = connect(server.http.port, '127.0.0.1');
    let text = '';
    socket.on('error', () => {});
    const closed = once(socket, 'close');
    socket.on('data', (chunk) => (text += chunk.toString()));
    await once(socket, 'connect');
    const until = async (pattern: RegExp) => {
      while (!pattern.test(text))
        await Promise.race([once(socket, 'data'), closed.then(() => Promise.reject(new Error(`closed after ${text}`)))]);
      return text;
    };
    return { socket, heard: () => text, until, closed };
  }
  const head = (more: string, target = D, method = 'PUT') =>
    `${method} ${target} HTTP/1.1\r\nHost: x\r\nContent-Type: application/resource-lists+xml\r\n${more}Expect: 100-continue\r\n\r\n`;

  test('a client that expects 100 is told to go on, once, and may go on after that', async () => {
    const { socket, until, closed } = await open();
    socket.write(head(`Content-Length: ${SMALL.length}\r\n`));
    expect(await until(/\r\n\r\n/)).toBe('HTTP/1.1 100 Continue\r\n\r\n');
    socket.write(SMALL);
    expect(await until(/HTTP\/1\.1 20[01] [\s\S]*\r\n\r\n/)).not.toMatch(/connection: close/i);
    socket.write(`GET ${D} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    await closed;
    expect(await until(/<\/resource-lists>/)).toMatch(/HTTP\/1\.1 200 OK/);
  });

  test.each([
    ['too large', head('Content-Length: 300000\r\n'), '413'],
    ['for nothing', head('Content-Length: 10\r\n', '/xcap-root/nothing/users/alice/index'), '404'],
    ['with a method that means nothing', head('Content-Length: 10\r\n', D, 'POST'), '405'],
    ['where XCAP is not', head('Content-Length: 10\r\n', '/metrics'), '405'],
  ])('a body %s is refused before it is sent, and the connection closed', async (_, text, status) => {
    const { socket, heard, closed } = await open();
    socket.write(text);
    await closed;
    expect(heard()).toMatch(new RegExp(`^HTTP/1\\.1 ${status} [\\s\\S]*connection: close`, 'i'));
    expect(heard()).not.toContain('100 Continue');
  });

  test('who has not logged in is challenged before the body', async () => {
    const strict = await startServer();
    try {
      await strict.addUser('alice', 'pw');
      const socket = connect(strict.http.port, '127.0.0.1');
      let text = '';
      socket.on('data', (chunk) => (text += chunk.toString()));
      socket.write(head(`Content-Length: ${SMALL.length}\r\n`));
      await once(socket, 'close');
      expect(text).toMatch(/^HTTP\/1\.1 401 [\s\S]*www-authenticate: Digest/i);
      const authorization = `Basic ${Buffer.from('alice:pw').toString('base64')}`;
      const headers = { ...TYPE, authorization, expect: '100-continue' };
      expect((await send({ port: strict.http.port, method: 'PUT', path: D, headers, body: SMALL })).status).toBe(201);
    } finally {
      await strict.stop();
    }
  });
});
