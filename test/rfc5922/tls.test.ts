import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createAuthority } from '../helpers/certificates.ts';
import { LogLines } from '../helpers/log-lines.ts';
import { type InProcessServer, listenerOf, startServer } from '../helpers/server.ts';
import { header } from '../helpers/sip-message.ts';
import { SipPeer } from '../helpers/sip-peer.ts';
import type { SipPeerOptions } from '../helpers/sip-peer-options.ts';

/** RFC 3261 26.2, RFC 5922: SIP over TLS at the server as it is configured. */

const authority = createAuthority('Test authority');
const own = authority.issue('rollcall', ['URI:sip:example.com', 'IP:127.0.0.1']);
const next = authority.issue('rollcall the second', ['DNS:example.com', 'IP:127.0.0.1']);
const files = { cert: join(authority.folder, 'live.pem'), key: join(authority.folder, 'live.key') };
afterAll(() => authority.remove());

function put({ certFile, keyFile }: { certFile: string; keyFile: string }): void {
  for (const [from, to] of [
    [certFile, files.cert],
    [keyFile, files.key],
  ] as const) {
    // biome-ignore format: one line
    writeFileSync(`${to}.new`, readFileSync(from));
    renameSync(`${to}.new`, to);
  }
}

describe('a server with a TLS endpoint', () => {
  const log = new LogLines();
  let server: InProcessServer;
  const peers: SipPeer[] = [];

  beforeAll(async () => {
    put(own);
    server = await startServer(
      {
        sip: [{ host: '127.0.0.1', port: 0 }, { host: '127.0.0.1', port: 0, transport: 'tls' }], // biome-ignore format: one line
        tlsCertificate: files.cert,
        tlsKey: files.key,
        logLevel: 'info',
      },
      log.logger,
    );
    for (const user of ['alice', 'bob']) await server.addUser(user, `${user}-pw`);
  });
  afterAll(() => server.stop());
  afterEach(async () => {
    for (const peer of peers.splice(0)) await peer.close();
  });

  async function peerOf(user: string, options: Partial<SipPeerOptions> = {}): Promise<SipPeer> {
    const peer = await SipPeer.create({
      user,
      password: `${user}-pw`,
      domain: server.domain,
      server: listenerOf(server, 'TLS'),
      transport: 'tls',
      tls: { ca: authority.pem },
      ...options,
    });
    peers.push(peer);
    return peer;
  }

  const handshake = (): Promise<TLSSocket> =>
    new Promise((resolve, reject) => {
      const { port } = listenerOf(server, 'TLS');
      const socket = connect({ host: '127.0.0.1', port, ca: authority.pem, servername: '' }, () => resolve(socket));
      socket.on('error', reject);
    });

  it('takes registrations and subscriptions, and notifies over the connection that the watcher opened', async () => {
    const [alice, bob] = [await peerOf('alice'), await peerOf('bob')];
    expect((await alice.register()).status).toBe(200);
    const watch = await bob.subscribe('sip:bob@example.com', { expires: 600 });
    expect(watch.response.status).toBe(200);
    expect(header(watch.response, 'contact')).toMatch(/^<sip:127\.0\.0\.1:\d+;transport=tls>$/);
    // The peer's own listener has no certificate, so nothing can have come over another connection.
    expect((await watch.notify()).message.method).toBe('NOTIFY');
    expect((await watch.refresh(300)).status).toBe(200);
    await watch.notify();
  });

  it('RFC 3261 12.1.1: whoever subscribes by SIPS gets a SIPS Contact', async () => {
    const bob = await peerOf('bob');
    const watch = await bob.subscribe('sips:bob@example.com', { expires: 600, contact: bob.contact.replace(/^sip:/, 'sips:').replace(';transport=tls', '') }); // biome-ignore format: one line
    expect(watch.response.status).toBe(200);
    expect(header(watch.response, 'contact')).toMatch(/^<sips:127\.0\.0\.1:\d+>$/);
    await watch.notify();
  });

  it('refuses who does not speak TLS, with a line in the log, and goes on', async () => {
    const plain = await SipPeer.create({ user: 'alice', domain: server.domain, server: listenerOf(server, 'TLS'), transport: 'tcp' });
    peers.push(plain);
    await plain.sendRaw('OPTIONS sip:example.com SIP/2.0\r\n\r\n');
    const line = await log.next('TLS handshake failed');
    expect(line).toMatchObject({ source: '127.0.0.1', reason: expect.any(String) });
    expect((await (await peerOf('alice')).register()).status).toBe(200);
  });

  it('shows a new certificate to new connections, while those that are there go on', async () => {
    const alice = await peerOf('alice');
    await alice.register();
    put(next);
    server.running.reload();
    const socket = await handshake();
    expect(socket.getPeerCertificate().subject.CN).toBe('rollcall the second');
    socket.destroy();
    expect((await alice.register()).status).toBe(200);
  });
});
