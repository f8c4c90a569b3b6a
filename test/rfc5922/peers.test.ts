import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { Headers } from '../../sip/message/headers.ts';
import { SipRequest } from '../../sip/message/message.ts';
import type { Flow } from '../../sip/transport/flow.ts';
import { createAuthority, type IssuedCertificate } from '../helpers/certificates.ts';
import { fieldOf, request } from '../rfc3261/peer.ts';
import { type Stack, startStack } from '../rfc3261/stack.ts';
import { TlsPeer } from './tls-peer.ts';

/** RFC 5922 7.3 and 7.4, RFC 5923: TLS between SIP servers. */

const authority = createAuthority('Test authority');
const stranger = createAuthority('Authority that nobody knows');
const ours = authority.issue('us', ['DNS:us.example']);
const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});
afterAll(() => {
  authority.remove();
  stranger.remove();
});

const told: { message: string; fields: Record<string, unknown> }[] = [];

async function start(ca: string | undefined = authority.pem): Promise<{ stack: Stack; port: number }> {
  told.length = 0;
  const stack = await startStack({
    transport: {
      tls: { pair: { cert: ours.cert, key: ours.key, ca }, add() {}, remove() {} },
      onShutOut: (fields, message) => told.push({ message, fields }),
    },
  });
  open.push(stack);
  const { port } = await stack.transport.listen('TLS', '127.0.0.1', 0);
  return { stack, port };
}

async function peerWith({ cert, key }: IssuedCertificate): Promise<TlsPeer> {
  const peer = await TlsPeer.listen({ cert, key, ca: authority.pem });
  open.push(peer);
  return peer;
}

let calls = 0;
/** Sends an OPTIONS to the peer as the one of that domain; gives the status, or how it failed. */
function ask(stack: Stack, port: number, name: string | undefined): Promise<number | string> {
  const headers = new Headers();
  for (const [field, value] of [['Max-Forwards', '70'], ['From', '<sip:us.example>;tag=1'], ['To', '<sip:peer.example>'], ['Call-ID', `call${++calls}`], ['CSeq', '1 OPTIONS'], ['Content-Length', '0']] as const) headers.add(field, value); // biome-ignore format: a table
  return new Promise((resolve) => {
    stack.transactions.send(
      new SipRequest('OPTIONS', 'sip:peer.example', headers),
      [{ protocol: 'TLS', address: '127.0.0.1', port, name }],
      { onResponse: ({ status }) => resolve(status), onFailure: resolve }, // biome-ignore format: one line
    );
  });
}

describe('RFC 5922 7.3: a connection that we open', () => {
  it.each([
    ['whose certificate names the domain in a sip URI', 'peer.example', ['URI:sip:peer.example']],
    ['whose certificate names the domain in a DNS name', 'peer.example', ['DNS:other.example', 'DNS:peer.example']],
    ['whose certificate has no more than a common name', 'peer.example', []],
    ['whose certificate names the address, where no domain was asked for', undefined, ['IP:127.0.0.1']],
  ] as const)('goes to a peer %s', async (_, name, alternatives) => {
    const { stack } = await start();
    const peer = await peerWith(authority.issue('peer.example', alternatives));
    expect(await ask(stack, peer.port, name)).toBe(200);
    const sent = await peer.inbox.next();
    expect(fieldOf(sent, 'Via')).toMatch(/^SIP\/2\.0\/TLS 127\.0\.0\.1:\d+;branch=z9hG4bK[^;]+;alias$/);
    // RFC 5922 7.4: the peer asked who we are.
    expect(peer.accepted[0]?.authorized).toBe(true);
    expect(peer.accepted[0]?.getPeerCertificate().subject.CN).toBe('us');
  });

  it.each([
    ['names another domain', 'peer.example', () => authority.issue('peer.example', ['DNS:evil.example'])],
    ['has a wildcard in the place of the domain', 'sip.peer.example', () => authority.issue('x', ['DNS:*.peer.example'])],
    [
      'names the domain, but is signed by an authority that we do not trust',
      'peer.example',
      () => stranger.issue('x', ['DNS:peer.example']),
    ],
    ['names the domain, but is for clients only', 'peer.example', () => authority.issue('x', ['DNS:peer.example'], 'clientAuth')],
    ['names the domain, but not the address that was asked for', undefined, () => authority.issue('x', ['DNS:peer.example'])],
  ] as const)('is closed before anything is sent when the certificate %s, with a line in the log', async (_, name, issue) => {
    // biome-ignore format: a table
    const { stack } = await start();
    const peer = await peerWith(issue());
    expect(await ask(stack, peer.port, name)).toBe('transport');
    expect(told).toEqual([{ message: 'TLS connection could not be opened', fields: expect.objectContaining({ source: '127.0.0.1', port: peer.port, name, reason: expect.any(String) }) }]); // biome-ignore format: one line
    expect(peer.inbox.left).toBe(0);
  });

  it('serves all domains that the peer proves to be, and only those (RFC 5923 8.1)', async () => {
    const { stack } = await start();
    const peer = await peerWith(authority.issue('peer', ['URI:sip:a.example', 'URI:sip:b.example']));
    for (const name of ['a.example', 'b.example', 'a.example']) expect(await ask(stack, peer.port, name)).toBe(200);
    expect(peer.accepted).toHaveLength(1);
    expect(await ask(stack, peer.port, 'c.example')).toBe('transport');
    expect(peer.inbox.left).toBe(3);
  });
});

describe('RFC 5922 7.4: a connection that a peer opens', () => {
  async function flowOf(stack: Stack, port: number, peer: TlsPeer, identity: { cert?: string; key?: string }, via = ''): Promise<Flow> {
    const socket = await peer.connect(port, { ...identity, ca: authority.pem });
    const text = request({ transport: 'TLS', sentBy: `127.0.0.1:${peer.port}`, via });
    const arrived = new Promise<Flow>((resolve) => {
      const route = stack.transactions.onRequest;
      stack.transactions.onRequest = (transaction) => {
        resolve(transaction.flow);
        route?.(transaction);
      };
    });
    socket.write(text);
    const flow = await arrived;
    expect(await peer.inbox.next()).toMatch(/^SIP\/2\.0 200 /);
    return flow;
  }

  it('has the domains of a certificate that we trust, and none without one', async () => {
    const { stack, port } = await start();
    const known = authority.issue('peer', ['URI:sip:peer.example', 'URI:sip:two.example']);
    const peer = await peerWith(known);
    expect((await flowOf(stack, port, peer, known)).peerDomains).toEqual(['peer.example', 'two.example']);
    expect((await flowOf(stack, port, peer, {})).peerDomains).toEqual([]);
    expect((await flowOf(stack, port, peer, stranger.issue('peer', ['URI:sip:peer.example']))).peerDomains).toEqual([]);
  });

  it('RFC 5923 8.2: serves requests to the port that the peer names with alias', async () => {
    const { stack, port } = await start();
    const known = authority.issue('peer', ['URI:sip:peer.example']);
    const peer = await peerWith(known);
    await flowOf(stack, port, peer, known, ';alias');
    expect(await ask(stack, peer.port, 'peer.example')).toBe(200);
    expect(peer.accepted).toHaveLength(0);
  });

  it.each([
    ['without alias', '', true, 'peer.example', 1],
    ['without a certificate (RFC 5923 9.2)', ';alias', false, 'peer.example', 1],
    ['for another domain at the same address (RFC 5923 9.3)', ';alias', true, 'two.example', 1],
  ] as const)('serves no others %s', async (_, via, proved, name, opened) => {
    const { stack, port } = await start();
    const peer = await peerWith(authority.issue('peer', ['URI:sip:peer.example', 'URI:sip:two.example']));
    await flowOf(stack, port, peer, proved ? authority.issue('peer', ['URI:sip:peer.example']) : {}, via);
    expect(await ask(stack, peer.port, name)).toBe(200);
    expect(peer.accepted).toHaveLength(opened);
  });

  it('RFC 5923 8.2: goes on over a new connection when the one that was reused is gone', async () => {
    const { stack, port } = await start();
    const known = authority.issue('peer', ['URI:sip:peer.example']);
    const peer = await peerWith(known);
    const flow = await flowOf(stack, port, peer, known, ';alias');
    const gone = new Promise<void>((resolve) => flow.onClose(resolve));
    peer.closeOpened();
    await gone;
    expect(stack.transport.flow(flow.id)).toBeUndefined();
    expect(await ask(stack, peer.port, 'peer.example')).toBe(200);
    expect(peer.accepted).toHaveLength(1);
  });
});
