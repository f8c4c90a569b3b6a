import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type InProcessServer, startServer } from '../helpers/server.ts';
import { SipPeer } from '../helpers/sip-peer.ts';
import { pidf } from '../scenarios/documents.ts';
import { fieldOf, Inbox, request, statusOf, UdpPeer } from './peer.ts';

let server: InProcessServer;
let bob: SipPeer;
/** A watcher that speaks UDP, and TCP at the same port where a test opens it. */
let watcher: UdpPeer;
beforeEach(async () => {
  server = await startServer({ auth: 'none', defaultDecision: 'allow' });
  bob = await SipPeer.create({ user: 'bob', domain: server.domain, server: server.sip, transport: 'udp' });
  watcher = await UdpPeer.open(server.sip.port);
});
afterEach(async () => {
  watcher.close();
  await bob.close();
  await server.stop();
});

function answer(notify: string): string {
  const copied = ['Via', 'From', 'To', 'Call-ID', 'CSeq'].map((name) => `${name}: ${fieldOf(notify, name)}`);
  return ['SIP/2.0 200 OK', ...copied, 'Content-Length: 0', '', ''].join('\r\n');
}

/** Subscribes to bob, takes the first NOTIFY, and has bob publish what makes the next ones large. */
async function subscribe(): Promise<string> {
  const subscribed = request({
    method: 'SUBSCRIBE',
    uri: 'sip:bob@example.com',
    to: '<sip:bob@example.com>',
    fields: ['Event: presence', 'Accept: application/pidf+xml', `Contact: <sip:alice@127.0.0.1:${watcher.port}>`],
  });
  const messages = [await watcher.ask(subscribed), await watcher.inbox.next()];
  const first = messages.find((message) => message.startsWith('NOTIFY')) ?? '';
  expect(messages.some((message) => statusOf(message) === 200)).toBe(true);
  expect(first.length).toBeLessThan(1300);
  watcher.send(answer(first));
  return (await publish()).etag;
}

let notes = 0;
function publish(etag?: string): ReturnType<SipPeer['publish']> {
  const body = pidf(bob.address, { basic: 'open' }).replace('</tuple>', `<note>${++notes}${'long '.repeat(400)}</note></tuple>`);
  return bob.publish(body, { expires: 60, ...(etag !== undefined && { etag }) });
}

it('18.1.1: a large NOTIFY goes over UDP to a watcher that takes no TCP, and so does the next', async () => {
  let etag = await subscribe();
  for (let i = 0; i < 2; i++) {
    const notify = await watcher.inbox.next();
    expect(notify.length).toBeGreaterThan(2000);
    expect(fieldOf(notify, 'Via')).toMatch(/^SIP\/2\.0\/UDP /);
    watcher.send(answer(notify));
    if (i === 0) etag = (await publish(etag)).etag;
  }
});

it('18.1.1: over TCP to one that takes it, all over one connection', async () => {
  const overTcp = new Inbox();
  const connections: Socket[] = [];
  const listener = createServer((socket) => {
    connections.push(socket);
    let buffered = '';
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      buffered += bytes.toString('latin1');
      const end = buffered.indexOf('\r\n\r\n') + 4;
      const length = Number(/^Content-Length: (\d+)/m.exec(buffered)?.[1]);
      if (end < 4 || buffered.length < end + length) return;
      overTcp.put(buffered);
      socket.write(answer(buffered));
      buffered = '';
    });
  }).listen(watcher.port, '127.0.0.1');
  await once(listener, 'listening');
  const etag = await subscribe();
  expect(fieldOf(await overTcp.next(), 'Via')).toMatch(/^SIP\/2\.0\/TCP /);
  await publish(etag);
  expect(await overTcp.next()).toMatch(/^NOTIFY sip:alice@127\.0\.0\.1:\d+ SIP\/2\.0\r\n/);
  expect(connections).toHaveLength(1);
  expect(watcher.inbox.left).toBe(0);
  for (const socket of connections) socket.destroy();
  listener.close();
});
