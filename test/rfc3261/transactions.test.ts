import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { Headers } from '../../sip/message/headers.ts';
import { SipRequest, SipResponse } from '../../sip/message/message.ts';
import { MAX_KEPT_BYTES } from '../../sip/transaction/transaction-layer.ts';
import { fieldOf, request, statusOf, TcpPeer, UdpPeer } from './peer.ts';
import { type Stack, type StackOptions, Stacks } from './stack.ts';

const cleanups = new Stacks();
afterEach(() => cleanups.close());
const start = (options?: StackOptions): Promise<Stack> => cleanups.start(options);
const open = (stack: Stack): Promise<UdpPeer> => cleanups.peerOf(stack);

function outgoing(method: string, port: number, transport = ''): SipRequest {
  const headers = new Headers();
  headers.add('From', '<sip:alice@example.com>;tag=1');
  headers.add('To', '<sip:bob@example.com>');
  headers.add('Call-ID', 'out@here');
  headers.add('CSeq', `1 ${method}`);
  headers.add('Max-Forwards', '70');
  return new SipRequest(method, `sip:bob@127.0.0.1:${port}${transport}`, headers);
}

/** What became of a request, and whatever came before. */
function outcome(stack: Stack, sent: SipRequest): { readonly events: string[]; readonly done: Promise<string> } {
  const events: string[] = [];
  const done = new Promise<string>((resolve) => {
    stack.uac.send(
      sent,
      {},
      {
        onResponse: (response) => {
          events.push(String(response.status));
          resolve(String(response.status));
        },
        onProvisional: (response) => events.push(String(response.status)),
        onFailure: resolve,
      },
    );
  });
  return { events, done };
}

/** Status codes of the responses that the stack gets from now on. */
function incoming(stack: Stack): number[] {
  const statuses: number[] = [];
  stack.transactions.trace = (direction, message) => {
    if (direction === 'in' && message instanceof SipResponse) statuses.push(message.status);
  };
  return statuses;
}

function answer(sent: string, status: number, toTag = ';tag=p'): string {
  const copied = ['Via', 'From', 'Call-ID', 'CSeq'].map((name) => `${name}: ${fieldOf(sent, name)}`);
  return [`SIP/2.0 ${status} X`, ...copied, `To: ${fieldOf(sent, 'To')}${toTag}`, 'Content-Length: 0', '', ''].join('\r\n');
}

describe('RFC 3261 17.2: server transactions', () => {
  it('17.2.2: a copy of a request gets the same response and does not reach the handler again', async () => {
    const stack = await start();
    const peer = await open(stack);
    let handled = 0;
    stack.router.handle('PUBLISH', (context) => context.respond(200, { headers: [['SIP-ETag', `e${++handled}`]] }));
    const sent = request({ method: 'PUBLISH' });
    const first = await peer.ask(sent);
    expect(await peer.ask(sent)).toBe(first);
    expect(await peer.ask(sent)).toBe(first);
    expect(handled).toBe(1);
  });

  it('17.2.2: each copy gets the response to its own request, among thousands, short and long', async () => {
    const stack = await start();
    const peer = await open(stack);
    const other = await UdpPeer.open(stack.port, '127.0.0.1', '127.0.0.2');
    const sent: string[] = [];
    const answers: string[] = [];
    for (let i = 0; i < 3000; i++) {
      sent.push(request({ callId: `${i}${'x'.repeat(i % 200 === 0 ? 50_000 : i % 500)}@kept` }));
      answers.push(await peer.ask(sent[i] ?? ''));
    }
    for (const [i, copy] of sent.entries()) expect(await peer.ask(copy)).toBe(answers[i]);
    // RFC 3261 18.2.2: it goes where the request came from, whoever sends the copy.
    other.send(sent[7] ?? '');
    expect(await peer.inbox.next()).toBe(answers[7]);
    expect(other.inbox.left).toBe(0);
    other.close();
  });

  it('17.2.2: a copy that comes when Timer J is over is a new request', async () => {
    const stack = await start({ transaction: { t1: 5 } });
    const peer = await open(stack);
    let handled = 0;
    stack.router.handle('PUBLISH', (context) => context.respond(200, { headers: [['SIP-ETag', `e${++handled}`]] }));
    const sent = Array.from({ length: 50 }, () => request({ method: 'PUBLISH' }));
    for (const one of sent) await peer.ask(one);
    await expect.poll(() => stack.transactions.counts).toMatchObject({ keptResponses: 0, keptBytes: 0 });
    for (const one of sent) await peer.ask(one);
    expect(handled).toBe(100);
  });

  it('17.2.2: a copy is swallowed while there is no response yet', async () => {
    const stack = await start();
    const peer = await open(stack);
    let respond = (): void => {};
    let handled = 0;
    const arrived = new Promise<void>((resolve) => {
      stack.router.handle('PUBLISH', (context) => {
        handled++;
        respond = () => context.respond(200);
        resolve();
      });
    });
    const sent = request({ method: 'PUBLISH' });
    peer.send(sent);
    peer.send(sent);
    await arrived;
    expect(statusOf(await peer.ask(request()))).toBe(200);
    expect(handled).toBe(1);
    respond();
    expect(fieldOf(await peer.inbox.next(), 'CSeq')).toBe('1 PUBLISH');
    expect(stack.transactions.counts.server).toBe(0);
  });

  it('17.2.2: keeps the bytes of the response for Timer J, and nothing over TCP', async () => {
    const stack = await start({ transaction: { t1: 1 } });
    const peer = await open(stack);
    const tcp = await TcpPeer.open(stack.port);
    await tcp.ask(request({ transport: 'TCP' }));
    expect(stack.transactions.counts).toMatchObject({ client: 0, server: 0, keptResponses: 0, keptBytes: 0 });
    const sent = request();
    await peer.ask(sent);
    expect(stack.transactions.counts.keptResponses).toBe(1);
    await expect.poll(() => stack.transactions.counts.keptResponses).toBe(0);
    expect(stack.transactions.counts.keptBytes).toBe(0);
    tcp.close();
  });

  it('17.2.3: without the cookie a request is matched the way of RFC 2543', async () => {
    const stack = await start();
    const peer = await open(stack);
    let handled = 0;
    stack.router.handle('SUBSCRIBE', (context) => {
      handled++;
      context.respond(200);
    });
    const sent = request({ method: 'SUBSCRIBE', branch: 'old' });
    const first = await peer.ask(sent);
    expect(await peer.ask(sent)).toBe(first);
    expect(handled).toBe(1);
    expect(statusOf(await peer.ask(sent.replace('1 SUBSCRIBE', '2 SUBSCRIBE')))).toBe(200);
    expect(handled).toBe(2);
    const untagged = request({ method: 'SUBSCRIBE', branch: 'old', from: 'sip:alice@example.com' });
    expect(statusOf(await peer.ask(untagged))).toBe(200);
  });

  it('17.2.1: sends the failure of an INVITE again until the ACK comes', async () => {
    const stack = await start({ transaction: { t1: 20, t2: 40, t4: 10 } });
    const peer = await open(stack);
    const invite = request({ method: 'INVITE', uri: 'sip:bob@example.com' });
    const first = await peer.ask(invite);
    expect(statusOf(first)).toBe(405);
    expect(await peer.inbox.next()).toBe(first);
    expect(await peer.inbox.next()).toBe(first);
    peer.send(
      invite
        .replace(/^INVITE/, 'ACK')
        .replace('1 INVITE', '1 ACK')
        .replace(/^To:.*$/m, `To: ${fieldOf(first, 'To')}`),
    );
    await expect.poll(() => stack.transactions.counts.server).toBe(0);
  });

  it('bounds the open requests of a source with 503 and Retry-After', async () => {
    const stack = await start({ transaction: { maxOpenPerSource: 2 } });
    const peer = await open(stack);
    const waiting: (() => void)[] = [];
    stack.router.handle('PUBLISH', (context) => void waiting.push(() => context.respond(200)));
    peer.send(request({ method: 'PUBLISH' }));
    peer.send(request({ method: 'PUBLISH' }));
    const refused = await peer.ask(request({ method: 'PUBLISH' }));
    expect(statusOf(refused)).toBe(503);
    expect(Number(fieldOf(refused, 'Retry-After'))).toBeGreaterThan(0);
    for (const respond of waiting) respond();
    await peer.inbox.next();
    await peer.inbox.next();
    peer.send(request({ method: 'PUBLISH' }));
    await expect.poll(() => waiting.length).toBe(3);
  });

  it('sets no such bound for a source that speaks for many', async () => {
    const stack = await start({ transaction: { maxOpenPerSource: 1, isUnlimited: (address) => address === '127.0.0.2' } });
    const gateway = await UdpPeer.open(stack.port, '127.0.0.1', '127.0.0.2');
    const waiting: (() => void)[] = [];
    stack.router.handle('PUBLISH', (context) => void waiting.push(() => context.respond(200)));
    for (let i = 0; i < 3; i++) gateway.send(request({ method: 'PUBLISH' }));
    await expect.poll(() => waiting.length).toBe(3);
    for (const respond of waiting) respond();
    gateway.close();
  });

  it('bounds the kept responses of all', async () => {
    const stack = await start({ transaction: { maxKeptResponses: 3 } });
    const peer = await open(stack);
    for (let i = 0; i < 10; i++) await peer.ask(request());
    expect(stack.transactions.counts.keptResponses).toBe(3);
  });

  it('keeps no more bytes of responses than the bound, however large the requests that it copies from', async () => {
    const stack = await start();
    const peer = await open(stack);
    const callId = 'x'.repeat(58_000);
    const enough = Math.ceil(MAX_KEPT_BYTES / callId.length) + 50;
    let most = 0;
    for (let i = 0; i < enough; i++) {
      await peer.ask(request({ callId: `${i}${callId}` }));
      most = Math.max(most, stack.transactions.counts.keptBytes);
    }
    expect(most).toBeLessThanOrEqual(MAX_KEPT_BYTES);
    expect(most).toBeGreaterThan(MAX_KEPT_BYTES - 2 * 60_000);
    expect(stack.transactions.counts.keptResponses).toBeLessThan(enough);
  });
});

describe('RFC 3261 17.1: client transactions', () => {
  it('17.1.2: sends again after T1 and 2 T1, and stops with the answer', async () => {
    const stack = await start({ transaction: { t1: 40 } });
    const peer = await open(stack);
    const { events, done } = outcome(stack, outgoing('NOTIFY', peer.port));
    const first = await peer.inbox.next();
    const started = performance.now();
    expect(fieldOf(first, 'Via')).toMatch(new RegExp(`^SIP/2\\.0/UDP 127\\.0\\.0\\.1:${stack.port};branch=z9hG4bK[0-9a-f]{20};rport$`));
    expect(await peer.inbox.next()).toBe(first);
    const second = performance.now() - started;
    expect(await peer.inbox.next()).toBe(first);
    const third = performance.now() - started;
    expect(second).toBeGreaterThan(30);
    expect(third).toBeGreaterThan(110);
    peer.send(answer(first, 200));
    expect(await done).toBe('200');
    // RFC 3261 17.1.2.2: copies of the response go no further.
    const arrived = incoming(stack);
    peer.send(answer(first, 200));
    peer.send(answer(request(), 299));
    await expect.poll(() => arrived).toEqual([200, 299]);
    expect(events).toEqual(['200']);
    expect(stack.transactions.counts.client).toBe(0);
    expect(peer.inbox.left).toBe(0);
  });

  it('17.1.2: reports 408 as timeout after 64 T1, having sent with doubling up to T2', async () => {
    const stack = await start({ transaction: { t1: 5, t2: 20 } });
    const peer = await open(stack);
    const { done } = outcome(stack, outgoing('NOTIFY', peer.port));
    expect(await done).toBe('timeout');
    // At 0, 5, 15, 35, 55 ... 315 ms, each of them late rather than early.
    expect(peer.inbox.left).toBeGreaterThan(8);
    expect(peer.inbox.left).toBeLessThanOrEqual(18);
    expect(stack.transactions.counts.client).toBe(0);
  });

  it('17.1.2: delivers provisional responses and one final response', async () => {
    const stack = await start();
    const peer = await open(stack);
    const { events, done } = outcome(stack, outgoing('NOTIFY', peer.port));
    const sent = await peer.inbox.next();
    peer.send(answer(sent, 100, ''));
    peer.send(answer(sent, 481));
    expect(await done).toBe('481');
    expect(events).toEqual(['100', '481']);
  });

  it('17.1.1.3: acknowledges the failure of an INVITE with its branch', async () => {
    const stack = await start();
    const peer = await open(stack);
    const { done } = outcome(stack, outgoing('INVITE', peer.port));
    const invite = await peer.inbox.next();
    const ack = await peer.ask(answer(invite, 486));
    expect(await done).toBe('486');
    expect(ack).toMatch(/^ACK sip:bob@/);
    for (const name of ['Via', 'From', 'Call-ID']) expect(fieldOf(ack, name)).toBe(fieldOf(invite, name));
    expect(fieldOf(ack, 'To')).toBe('<sip:bob@example.com>;tag=p');
    expect(fieldOf(ack, 'CSeq')).toBe('1 ACK');
    expect(await peer.ask(answer(invite, 486))).toBe(ack);
  });

  it('18.4: reports a connection that is refused or lost', async () => {
    const stack = await start();
    const closedPort = await TcpPeer.open(stack.port).then((peer) => {
      cleanups.push(() => peer.close());
      return peer.port;
    });
    expect(await outcome(stack, outgoing('NOTIFY', 1, ';transport=tcp')).done).toBe('transport');
    // One that takes the request and hangs up.
    let taken = '';
    const server = createServer((socket) => {
      socket.on('data', (bytes) => {
        taken += bytes.toString('latin1');
        socket.destroy();
      });
    }).listen(0, '127.0.0.1');
    cleanups.push(() => void server.close());
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    expect(await outcome(stack, outgoing('NOTIFY', port, ';transport=tcp')).done).toBe('transport');
    expect(taken).toMatch(/^NOTIFY .*\r\nVia: SIP\/2\.0\/TCP /);
    expect(closedPort).toBeGreaterThan(0);
    expect(stack.transactions.counts.client).toBe(0);
  });

  it('reports a next hop that cannot be located', async () => {
    const stack = await start();
    const sent = outgoing('NOTIFY', 5);
    sent.uri = 'sip:bob@name.invalid';
    expect(await outcome(stack, sent).done).toBe('unresolved');
    const tel = outgoing('NOTIFY', 5);
    tel.uri = 'tel:+123';
    expect(await outcome(stack, tel).done).toBe('unresolved');
  });

  it('8.1.2: goes to the first Route', async () => {
    const stack = await start();
    const peer = await open(stack);
    const sent = outgoing('NOTIFY', 5);
    sent.headers.add('Route', `<sip:127.0.0.1:${peer.port};lr>, <sip:far.invalid;lr>`);
    const { done } = outcome(stack, sent);
    peer.send(answer(await peer.inbox.next(), 200));
    expect(await done).toBe('200');
  });

  it('RFC 3263 4.3: goes on to the next destination when one fails', async () => {
    const stack = await start();
    const peer = await open(stack);
    const sent = outgoing('NOTIFY', 5);
    const done = new Promise<string>((resolve) => {
      const destinations = [
        { protocol: 'TCP', address: '127.0.0.1', port: 1 },
        { protocol: 'UDP', address: '::1', port: 1 },
        { protocol: 'UDP', address: '127.0.0.1', port: peer.port },
      ] as const;
      stack.uac.send(sent, { destinations }, { onResponse: ({ status }) => resolve(String(status)), onFailure: resolve });
    });
    const arrived = await peer.inbox.next();
    expect(arrived.match(/^Via:/gm)).toHaveLength(1);
    peer.send(answer(arrived, 200));
    expect(await done).toBe('200');
  });

  it('sends requests that are larger than a packet of the network', async () => {
    const stack = await start();
    const peer = await open(stack);
    const sent = outgoing('NOTIFY', peer.port);
    sent.body = Buffer.alloc(20_000, 'x');
    const { done } = outcome(stack, sent);
    const arrived = await peer.inbox.next();
    expect(arrived.endsWith(`\r\nContent-Length: 20000\r\n\r\n${'x'.repeat(20_000)}`)).toBe(true);
    peer.send(answer(arrived, 200));
    expect(await done).toBe('200');
  });
});
