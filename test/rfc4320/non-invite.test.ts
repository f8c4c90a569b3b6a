import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SipResponse } from '../../sip/message/message.ts';
import { responseTo } from '../../sip/message/response.ts';
import type { ServerTransaction } from '../../sip/transaction/transaction-layer.ts';
import { request, statusOf, TcpPeer, UdpPeer } from '../rfc3261/peer.ts';
import { type Stack, startStack } from '../rfc3261/stack.ts';

let stack: Stack;
let peer: UdpPeer;
let received: ServerTransaction[] = [];
beforeEach(async () => {
  // Timer E goes from 50 over 100 and 200 to T2: sent again after 50, 150 and 350 ms.
  stack = await startStack({ transaction: { t1: 50, t2: 400, t4: 400 } });
  received = [];
  stack.transactions.onRequest = (transaction) => received.push(transaction);
  peer = await UdpPeer.open(stack.port);
});
afterEach(async () => {
  expect(stack.failures).toEqual([]);
  peer.close();
  await stack.close();
});

async function arrived(): Promise<ServerTransaction> {
  for (;;) {
    const [first] = received;
    if (first !== undefined) return first;
    await new Promise(setImmediate);
  }
}

describe('RFC 4320 4.1: provisional responses to others than INVITE', () => {
  it.each(['UDP', 'TCP'])("a 100 when the client's Timer E has come to T2, not before (%s)", async (transport) => {
    const asked = transport === 'UDP' ? peer : await TcpPeer.open(stack.port);
    const sentAt = performance.now();
    asked.send(request({ method: 'MESSAGE', transport }));
    const transaction = await arrived();
    transaction.respond(responseTo(transaction.request, 100));
    transaction.respond(responseTo(transaction.request, 180));
    expect(statusOf(await asked.inbox.next())).toBe(100);
    expect(performance.now() - sentAt).toBeGreaterThanOrEqual(350);
    transaction.respond(responseTo(transaction.request, 200));
    expect(statusOf(await asked.inbox.next())).toBe(200);
    if (asked !== peer) asked.close();
  });
});

describe('A request that was answered', () => {
  it.each(['UDP', 'TCP'])('is held by no timer any more (%s)', async (transport) => {
    const asked = transport === 'UDP' ? peer : await TcpPeer.open(stack.port);
    asked.send(request({ method: 'MESSAGE', transport }));
    const transaction = await arrived();
    const before = stack.wheel.size;
    transaction.respond(responseTo(transaction.request, 200));
    expect(statusOf(await asked.inbox.next())).toBe(200);
    // Over UDP the one timer is that of all kept responses now.
    expect(stack.wheel.size).toBe(transport === 'UDP' ? before : before - 1);
    expect(stack.transactions.counts.keptResponses).toBe(transport === 'UDP' ? 1 : 0);
    if (asked !== peer) asked.close();
  });
});

describe('RFC 4320 4.2: late responses', () => {
  it('a 408 is never sent, and nothing after it', async () => {
    peer.send(request({ method: 'MESSAGE' }));
    const transaction = await arrived();
    transaction.respond(responseTo(transaction.request, 408));
    transaction.respond(responseTo(transaction.request, 200));
    expect(stack.transactions.counts.server).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 450));
    expect(peer.inbox.left).toBe(0);
  });

  it('a response that belongs to no transaction is not passed on', async () => {
    const arrived: unknown[] = [];
    stack.transactions.trace = (direction, message) => arrived.push([direction, message instanceof SipResponse && message.callId]);
    peer.send('SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:1;branch=z9hG4bKgone\r\nVia: SIP/2.0/UDP 127.0.0.1:2;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@c>;tag=2\r\nCall-ID: stray\r\nCSeq: 1 MESSAGE\r\n\r\n'); // biome-ignore format: a line
    while (arrived.length === 0) await new Promise(setImmediate);
    expect(arrived).toEqual([['in', 'stray']]);
    expect(peer.inbox.left).toBe(0);
  });
});
