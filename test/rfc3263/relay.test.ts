import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { NameServer } from '../helpers/name-server.ts';
import { type InProcessServer, startServer } from '../helpers/server.ts';
import { fieldOf, fieldsOf, request, statusOf, UdpPeer } from '../rfc3261/peer.ts';

let dns: NameServer;
let server: InProcessServer;
/** Servers of other domains. */
let one: UdpPeer;
let other: UdpPeer;
let trunk: UdpPeer;
let alice: UdpPeer;

beforeAll(async () => {
  dns = await NameServer.open();
  trunk = await UdpPeer.open(0);
  server = await startServer({
    auth: 'none',
    sipTrustedPeers: ['127.0.0.1'],
    dnsServers: [dns.address],
    nextHops: [{ domain: '*.trunk.example', uri: `sip:127.0.0.1:${trunk.port};lr` }],
  });
  one = await UdpPeer.open(server.sip.port);
  other = await UdpPeer.open(server.sip.port);
  alice = await UdpPeer.open(server.sip.port);
  dns.naptr('there.example', 1, 1, 's', 'SIP+D2U', '_sip._udp.there.example');
  dns.srv('_sip._udp.there.example', 1, 0, one.port, 'host.there.example');
  dns.srv('_sip._udp.there.example', 2, 0, other.port, 'host.there.example');
  dns.a('host.there.example', '127.0.0.1');
});
afterAll(async () => {
  for (const peer of [one, other, trunk, alice]) peer.close();
  await server.stop();
  dns.close();
});
afterEach(() => {
  for (const peer of [one, other, trunk, alice]) expect(peer.inbox.left).toBe(0);
});

function message(uri: string): string {
  return request({
    method: 'MESSAGE',
    uri,
    to: `<${uri}>`,
    fields: ['P-Asserted-Identity: <sip:alice@example.com>', 'Content-Type: text/plain'],
    body: 'Hello',
  });
}

function answer(sent: string, status: number): string {
  const copied = [...fieldsOf(sent, 'Via').map((via) => `Via: ${via}`), ...['From', 'Call-ID', 'CSeq'].map((name) => `${name}: ${fieldOf(sent, name)}`)]; // biome-ignore format: a line
  return [`SIP/2.0 ${status} X`, ...copied, `To: ${fieldOf(sent, 'To')};tag=p`, 'Content-Length: 0', '', ''].join('\r\n');
}

it('a MESSAGE for another domain goes to the server that its DNS names, and its answer comes back', async () => {
  alice.send(message('sip:bob@there.example'));
  const relayed = await one.inbox.next();
  expect(relayed).toMatch(/^MESSAGE sip:bob@there\.example SIP\/2\.0\r\n/);
  expect(fieldsOf(relayed, 'Via')).toHaveLength(2);
  expect(fieldOf(relayed, 'Max-Forwards')).toBe('69');
  one.send(answer(relayed, 200));
  const answered = await alice.inbox.next();
  expect(statusOf(answered)).toBe(200);
  expect(fieldsOf(answered, 'Via')).toHaveLength(1);
});

it('4.3: after a 503 to the next server, and there at once the next time', async () => {
  alice.send(message('sip:bob@there.example'));
  one.send(answer(await one.inbox.next(), 503));
  other.send(answer(await other.inbox.next(), 202));
  expect(statusOf(await alice.inbox.next())).toBe(202);
  alice.send(message('sip:bob@there.example'));
  other.send(answer(await other.inbox.next(), 200));
  expect(statusOf(await alice.inbox.next())).toBe(200);
});

it('a domain below one with a configured next hop is not looked up', async () => {
  dns.questions.length = 0;
  alice.send(message('sip:bob@a.trunk.example'));
  const relayed = await trunk.inbox.next();
  expect(relayed).toMatch(/^MESSAGE sip:bob@a\.trunk\.example SIP\/2\.0\r\n/);
  const answered = answer(relayed, 200);
  // The trunk's socket was there before the server, whose port it did not know.
  const back = await UdpPeer.open(server.sip.port);
  back.send(answered);
  expect(statusOf(await alice.inbox.next())).toBe(200);
  back.close();
  expect(dns.questions).toEqual([]);
});

it('a domain that nobody serves is an answer, not a silence', async () => {
  const answered = await alice.ask(message('sip:bob@nowhere.example'));
  expect([404, 478, 480, 502, 503]).toContain(statusOf(answered));
});
