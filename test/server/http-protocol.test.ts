import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type InProcessServer, startServer } from '../helpers/server.ts';

let server: InProcessServer;
beforeAll(async () => {
  server = await startServer({ auth: 'none' });
});
afterAll(() => server.stop());

const D = '/xcap-root/resource-lists/users/alice/index';
const GZIP = 'Content-Type: application/resource-lists+xml\r\nTransfer-Encoding:';

/** All that the server says to these bytes, until it closes the connection. */
async function answerTo(bytes: string, then?: string): Promise<string> {
  const socket = connect(server.http.port, '127.0.0.1');
  let text = '';
  socket.on('error', () => {});
  socket.on('data', (chunk) => (text += chunk.toString('latin1')));
  socket.write(bytes, 'latin1');
  if (then !== undefined) {
    await once(socket, 'data');
    socket.write(then, 'latin1');
  }
  await once(socket, 'close');
  return text;
}

describe('HTTP on the raw socket', () => {
  test.each([
    ['RFC 9112 2.2: no request', 'SIP/2.0 200 OK\r\n\r\n', 400],
    ['RFC 9112 3.2: without Host', `GET ${D} HTTP/1.1\r\n\r\n`, 400],
    ['RFC 9112 5.1: a space before the colon', `GET ${D} HTTP/1.1\r\nHost : x\r\n\r\n`, 400],
    ['RFC 9112 6.1: two lengths', `PUT ${D} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab`, 400],
    ['RFC 9112 6.3: a coding that is not chunked at last', `PUT ${D} HTTP/1.1\r\nHost: x\r\n${GZIP} gzip\r\n\r\nabc`, 400],
    ['RFC 6585 5: too large a head', `GET ${D} HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    ['RFC 9112 6.1: a coding within chunked', `PUT ${D} HTTP/1.1\r\nHost: x\r\n${GZIP} gzip, chunked\r\n\r\n1\r\na\r\n0\r\n\r\n`, 501],
    ['RFC 9112 3.2: two hosts', `GET ${D} HTTP/1.1\r\nHost: x\r\nhOST: y\r\n\r\n`, 400],
    ['RFC 9110 9.3.6: a tunnel', 'CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n', 405],
  ])('%s', async (_, bytes, status) => {
    const answer = await answerTo(bytes);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} [A-Z]`));
    expect(answer.match(/^HTTP\/1\.1/gm)).toHaveLength(1);
    expect(answer).toMatch(/^connection: close/im);
    if (status === 400 && answer.includes('content-length: 0')) return;
    expect(answer).not.toContain('{');
  });

  test('what is no request is answered after one that was, too', async () => {
    const answer = await answerTo('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n', 'nonsense\r\n\r\n');
    expect(answer.match(/^HTTP\/1\.1 \d+/gm)?.at(-1)).toBe('HTTP/1.1 400');
  });

  test('RFC 9110 9.3.7: OPTIONS * says what can be done at all; any other method has nothing there', async () => {
    const answer = await answerTo('OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1\.1 204 [\s\S]*allow: GET, HEAD, PUT, DELETE, OPTIONS\r/i);
    expect(await answerTo('GET * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')).toMatch(/^HTTP\/1\.1 40[04] /);
  });

  const CONTENT = 'Content-Type: application/resource-lists+xml\r\n';
  const lists = (content: string) => `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">${content}</resource-lists>`;
  const request = (method: string, target: string, fields = '', body: string | Buffer = '') =>
    Buffer.concat([
      Buffer.from(`${method} ${target} HTTP/1.1\r\nHost: x\r\n${fields}${CONTENT}Content-Length: ${body.length}\r\n\r\n`),
      Buffer.from(body),
    ]).toString('latin1');

  test('RFC 9112 9.3.2: requests that are sent without waiting are done one after the other', async () => {
    const document = `${D}-pipelined`;
    const create = 'If-None-Match: *\r\n';
    const all = [
      request('GET', document),
      request('PUT', document, create, lists('')),
      request('GET', document),
      // This one takes longer to read than the one after it.
      request('PUT', document, 'Content-Encoding: gzip\r\n', gzipSync(lists('<list name="first"/>'))),
      request('PUT', document, '', lists('<list name="second"/>')),
      request('GET', `${document}/~~/resource-lists/list/@name`),
      request('DELETE', document),
      request('PUT', document, create, lists('<list name="third"/>')),
      request('GET', `${document}/~~/resource-lists/list/@name`, 'Connection: close\r\n'),
    ];
    const answer = await answerTo(all.join(''));
    expect(answer.match(/(?<=HTTP\/1\.1 )\d+/g)).toEqual(['404', '201', '200', '200', '200', '200', '200', '201', '200']);
    expect(answer.match(/(?<=\r\n\r\n)(?:second|third)/g)).toEqual(['second', 'third']);
  });

  test('RFC 9112 9.3.2: thousands at once, read or not, are answered in order', async () => {
    const document = `${D}-many`;
    const puts = Array.from(
      { length: 300 },
      (_, n) => request('PUT', document, '', lists(`<list name="${n}"/>`)) + request('GET', document),
    );
    const answer = await answerTo(puts.join('') + request('GET', '/healthz', 'Connection: close\r\n'));
    expect(answer.match(/(?<=<list name=")\d+/g)?.map(Number)).toEqual(Array.from({ length: 300 }, (_, n) => n));
  });

  test('RFC 9110 10.1.1: who waits with a body for an admin is asked for it', async () => {
    const fields = 'Content-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n';
    const answer = await answerTo(`PUT /admin/mailboxes/alice HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${fields}\r\n`, '{}');
    expect(answer.match(/(?<=HTTP\/1\.1 )\d+/g)).toEqual(['100', expect.stringMatching(/^[24]/)]);
  });

  test('chunked, in whatever case, is understood', async () => {
    const body = '<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"/>';
    const chunk = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
    expect(await answerTo(`PUT ${D} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${GZIP} Chunked\r\n\r\n${chunk}`)).toMatch(
      /^HTTP\/1\.1 201 /,
    );
  });
});

describe('HTTP connections', () => {
  /** What the server says on a connection of its own to a request, '' when it closes it without a word. */
  const ask = async (port: number): Promise<[Socket, string]> => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    const closed = once(socket, 'close').then(() => '');
    socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
    return [socket, await Promise.race([once(socket, 'data').then(String), closed])];
  };

  test.each([
    ['of all', { maxHttpConnections: 5 }, 5],
    ['of one address', { maxHttpConnectionsPerAddress: 5 }, 5],
    ['of a trusted proxy, which has as many as there may be', { maxHttpConnectionsPerAddress: 5, trustedProxies: ['127.0.0.1'] }, 8],
  ])('are so many and no more: %s', async (_, settings, most) => {
    const small = await startServer({ auth: 'none', ...settings });
    try {
      const open: Socket[] = [];
      for (let n = 0; n < 8; n++) {
        const [socket, text] = await ask(small.http.port);
        expect([n, text.slice(0, 12)]).toEqual([n, n < most ? 'HTTP/1.1 200' : '']);
        open.push(socket);
      }
      // Those that have gone make room.
      open[0]?.destroy();
      for (let tries = 0; ; tries++) {
        const [socket, text] = await ask(small.http.port);
        open.push(socket);
        if (text !== '') break;
        expect(tries).toBeLessThan(100);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      for (const socket of open) socket.destroy();
    } finally {
      await small.stop();
    }
  });
});
