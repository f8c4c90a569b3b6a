import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createAuthority } from '../helpers/certificates.ts';
import { Inbox, sendMessage } from '../helpers/inbox.ts';
import { type InProcessServer, listenerOf, startServer } from '../helpers/server.ts';
import { headerList } from '../helpers/sip-message.ts';
import { SipPeer } from '../helpers/sip-peer.ts';
import type { PeerTransport, ViaTransport } from '../helpers/sip-socket.ts';

/** RFC 3261 16.6, RFC 7118 5, RFC 5626 5.3: from any transport to any other, over the connection that the user has open. */

const authority = createAuthority('Test authority');
const own = authority.issue('rollcall', ['DNS:example.com', 'IP:127.0.0.1', 'IP:::1']);
const peers: SipPeer[] = [];
const servers = new Map<string, InProcessServer>();

beforeAll(async () => {
  for (const host of ['127.0.0.1', '::1']) {
    const at = (transport: 'tls' | 'ws' | 'wss') => ({ host, port: 0, transport });
    const server = await startServer({
      sip: [{ host, port: 0 }, at('tls'), at('ws'), at('wss')],
      tlsCertificate: own.certFile,
      tlsKey: own.keyFile,
    });
    servers.set(host, server);
    for (const user of ['alice', 'bob']) await server.addUser(user, `${user}-pw`);
  }
});
afterEach(async () => {
  for (const peer of peers.splice(0)) await peer.close();
});
afterAll(async () => {
  for (const server of servers.values()) await server.stop();
  authority.remove();
});

async function peerOf(user: string, transport: PeerTransport, host = '127.0.0.1'): Promise<SipPeer> {
  const server = servers.get(host);
  if (!server) throw new Error(`no server at ${host}`);
  const peer = await SipPeer.create({
    user,
    password: `${user}-pw`,
    domain: server.domain,
    server: listenerOf(server, transport.toUpperCase() as ViaTransport),
    transport,
    tls: { ca: authority.pem },
  });
  peers.push(peer);
  return peer;
}

const ALL = ['udp', 'tcp', 'tls', 'ws', 'wss'] as const;

describe.each(ALL)('from a user by %s', (from) => {
  it.each(ALL)('a MESSAGE reaches a user by %s', async (to) => {
    const [alice, bob] = [await peerOf('alice', to), await peerOf('bob', from)];
    const inbox = new Inbox(alice);
    expect((await alice.register()).status).toBe(200);
    expect((await sendMessage(bob, alice.address, 'across')).status).toBe(200);
    const message = await inbox.next();
    expect(message.body.toString('utf8')).toBe('across');
    expect(headerList(message, 'via')).toHaveLength(2);
    expect((await alice.register({ expires: 0 })).status).toBe(200);
  });
});

it.each(['ws', 'tls'] as const)(
  'a user by %s whose connection is gone and who cannot be reached in another way counts as away',
  async (transport) => {
    // biome-ignore format: one line
    const [alice, bob] = [await peerOf('alice', transport), await peerOf('bob', 'udp')];
    await alice.register();
    alice.socket.disconnect();
    // Kept for when the user is back.
    expect((await sendMessage(bob, alice.address, 'later')).status).toBe(202);
    const inbox = new Inbox(alice);
    await alice.register();
    expect((await inbox.next()).body.toString('utf8')).toBe('later');
    await alice.register({ expires: 0 });
  },
);

it.each(['tcp', 'tls', 'ws', 'wss'] as const)('over IPv6 by %s: a watcher is notified over its connection', async (transport) => {
  const alice = await peerOf('alice', transport, '::1');
  const watch = await alice.subscribe(alice.address, { expires: 600 });
  expect(watch.response.status).toBe(200);
  expect((await watch.notify()).message.method).toBe('NOTIFY');
});
