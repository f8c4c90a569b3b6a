import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { NameServer } from '../helpers/name-server.ts';
import { type InProcessServer, startServer } from '../helpers/server.ts';
import { fieldOf, fieldsOf, Inbox, reasonOf, request, statusOf, TcpPeer, UdpPeer } from '../rfc3261/peer.ts';
import { bytesOf, COMPLAINTS, type Expected, MESSAGES } from './messages.ts';

/** The domains that the messages are for. */
const DOMAINS = ['example.com', 'example.net', 'example.org', 'company.com', 'registrar.example.com', 'chair-dnrc.example.com'];
/** Addresses of this process's own, one for each message: most ask for no rport, so that the answer goes to port 5060. */
const addressOf = (file: string): string =>
  `127.${64 + (process.pid % 128)}.${(process.pid >> 7) % 256}.${1 + MESSAGES.findIndex((message) => message.file === file)}`;

let server: InProcessServer;
let dns: NameServer;
const cleanups: (() => void)[] = [];

beforeAll(async () => {
  dns = await NameServer.open();
});
afterAll(() => dns.close());
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

/** Transactions that the server knows: different messages of the RFC share a branch, and would be taken for copies of one another. */
const known = new Set<string>();

async function start(): Promise<void> {
  known.clear();
  server = await startServer({ auth: 'none', domains: DOMAINS, dnsServers: [dns.address] });
}

/** A server that does not take the message for a copy of another. */
async function unknown(bytes: Buffer): Promise<void> {
  const text = bytes.toString('latin1');
  const transaction = `${/^\S+/.exec(text)?.[0]} ${/branch=[^;\s,]*/.exec(text)?.[0]}`;
  if (known.has(transaction)) {
    await server.stop();
    await start();
  }
  known.add(transaction);
}

function judge(response: string, expected: Expected): void {
  if (expected === 'taken') expect(COMPLAINTS, response).not.toContain(statusOf(response));
  else expect(expected, response).toContain(statusOf(response));
  if (statusOf(response) === 400) expect(reasonOf(response)).not.toBe('Bad Request');
}

/** The first response that is not provisional. */
async function final(inbox: Inbox): Promise<string> {
  for (;;) {
    const message = await inbox.next();
    if (statusOf(message) >= 200) return message;
  }
}

async function bind(address: string, port: number): Promise<{ socket: Socket; inbox: Inbox }> {
  const socket = createSocket('udp4').bind(port, address);
  await once(socket, 'listening');
  cleanups.push(() => socket.close());
  const inbox = new Inbox();
  socket.on('message', (bytes) => inbox.put(bytes.toString('latin1')));
  return { socket, inbox };
}

/** The port that the top Via gives, folded or not. */
function viaPort(bytes: Buffer): number {
  const via = /^(?:via|v)[ \t]*:((?:[^\r\n]|\r\n[ \t])*)/im.exec(bytes.toString('latin1'))?.[1] ?? '';
  return Number(/^[^,;]*\/[^/,;]*:\s*(\d+)/.exec(via.replace(/\[[^\]]*\]/g, ''))?.[1] ?? 5060);
}

it('has every message of the appendix', () => {
  const files = readdirSync(join(import.meta.dirname, '../fixtures/rfc4475')).map((name) => name.replace('.dat', ''));
  expect(files.sort()).toEqual(MESSAGES.map(({ file }) => file).sort());
});

describe.skipIf(process.platform !== 'linux')('RFC 4475 as datagrams', () => {
  beforeAll(start);
  afterAll(() => server.stop());

  it.each(MESSAGES.map((message) => [message.section, message.file, message.what, message] as const))(
    '%s %s: %s',
    async (_section, file, _what, { expected }) => {
      const bytes = bytesOf(file);
      await unknown(bytes);
      const { socket, inbox } = await bind(addressOf(file), viaPort(bytes));
      socket.send(bytes, server.sip.port, server.sip.address);
      if (expected !== 'nothing') judge(await final(inbox), expected);
      // The server goes on, and has said no more than that.
      const peer = await UdpPeer.open(server.sip.port);
      cleanups.push(() => peer.close());
      expect(statusOf(await peer.ask(request()))).toBe(200);
      expect(inbox.left).toBe(0);
    },
  );
});

describe('RFC 4475 as streams', () => {
  beforeAll(start);
  afterAll(() => server.stop());

  it.each(MESSAGES.filter(({ stream }) => stream === undefined).map((message) => [message.section, message.file, message] as const))(
    '%s %s',
    async (_section, file, { expected }) => {
      const bytes = bytesOf(file);
      await unknown(bytes);
      const peer = await TcpPeer.open(server.sip.port);
      cleanups.push(() => peer.close());
      peer.send(bytes);
      if (expected === 'nothing') return;
      judge(await final(peer.inbox), expected);
    },
  );

  it('3.1.1.8 dblreq: what trails a datagram is a message of its own in a stream', async () => {
    const peer = await TcpPeer.open(server.sip.port);
    cleanups.push(() => peer.close());
    const bytes = bytesOf('dblreq');
    // The second is shorter by its Content-Length than the datagram; what follows it would be no message.
    peer.send(bytes.subarray(0, bytes.indexOf('v=0') + 150));
    const answers: string[] = [];
    while (answers.length < 2) {
      const message = await peer.inbox.next();
      if (statusOf(message) >= 200) answers.push(message);
    }
    expect(answers.map((answer) => fieldOf(answer, 'CSeq')?.split(' ')[1]).sort()).toEqual(['INVITE', 'REGISTER']);
  });

  it('3.1.2.2 clerr: a body that never comes keeps its connection waiting, and no other', async () => {
    const socket = connect(server.sip.port, server.sip.address);
    cleanups.push(() => socket.destroy());
    await once(socket, 'connect');
    let heard = '';
    socket.on('data', (bytes) => (heard += bytes.toString('latin1')));
    socket.write(bytesOf('clerr'));
    const peer = await TcpPeer.open(server.sip.port);
    cleanups.push(() => peer.close());
    expect(statusOf(await peer.ask(request({ transport: 'TCP' })))).toBe(200);
    expect(heard).toBe('');
  });

  it('3.4.1 inv2543: without Content-Length nobody knows where the body ends', async () => {
    const peer = await TcpPeer.open(server.sip.port);
    cleanups.push(() => peer.close());
    const response = await peer.ask(bytesOf('inv2543'));
    expect(statusOf(response)).toBe(400);
    expect(reasonOf(response)).toMatch(/Content-Length/);
    await peer.closed;
  });
});

describe('RFC 4475 3.3.12 to 3.3.14: what was registered', () => {
  beforeEach(start);
  afterEach(() => server.stop());

  it.each([
    ['cparam01', /^<sip:\+19725552222@gw1\.example\.net>;.*unknownparam/],
    ['cparam02', /^<sip:\+19725552222@gw1\.example\.net;unknownparam>/],
    ['regescrt', /^<sip:user@example\.com\?Route=%3Csip:sip\.example\.com%3E>/],
  ])('%s is there afterwards', async (file, contact) => {
    const peer = await UdpPeer.open(server.sip.port);
    cleanups.push(() => peer.close());
    const sent = bytesOf(file).toString('latin1');
    peer.send(sent.replace(/^(Via:[^\r\n]*)/m, '$1;rport'));
    expect(statusOf(await peer.inbox.next())).toBe(200);
    const asked = await peer.ask(
      request({ method: 'REGISTER', uri: 'sip:example.com', to: fieldOf(sent, 'To') ?? '', from: `${fieldOf(sent, 'To')};tag=1` }),
    );
    expect(fieldsOf(asked, 'Contact').flatMap((value) => value.split(/,\s*(?=<)/))).toContainEqual(expect.stringMatching(contact));
  });
});
