import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAuthority, type IssuedCertificate } from '../helpers/certificates.ts';
import { type ServerProcess, startServerProcess } from '../helpers/server-process.ts';
import { request, statusOf, TcpPeer } from '../rfc3261/peer.ts';
import { type Stack, startStack } from '../rfc3261/stack.ts';

/** RFC 8446 2.2, RFC 5246 7.3: peers that go on with a session of an earlier connection, with a certificate then and without one. */

const authority = createAuthority('Test authority');
const stranger = createAuthority('Authority that nobody knows');
const own = authority.issue('us', ['DNS:example.com', 'IP:127.0.0.1']);
const trusted = authority.issue('peer', ['URI:sip:peer.example']);
const unknown = stranger.issue('peer', ['URI:sip:peer.example']);
let stack: Stack;
let port = 0;
beforeAll(async () => {
  const { cert, key } = own;
  stack = await startStack({ transport: { tls: { pair: { cert, key, ca: authority.pem }, add() {}, remove() {} } } });
  ({ port } = await stack.transport.listen('TLS', '127.0.0.1', 0));
});
afterAll(async () => {
  await stack.close();
  authority.remove();
  stranger.remove();
});

interface Opened {
  readonly socket: TLSSocket;
  readonly session: () => Buffer | undefined;
}

async function open(at: number, maxVersion: 'TLSv1.2' | 'TLSv1.3', pair: Partial<IssuedCertificate>, session?: Buffer): Promise<Opened> {
  let next = session;
  const { cert, key } = pair;
  const socket = connect({ host: '127.0.0.1', port: at, ca: authority.pem, servername: '', maxVersion, ...(cert && key ? { cert, key } : {}), ...(session ? { session } : {}) }); // biome-ignore format: one line
  socket.on('session', (given: Buffer) => (next = given));
  await once(socket, 'secureConnect');
  return { socket, session: () => next };
}

async function ask(socket: TLSSocket): Promise<number> {
  socket.write(request({ method: 'OPTIONS', uri: 'sip:example.com', to: '<sip:example.com>', transport: 'TLS' }));
  return statusOf(String((await once(socket, 'data'))[0]));
}

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('a session of %s that is taken up again', (version) => {
  it.each([
    ['without a certificate proves nothing', {}, []],
    ['with a certificate that we do not trust proves nothing', unknown, []],
    ['with a certificate that we trust proves what that did', trusted, ['peer.example']],
  ] as const)('%s', async (_, pair, domains) => {
    const seen: (readonly string[])[] = [];
    const route = stack.transactions.onRequest;
    stack.transactions.onRequest = (transaction) => {
      seen.push(transaction.flow.peerDomains);
      route?.(transaction);
    };
    const first = await open(port, version, pair);
    expect(await ask(first.socket)).toBe(200);
    const session = first.session();
    first.socket.destroy();
    const second = await open(port, version, pair, session);
    expect(await ask(second.socket)).toBe(200);
    expect(second.socket.isSessionReused()).toBe(true);
    second.socket.destroy();
    stack.transactions.onRequest = route;
    expect(seen).toEqual([domains, domains]);
  });
});

it('the compiled server outlives a phone that takes up its session again', { timeout: 30_000 }, async () => {
  const server: ServerProcess = await startServerProcess(['--sip', 'tls://127.0.0.1:0', '--tls-cert', own.certFile, '--tls-key', own.keyFile, '--tls-ca', authority.file]); // biome-ignore format: one line
  const at = Number(/SIP {4}tls 127\.0\.0\.1:(\d+)/.exec(server.output)?.[1]);
  let session: Buffer | undefined;
  for (let n = 0; n < 3; n++) {
    const phone = await open(at, 'TLSv1.3', {}, session);
    expect(await ask(phone.socket)).toBe(200);
    session = phone.session();
    phone.socket.destroy();
  }
  const other = await TcpPeer.open(server.sip.port);
  expect(statusOf(await other.ask(request({ method: 'OPTIONS', uri: 'sip:example.com', to: '<sip:example.com>', transport: 'TCP' })))).toBe(200); // biome-ignore format: one line
  other.close();
  await server.stop();
});
