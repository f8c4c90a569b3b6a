import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { TransportOptions } from '../../sip/transport/transport.ts';
import { createAuthority } from '../helpers/certificates.ts';
import { TurnCounter, work } from '../helpers/turn-counter.ts';
import { fieldOf, request, statusOf, TcpPeer } from '../rfc3261/peer.ts';
import { type Stack, startStack } from '../rfc3261/stack.ts';

/** Connections that flood, dawdle or do not read are shut out, with a line in the log; the others do not notice. */

interface Line {
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

let lines: Line[] = [];
const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function start(transport: TransportOptions): Promise<Stack> {
  lines = [];
  const stack = await startStack({ transport: { ...transport, onShutOut: (fields, message) => lines.push({ fields, message }) } });
  open.push(stack);
  return stack;
}

async function peerOf(stack: Stack): Promise<TcpPeer> {
  const peer = await TcpPeer.open(stack.port);
  open.push(peer);
  return peer;
}

async function rawTo(port: number, localAddress = '127.0.0.1'): Promise<Socket & { gone: Promise<void> }> {
  const socket = connect({ host: '127.0.0.1', port, localAddress });
  const gone = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.on('error', () => {});
  open.push({ close: () => socket.destroy() });
  await Promise.race([once(socket, 'connect'), gone]);
  return Object.assign(socket, { gone });
}

async function webSocketTo(stack: Stack): Promise<{ socket: WebSocket; gone: Promise<void> }> {
  const { port } = await stack.transport.listen('WS', '127.0.0.1', 0);
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`, 'sip');
  socket.on('error', () => {});
  open.push({ close: () => socket.terminate() });
  const gone = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  await once(socket, 'open');
  return { socket, gone };
}

const served = async (peer: TcpPeer): Promise<void> => expect(statusOf(await peer.ask(request({ transport: 'TCP' })))).toBe(200);

/** The lines of the log without what is different each time. */
const told = (): string[] => lines.map(({ message, fields }) => `${message}: ${fields.protocol ?? ''} ${fields.source}`);

describe('a peer that does not read', () => {
  it('over TCP loses its connection once too much waits for it, and delays nobody', async () => {
    const stack = await start({ maxQueuedBytes: 65_536 });
    const other = await peerOf(stack);
    const deaf = await rawTo(stack.port);
    deaf.pause();
    const batch = request({ transport: 'TCP', fields: [`Subject: ${'x'.repeat(200)}`], via: `;x=${'y'.repeat(2000)}` }).repeat(50);
    let gone = false;
    void deaf.gone.then(() => (gone = true));
    while (!gone) {
      deaf.write(batch);
      await served(other);
    }
    expect(told()).toEqual(['peer does not read: TCP 127.0.0.1']);
    expect(stack.transport.counts.queuedBytes).toBe(0);
  });

  it('over WebSocket, too, where pings alone do no harm', async () => {
    const stack = await start({ maxQueuedBytes: 65_536 });
    const other = await peerOf(stack);
    const { socket, gone } = await webSocketTo(stack);
    socket.pause();
    let closed = false;
    void gone.then(() => (closed = true));
    const payload = Buffer.alloc(125);
    // RFC 6455 5.5.3: of many that come together the latest alone is answered, so that these pile up nothing.
    for (let round = 0; round < 20; round++) {
      for (let sent = 0; sent < 2000; sent++) socket.ping(payload);
      await served(other);
      expect(stack.transport.counts.queuedBytes).toBeLessThanOrEqual(65_536);
    }
    const asking = request({ transport: 'WS', via: `;x=${'y'.repeat(20_000)}` });
    while (stack.transport.counts.connections > 1) {
      for (let sent = 0; sent < 20; sent++) socket.send(asking);
      await served(other);
    }
    socket.resume();
    await gone;
    expect(closed).toBe(true);
    expect(told()).toEqual(['peer does not read: WS 127.0.0.1']);
  });

  it('goes first where all together leave too much unread', async () => {
    const stack = await start({ maxQueuedBytes: 4_000_000, maxQueuedBytesInAll: 1_000_000 });
    const other = await peerOf(stack);
    const deaf = [await rawTo(stack.port), await rawTo(stack.port), await rawTo(stack.port)];
    for (const one of deaf) one.pause();
    const batch = request({ transport: 'TCP', via: `;x=${'y'.repeat(20_000)}` }).repeat(20);
    while (stack.transport.counts.connections === 4) {
      for (const one of deaf) one.write(batch);
      await served(other);
      expect(stack.transport.counts.queuedBytes).toBeLessThanOrEqual(1_000_000);
    }
    expect(told()).toEqual(['too much unread by peers: TCP 127.0.0.1']);
  });
});

describe('messages that do not end', () => {
  it('hold no more memory in all than is allowed: the oldest goes, the others are served', async () => {
    const stack = await start({ maxIncompleteBytes: 1_000_000 });
    const body = 'b'.repeat(100_000);
    const whole = request({ transport: 'TCP', method: 'OPTIONS', body });
    const slow: TcpPeer[] = [];
    for (let count = 0; count < 20; count++) {
      const peer = await peerOf(stack);
      slow.push(peer);
      peer.send(whole.slice(0, 60_000));
      await served(await peerOf(stack));
      expect(stack.transport.counts.incompleteBytes).toBeLessThanOrEqual(1_000_000);
    }
    await slow[0]?.closed;
    expect(told()).toEqual(['too many bytes of incomplete messages: TCP 127.0.0.1']);
    const last = slow.at(-1);
    if (!last) throw new Error('nobody');
    last.send(whole.slice(60_000));
    expect(statusOf(await last.inbox.next())).toBe(200);
  });

  it('over TCP have their time, however steadily they trickle', async () => {
    const stack = await start({ messageTimeoutMs: 300 });
    const other = await peerOf(stack);
    const slow = await rawTo(stack.port);
    const text = request({ transport: 'TCP' });
    let position = 0;
    const trickle = setInterval(() => slow.write(text.slice(position, ++position)), 20);
    let gone = false;
    void slow.gone.then(() => (gone = true));
    while (!gone) await served(other);
    clearInterval(trickle);
    expect(position).toBeLessThan(text.length);
    expect(told()).toEqual(['message not complete in time: TCP 127.0.0.1']);
  });

  it('over WebSocket, too', async () => {
    const stack = await start({ messageTimeoutMs: 300 });
    const { socket, gone } = await webSocketTo(stack);
    socket.send('OPTIONS sip:example.com', { fin: false });
    const trickle = setInterval(() => socket.send('x', { fin: false }), 20);
    await gone;
    clearInterval(trickle);
    expect(told()).toEqual(['message not complete in time: WS 127.0.0.1']);
  });
});

it('a TCP connection that a peer has opened is not for whoever names its address (RFC 5923 9.3)', async () => {
  const stack = await start({});
  const peer = await peerOf(stack);
  await served(peer);
  const to = (protocol: 'TCP' | 'WS') => stack.transport.flowTo({ protocol, address: '127.0.0.1', port: peer.port });
  expect([to('TCP')?.opened, to('WS')]).toEqual([false, undefined]);
  // Our own is used again.
  const { port } = await stack.transport.listen('TCP', '127.0.0.1', 0);
  const first = stack.transport.flowTo({ protocol: 'TCP', address: '127.0.0.1', port });
  expect(stack.transport.flowTo({ protocol: 'TCP', address: '127.0.0.1', port })).toBe(first);
});

it('a WebSocket message in more fragments than make sense ends its connection', async () => {
  const stack = await start({});
  const other = await peerOf(stack);
  const { socket, gone } = await webSocketTo(stack);
  socket.send('O', { fin: false });
  // Pings between them are in order, and keep what is read with them in memory.
  for (let i = 0; i < 300; i++) {
    socket.ping('x'.repeat(100));
    socket.send('x', { fin: false });
  }
  await gone;
  await served(other);
  expect(told()).toEqual(['message too large: WS 127.0.0.1']);
});

describe('a message of 10 MB', () => {
  it('is answered 413 before it has come, and its connection ends', async () => {
    const stack = await start({});
    const other = await peerOf(stack);
    const large = await peerOf(stack);
    const text = request({ transport: 'TCP', body: 'x'.repeat(10_485_760) });
    large.send(text);
    expect(statusOf(await large.inbox.next())).toBe(413);
    await large.closed;
    await served(other);
    expect(told()).toEqual(['message too large: TCP 127.0.0.1']);
  });

  it('is no better as a header', async () => {
    const stack = await start({});
    const large = await peerOf(stack);
    large.send(request({ transport: 'TCP', fields: [`X: ${'x'.repeat(10_485_760)}`] }));
    expect(statusOf(await large.inbox.next())).toBe(513);
    await large.closed;
    expect(told()).toEqual(['message too large: TCP 127.0.0.1']);
  });
});

describe('a flood of connections', () => {
  it('is cut off, one line for all of it, while those that are there are served; room that gets free is used', async () => {
    const stack = await start({ maxConnections: 30 });
    const other = await peerOf(stack);
    const flood = await Promise.all(Array.from({ length: 60 }, () => rawTo(stack.port)));
    await Promise.all(Array.from({ length: 31 }, (_, index) => Promise.any(flood.slice(index).map(({ gone }) => gone))));
    await served(other);
    expect(stack.transport.counts.sockets).toBe(30);
    expect(told()).toEqual(['too many connections:  127.0.0.1']);
    for (const one of flood) one.destroy();
    while (stack.transport.counts.sockets > 1) await served(other);
    await served(await peerOf(stack));
  });

  it('from one address leaves room for other addresses', async () => {
    const stack = await start({ maxConnectionsPerSource: 5 });
    const flood = await Promise.all(Array.from({ length: 10 }, () => rawTo(stack.port, '127.0.0.2')));
    await Promise.any(flood.map(({ gone }) => gone));
    await served(await peerOf(stack));
    expect(told()).toEqual(['too many connections from one address:  127.0.0.2']);
  });
});

describe('handshakes that do not end', () => {
  it('have their time', async () => {
    const authority = createAuthority('Test authority');
    open.push({ close: () => authority.remove() });
    const { cert, key } = authority.issue('us', ['IP:127.0.0.1']);
    const stack = await start({ handshakeTimeoutMs: 200, tls: { pair: { cert, key }, add() {}, remove() {} } });
    const late: string[] = [];
    for (const protocol of ['TLS', 'WS', 'WSS'] as const) {
      const { port } = await stack.transport.listen(protocol, '127.0.0.1', 0);
      const silent = await rawTo(port);
      if (protocol === 'WS') silent.write('GET / HTTP/1.1\r\nUpgrade: websocket\r\nX: ');
      await silent.gone;
      late.push(protocol);
    }
    expect(late).toEqual(['TLS', 'WS', 'WSS']);
    await expect.poll(() => stack.transport.counts.sockets).toBe(0);
    expect(told()).toContain('TLS handshake failed: TLS 127.0.0.1');
    expect(told()).toContain('handshake not complete in time: WS 127.0.0.1');
    expect(told().length).toBeLessThanOrEqual(3);
  });
});

it('the peers that are shut out have answers to what was good', async () => {
  const stack = await start({});
  const peer = await peerOf(stack);
  const good = request({ transport: 'TCP', callId: 'good' });
  peer.send(`${good}nonsense\r\n\r\n`);
  expect(fieldOf(await peer.inbox.next(), 'Call-ID')).toBe('good');
  await peer.closed;
});

describe('a peer that sends many requests at once', () => {
  it('over TCP gets them all answered, in order, and others have their turn between them', async () => {
    const stack = await start({});
    const { onMessage } = stack.transport;
    const turnsOf: number[] = [];
    const turns = new TurnCounter();
    // What each of them takes, such as copies to twenty contacts.
    stack.transport.onMessage = (message, flow) => {
      work(0.5);
      turnsOf.push(turns.count);
      onMessage?.(message, flow);
    };
    const peer = await peerOf(stack);
    const requests = Array.from({ length: 200 }, (_, n) => request({ transport: 'TCP', callId: `one-of-many-${n}`, body: 'x'.repeat(n) }));
    peer.send(requests.join(''));
    for (let n = 0; n < requests.length; n++) expect(fieldOf(await peer.inbox.next(), 'Call-ID')).toBe(`one-of-many-${n}`);
    // And after it as ever.
    await served(peer);
    turns.stop();
    expect(turnsOf).toHaveLength(201);
    expect(new Set(turnsOf.slice(0, 200)).size).toBeGreaterThan(4);
  });

  it('over TCP gets them all answered also where it ends the connection behind them', async () => {
    const stack = await start({});
    const { onMessage } = stack.transport;
    stack.transport.onMessage = (message, flow) => {
      work(0.5);
      onMessage?.(message, flow);
    };
    const peer = await peerOf(stack);
    const requests = Array.from({ length: 200 }, (_, n) => request({ transport: 'TCP', callId: `before-the-end-${n}` }));
    peer.end(requests.join(''));
    for (let n = 0; n < requests.length; n++) expect(fieldOf(await peer.inbox.next(), 'Call-ID')).toBe(`before-the-end-${n}`);
    await peer.closed;
  });
});
