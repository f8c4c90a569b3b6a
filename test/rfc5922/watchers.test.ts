import { afterAll, afterEach, expect, it } from 'vitest';
import { within } from '../helpers/call-stage.ts';
import { createAuthority } from '../helpers/certificates.ts';
import { type InProcessServer, listenerOf, startServer } from '../helpers/server.ts';
import { SipPeer } from '../helpers/sip-peer.ts';
import { fieldOf, request, statusOf } from '../rfc3261/peer.ts';
import { pidf } from '../scenarios/documents.ts';
import { TlsPeer } from './tls-peer.ts';

/** RFC 5922 7.3 in a dialog of ours: the server of a watcher whose certificate names its domain, and whose Contact is an address. */

const authority = createAuthority('Test authority');
const own = authority.issue('us', ['DNS:example.com']);
const peers = authority.issue('peer', ['URI:sip:peer.example']);
const others = authority.issue('other', ['URI:sip:other.example']);
afterAll(() => authority.remove());

const open: { close(): unknown }[] = [];
let server: InProcessServer;
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
  await server.stop();
});

/** A subscription of carol@peer.example to alice, over a connection that her server has opened, and which ends. */
async function subscribe(listening: typeof peers): Promise<{ peer: TlsPeer; alice: SipPeer }> {
  server = await startServer({
    sip: [{ host: '127.0.0.1', port: 0 }, { host: '127.0.0.1', port: 0, transport: 'tls' }], // biome-ignore format: one line
    tlsCertificate: own.certFile,
    tlsKey: own.keyFile,
    tlsAuthorities: authority.file,
    defaultDecision: 'allow',
  });
  await server.addUser('alice', 'alice');
  const alice = await SipPeer.create({ user: 'alice', password: 'alice', domain: 'example.com', server: server.sip, transport: 'udp' });
  open.push(alice);
  const peer = await TlsPeer.listen({ cert: listening.cert, key: listening.key, ca: authority.pem });
  open.push(peer);
  const socket = await peer.connect(listenerOf(server, 'TLS').port, { cert: peers.cert, key: peers.key, ca: authority.pem }, '127.0.0.1', 'example.com'); // biome-ignore format: one line
  socket.write(
    request({
      method: 'SUBSCRIBE',
      uri: 'sip:alice@example.com',
      to: '<sip:alice@example.com>',
      from: '<sip:carol@peer.example>;tag=c1',
      transport: 'TLS',
      fields: ['Event: presence', 'Expires: 600', `Contact: <sip:carol@127.0.0.1:${peer.port};transport=tls>`],
    }),
  );
  const answers = [await peer.inbox.next(), await peer.inbox.next()];
  expect(answers.filter((text) => text.startsWith('SIP/2.0')).map(statusOf)).toEqual([200]);
  expect(answers.filter((text) => text.startsWith('NOTIFY'))).toHaveLength(1);
  peer.closeOpened();
  await within(100);
  await alice.publish(pidf(alice.address, { basic: 'open' }), { expires: 600 });
  return { peer, alice };
}

it('is reached over a new connection once that of the SUBSCRIBE is gone', async () => {
  const { peer } = await subscribe(peers);
  const notify = await peer.inbox.next();
  expect(notify).toMatch(/^NOTIFY sip:carol@127\.0\.0\.1:\d+;transport=tls /);
  expect(fieldOf(notify, 'Subscription-State')).toMatch(/^active/);
  expect(peer.accepted).toHaveLength(1);
});

it('is told nothing where another domain answers at that address', async () => {
  const { peer } = await subscribe(others);
  await within(300);
  expect(peer.inbox.left).toBe(0);
});
