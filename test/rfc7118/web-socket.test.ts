import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { createAuthority } from '../helpers/certificates.ts';
import { LogLines } from '../helpers/log-lines.ts';
import { type InProcessServer, listenerOf, startServer } from '../helpers/server.ts';
import { header } from '../helpers/sip-message.ts';
import { SipPeer } from '../helpers/sip-peer.ts';
import type { SipPeerOptions } from '../helpers/sip-peer-options.ts';

/** RFC 7118: SIP over WebSocket. */

const authority = createAuthority('Test authority');
const own = authority.issue('rollcall', ['DNS:example.com', 'IP:127.0.0.1']);
const log = new LogLines();
let server: InProcessServer;
const peers: SipPeer[] = [];
const sockets: WebSocket[] = [];

beforeAll(async () => {
  const at = (transport: 'ws' | 'wss') => ({ host: '127.0.0.1', port: 0, transport });
  server = await startServer(
    { sip: [{ host: '127.0.0.1', port: 0 }, at('ws'), at('wss')], tlsCertificate: own.certFile, tlsKey: own.keyFile },
    log.logger,
  );
  for (const user of ['alice', 'bob']) await server.addUser(user, `${user}-pw`);
});
afterAll(async () => {
  await server.stop();
  authority.remove();
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.terminate();
  for (const peer of peers.splice(0)) await peer.close();
});

async function peerOf(user: string, transport: 'ws' | 'wss', options: Partial<SipPeerOptions> = {}): Promise<SipPeer> {
  const peer = await SipPeer.create({
    user,
    password: `${user}-pw`,
    domain: server.domain,
    server: listenerOf(server, transport === 'ws' ? 'WS' : 'WSS'),
    transport,
    tls: { ca: authority.pem },
    ...options,
  });
  peers.push(peer);
  return peer;
}

async function raw(protocols: string[] = ['sip']): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${listenerOf(server, 'WS').port}/any/path`, protocols);
  sockets.push(socket);
  await once(socket, 'open');
  return socket;
}

async function next(socket: WebSocket): Promise<{ text: string; binary: boolean }> {
  const [data, binary] = (await once(socket, 'message')) as [Buffer, boolean];
  return { text: data.toString('utf8'), binary };
}

const options = (callId: string, extra = ''): string =>
  [
    `OPTIONS sip:example.com SIP/2.0`,
    `Via: SIP/2.0/WS df7jal23ls0d.invalid;branch=z9hG4bK${callId}`,
    'Max-Forwards: 70',
    'From: <sip:alice@example.com>;tag=1',
    'To: <sip:example.com>',
    `Call-ID: ${callId}`,
    `CSeq: 1 OPTIONS`,
    ...(extra === '' ? [] : [extra]),
    '\r\n',
  ].join('\r\n');

describe.each([
  ['ws', 'alice'],
  ['wss', 'bob'],
] as const)('%s', (transport, user) => {
  it('RFC 7118 5: registers, subscribes, and is notified over its own connection, which is the only way to it', async () => {
    const agent = await peerOf(user, transport);
    expect(agent.contact).toMatch(/^sip:\w+@\w+\.invalid;transport=ws$/);
    expect((await agent.register()).status).toBe(200);
    const watch = await agent.subscribe(agent.address, { expires: 600 });
    expect(watch.response.status).toBe(200);
    expect(header(watch.response, 'contact')).toMatch(/^<sip:127\.0\.0\.1:\d+;transport=ws>$/);
    expect((await watch.notify()).message.method).toBe('NOTIFY');
    const { status } = await agent.publish(
      `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="${agent.address}"><tuple id="t"><status><basic>open</basic></status><note>Grüße</note></tuple></presence>`,
    );
    expect(status).toBe(200);
    expect((await watch.notify()).message.body.toString('utf8')).toContain('Grüße');
  });

  it('RFC 7118 5: nothing is sent to a client whose connection is gone; when it is back, its subscription goes on', async () => {
    const agent = await peerOf(user, transport);
    const watch = await agent.subscribe(agent.address, { expires: 600 });
    await watch.notify();
    agent.socket.disconnect();
    expect((await watch.refresh(600)).status).toBe(200);
    await watch.notify();
  });
});

it('RFC 7118 4.1: the subprotocol is sip, and a client that does not offer it is refused', async () => {
  const socket = await raw(['chat', 'sip']);
  expect(socket.protocol).toBe('sip');
  await expect(raw(['chat'])).rejects.toThrow(/400/);
  await expect(raw([])).rejects.toThrow(/400/);
});

it('RFC 9110 15.5.22: whoever speaks plain HTTP there is told to upgrade', async () => {
  const { port } = listenerOf(server, 'WS');
  const sent = httpRequest({ host: '127.0.0.1', port, path: '/' }).end();
  const [response] = await once(sent, 'response');
  expect([response.statusCode, response.headers.upgrade]).toEqual([426, 'websocket']);
  response.resume();
});

it('RFC 7118 4.2: text and binary frames are both read, fragments put together, and answers are text', async () => {
  const socket = await raw();
  for (const [index, binary] of [false, true].entries()) {
    socket.send(options(`kind${index}`), { binary });
    expect(await next(socket)).toMatchObject({ text: expect.stringMatching(/^SIP\/2\.0 200 /), binary: false });
  }
  const bytes = options('pieces');
  socket.send(bytes.slice(0, 20), { fin: false });
  socket.send(bytes.slice(20, 30), { fin: false });
  socket.ping('between');
  socket.send(bytes.slice(30), { fin: true });
  expect((await next(socket)).text).toMatch(/^SIP\/2\.0 200 /);
});

it('RFC 7118 4.2: what is not UTF-8 comes back in a binary frame', async () => {
  const socket = await raw();
  socket.send(Buffer.from(options('latin').replace('tag=1', 'tag=1;x="\xe4"'), 'latin1'), { binary: true });
  const [data, binary] = (await once(socket, 'message')) as [Buffer, boolean];
  expect(data.toString('latin1')).toContain('x="\xe4"');
  expect(binary).toBe(true);
});

it('RFC 7118 5.3: no received in Via, where the client has no address of its own', async () => {
  const socket = await raw();
  socket.send(options('via'));
  expect((await next(socket)).text).toContain('\r\nVia: SIP/2.0/WS df7jal23ls0d.invalid;branch=z9hG4bKvia\r\n');
});

it('RFC 7118 6: pings are answered, those of WebSocket and those of SIP', async () => {
  const socket = await raw();
  const pong = once(socket, 'pong');
  socket.ping('are you there');
  expect(String((await pong)[0])).toBe('are you there');
  socket.send('\r\n\r\n');
  expect((await next(socket)).text).toBe('\r\n');
});

it('what is no SIP message is answered where it can be, and the connection lives on', async () => {
  const socket = await raw();
  socket.send('nonsense');
  socket.send(options('short', 'Content-Length: 500'));
  expect((await next(socket)).text).toMatch(/^SIP\/2\.0 400 /);
  socket.send(options('good'));
  expect((await next(socket)).text).toMatch(/^SIP\/2\.0 200 /);
});

it('RFC 7692: compression is not agreed to, which a small message could be made large with', async () => {
  const socket = new WebSocket(`ws://127.0.0.1:${listenerOf(server, 'WS').port}/`, ['sip'], { perMessageDeflate: true });
  sockets.push(socket);
  await once(socket, 'open');
  expect(socket.extensions).toBe('');
});

/** FIN and text, masked with nothing but zeros. */
const MASK = [0x80, 0, 0, 0, 0];

it.each([
  ['that is not masked (RFC 6455 5.1)', [0x81, 0x01, 0x41]],
  ['with a reserved bit (5.2)', [0xc1, ...MASK]],
  ['of an unknown kind (5.2)', [0x83, ...MASK]],
  ['that continues nothing (5.4)', [0x80, ...MASK]],
  ['of control in fragments (5.5)', [0x09, ...MASK]],
  ['of control that is too long (5.5)', [0x89, 0xfe, 0x00, 0x7e, 0, 0, 0, 0]],
  ['longer than numbers go (5.2)', [0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]],
])('a frame %s ends its connection and no other', async (_, bytes) => {
  const other = await raw();
  const { port } = listenerOf(server, 'WS');
  const broken = connect(port, '127.0.0.1');
  const handshake = [
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version: 13',
  ];
  broken.write(`GET / HTTP/1.1\r\nHost: h\r\n${handshake.join('\r\n')}\r\nSec-WebSocket-Protocol: sip\r\n\r\n`);
  await once(broken, 'data');
  const closed = once(broken, 'close');
  broken.resume().on('error', () => {});
  broken.write(Buffer.from(bytes));
  await closed;
  other.send(options(`after${bytes.length}`));
  expect((await next(other)).text).toMatch(/^SIP\/2\.0 200 /);
});

it('a message over the limit ends the connection with a line in the log', async () => {
  const socket = await raw();
  socket.on('error', () => {});
  socket.send(Buffer.alloc(1_200_000, 0x41));
  const [code] = await once(socket, 'close');
  expect([1006, 1009]).toContain(code);
  expect(await log.next('message too large')).toMatchObject({ source: '127.0.0.1', protocol: 'WS' });
});
