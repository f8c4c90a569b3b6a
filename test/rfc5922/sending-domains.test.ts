import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { Config } from '../../server/config.ts';
import { CallAgent } from '../helpers/call-agent.ts';
import { createAuthority } from '../helpers/certificates.ts';
import { type InProcessServer, listenerOf, startServer } from '../helpers/server.ts';
import { fieldOf, fieldsOf } from '../rfc3261/peer.ts';
import { TlsPeer } from './tls-peer.ts';

/** RFC 5922 7.4: a server of several domains, each with a certificate of its own, at one that takes nobody's word but that of the domain. */

const authority = createAuthority('Authority of the domains');
const first = authority.issue('first', ['DNS:example.com']);
const second = authority.issue('second', ['DNS:example.org']);
const far = authority.issue('far', ['DNS:far.test', 'IP:127.0.0.1']);
afterAll(() => authority.remove());

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

const TLS = { host: '127.0.0.1', port: 0, transport: 'tls' } as const;

async function serve(port: number, more: Partial<Config> = {}): Promise<InProcessServer> {
  const server = await startServer({
    domains: ['example.com', 'example.org', 'example.net'],
    sip: [{ host: '127.0.0.1', port: 0 }, TLS],
    tlsCertificate: first.certFile,
    tlsKey: first.keyFile,
    tlsAuthorities: authority.file,
    tlsDomains: [{ cert: second.certFile, key: second.keyFile }],
    nextHops: [{ domain: '*', uri: `sip:127.0.0.1:${port};transport=tls` }],
    ...more,
  });
  open.push({ close: () => server.stop() });
  for (const domain of ['example.com', 'example.org', 'example.net']) {
    await server.running.accounts.add(`sip:user@${domain}`, 'secret', false);
  }
  return server;
}

async function userOf(server: InProcessServer, domain: string): Promise<CallAgent> {
  const agent = await CallAgent.open({ user: 'user', domain, server: server.sip, password: 'secret' });
  open.push(agent);
  return agent;
}

async function neighbour(): Promise<TlsPeer> {
  const peer = await TlsPeer.listen({ cert: far.cert, key: far.key, ca: authority.pem });
  open.push(peer);
  return peer;
}

const shown = (peer: TlsPeer): unknown[] => peer.accepted.map((socket) => socket.getPeerCertificate().subject.CN);

describe('RFC 5922 7.4: a connection that is opened for a domain with a certificate of its own', () => {
  it('shows that one, and no request of another domain goes over it', async () => {
    const peer = await neighbour();
    const server = await serve(peer.port);
    for (const [domain, seen] of [
      ['example.com', ['first']],
      ['example.org', ['first', 'second']],
      // Without one of its own it has that of the server.
      ['example.net', ['first', 'second']],
      ['example.org', ['first', 'second']],
      ['example.com', ['first', 'second']],
    ] as const) {
      const user = await userOf(server, domain);
      expect((await user.request('MESSAGE', 'sip:zoe@far.test', { body: 'hello' })).status).toBe(200);
      expect(fieldOf(await peer.inbox.next(), 'From')).toMatch(`<sip:user@${domain}>`);
      expect(shown(peer)).toEqual(seen);
    }
  });

  it('is known by it to the other server, who takes the word of the domain for its user', async () => {
    const there = await startServer({
      domains: ['far.test'],
      sip: [{ host: '127.0.0.1', port: 0 }, TLS],
      tlsCertificate: far.certFile,
      tlsKey: far.keyFile,
      tlsAuthorities: authority.file,
    });
    open.push({ close: () => there.stop() });
    await there.addUser('zoe', 'secret');
    const server = await serve(listenerOf(there, 'TLS').port);
    const user = await userOf(server, 'example.org');
    const headers = [['Event', 'presence'] as const];
    // Whom it does not know it asks for a password; this is somebody, though not zoe.
    expect((await user.request('PUBLISH', 'sip:zoe@far.test', { headers })).status).toBe(403);
  });

  it('7.5: is where Record-Route names the domain', async () => {
    const peer = await neighbour();
    const server = await serve(peer.port);
    const user = await userOf(server, 'example.org');
    await user.invite('sip:zoe@far.test');
    expect(fieldsOf(await peer.inbox.next(), 'Record-Route')[0]).toMatch(/^<sip:example\.org;transport=tls;/);
  });

  it('RFC 5923 8.2: nor does it go over one that the peer has opened to another domain', async () => {
    const peer = await neighbour();
    const server = await serve(peer.port);
    const { port } = listenerOf(server, 'TLS');
    const socket = await peer.connect(port, { cert: far.cert, key: far.key, ca: authority.pem }, '127.0.0.1', 'example.com');
    socket.write(
      `OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:${peer.port};branch=z9hG4bKalias1;alias\r\nMax-Forwards: 70\r\nFrom: <sip:far.test>;tag=1\r\nTo: <sip:example.com>\r\nCall-ID: alias\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n`,
    );
    expect(await peer.inbox.next()).toMatch(/^SIP\/2\.0 200/);
    const user = await userOf(server, 'example.org');
    expect((await user.request('MESSAGE', 'sip:zoe@far.test', { body: 'hello' })).status).toBe(200);
    expect(shown(peer)).toEqual(['second']);
  });
});
