import { createSocket } from 'node:dgram';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type InProcessServer, startServer } from '../helpers/server.ts';
import { header } from '../helpers/sip-message.ts';
import { SipPeer } from '../helpers/sip-peer.ts';
import { token } from '../helpers/token.ts';
import { pidf } from '../scenarios/documents.ts';

/** One message must not hold up the server for long, whatever it says: each of these once took seconds. */
const PATIENCE = 700;

let server: InProcessServer;
let alice: SipPeer;
beforeAll(async () => {
  server = await startServer();
  await server.addUser('alice', 'pw');
  alice = await SipPeer.create({ user: 'alice', password: 'pw', domain: server.domain, server: server.sip, transport: 'tcp' });
  expect((await alice.register()).status).toBe(200);
});
afterAll(async () => {
  await alice.close();
  await server.stop();
});

/** The milliseconds until the answer. */
async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

const LONG = 60_000;

it.each([
  ['blanks in a folded From', { From: `a${' '.repeat(LONG)}<sip:a@example.com>\r\n ;tag=1` }],
  ['blanks at the ends of many lines', { From: `${`a${' '.repeat(200)}\r\n `.repeat(200)}<sip:a@example.com>;tag=1` }],
  ['digits in CSeq', { CSeq: `${'1'.repeat(LONG)}@` }],
  ['flags in Via', { Via: `SIP/2.0/UDP 127.0.0.1:1${';a'.repeat(LONG / 2)}` }],
  ['quotes in From', { From: `${'"'.repeat(LONG)}<sip:a@example.com>` }],
  ['brackets in To', { To: `${'<'.repeat(LONG)}` }],
  ['semicolons in Event', { Event: `;id${' '.repeat(LONG)};id` }],
  ['commas in Require', { Require: ','.repeat(LONG) }],
  ['colons in the Request-URI and in From', { From: `<${'sip:'.repeat(LONG / 4)}@example.com>` }],
])('%s are read in no time, without credentials', async (_what, changed: Readonly<Record<string, string>>) => {
  const fields: Record<string, string> = {
    Via: `SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK${token()};rport`,
    'Max-Forwards': '70',
    From: '<sip:a@example.com>;tag=1',
    To: '<sip:a@example.com>',
    'Call-ID': token(),
    CSeq: '1 SUBSCRIBE',
    ...changed,
  };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  const socket = createSocket('udp4');
  socket.on('message', () => {});
  const bytes = Buffer.from(`SUBSCRIBE sip:a@example.com SIP/2.0\r\n${lines.join('')}Content-Length: 0\r\n\r\n`, 'latin1');
  await new Promise((resolve) => socket.send(bytes, server.sip.port, server.sip.address, resolve));
  expect(await timed(() => alice.register())).toBeLessThan(PATIENCE);
  socket.close();
});

it('thousands of contacts in one REGISTER are refused before they are compared', async () => {
  const contacts = Array.from({ length: 5000 }, (_, i) => `<sip:${i}@h>`).join(',');
  let status = 0;
  const ms = await timed(async () => {
    const answer = await alice.request({
      method: 'REGISTER',
      uri: 'sip:example.com',
      to: `<${alice.address}>`,
      headers: [['Contact', contacts]],
    });
    status = answer.status;
  });
  expect(status).toBe(403);
  expect(ms).toBeLessThan(PATIENCE);
});

it.each([
  [
    'a root that declares thousands of namespaces',
    () => {
      const declarations = Array.from({ length: 2500 }, (_, i) => ` xmlns:p${i}="u:${i}"`).join('');
      return `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:a@b"${declarations}>${'<note>x</note>'.repeat(700)}</presence>`;
    },
  ],
  [
    'a long namespace that thousands of components would repeat',
    () => {
      const notes = '<p:note>x</p:note>'.repeat(1200);
      return `<p:presence xmlns:p="urn:ietf:params:xml:ns:pidf" xmlns="urn:${'x'.repeat(40_000)}" entity="sip:a@b">${notes}</p:presence>`;
    },
  ],
])('%s is no presence document', async (_what, body) => {
  let published: Awaited<ReturnType<SipPeer['publish']>> | undefined;
  expect(await timed(async () => (published = await alice.publish(body(), { expires: 60 })))).toBeLessThan(2 * PATIENCE);
  expect(published?.status).toBe(400);
});

it('a document with a few namespaces at its root keeps them where they are used', async () => {
  const body = pidf(alice.address, { basic: 'open' })
    .replace('<presence ', '<presence xmlns:x="urn:example:x" ')
    .replace('</status>', '</status><x:thing>1</x:thing>');
  expect((await alice.publish(body, { expires: 60 })).status).toBe(200);
  const own = await alice.subscribe(alice.address, { expires: 60 });
  expect((await own.notify()).body).toMatch(/<tuple xmlns:x="urn:example:x" id="slie74">/);
  await own.unsubscribe();
  expect(header(own.response, 'expires')).toBe('0');
});
