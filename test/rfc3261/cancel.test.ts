import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Headers } from '../../sip/message/headers.ts';
import { SipRequest } from '../../sip/message/message.ts';
import { responseTo } from '../../sip/message/response.ts';
import type { ClientTransaction, ServerTransaction } from '../../sip/transaction/transaction-layer.ts';
import { fieldOf, fieldsOf, request, statusOf, TcpPeer, UdpPeer } from './peer.ts';
import { type Stack, startStack } from './stack.ts';

let stack: Stack;
let peer: UdpPeer;
beforeEach(async () => {
  stack = await startStack({ transaction: { t1: 20, t2: 80, t4: 80 } });
  peer = await UdpPeer.open(stack.port);
});
afterEach(async () => {
  expect(stack.failures).toEqual([]);
  peer.close();
  await stack.close();
});

interface Call {
  readonly transaction: ClientTransaction;
  /** Status codes and failures, in order. */
  readonly events: string[];
  readonly ended: Promise<void>;
}

function invite(): Call {
  const headers = new Headers();
  for (const [name, value] of [['Route', '<sip:127.0.0.1;lr>'], ['From', '<sip:a@example.com>;tag=1'], ['To', '<sip:b@example.com>'], ['Call-ID', 'cancelled@here'], ['CSeq', '7 INVITE'], ['Max-Forwards', '70']] as const) headers.add(name, value); // biome-ignore format: a table
  const events: string[] = [];
  let end = (): void => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const transaction = stack.transactions.send(
    new SipRequest('INVITE', 'sip:b@example.com', headers),
    [{ protocol: 'UDP', address: '127.0.0.1', port: peer.port }],
    {
      onResponse: ({ status }) => {
        events.push(String(status));
        if (status >= 200) end();
      },
      onFailure: (kind) => {
        events.push(kind);
        end();
      },
    },
  );
  return { transaction, events, ended };
}

function answer(sent: string, status: number): string {
  const copied = ['Via', 'From', 'Call-ID', 'CSeq'].map((name) => `${name}: ${fieldOf(sent, name)}`);
  return [`SIP/2.0 ${status} X`, ...copied, `To: ${fieldOf(sent, 'To')};tag=p`, 'Content-Length: 0', '', ''].join('\r\n');
}

/** The next message of a method, copies of others passed over. */
async function next(method: string): Promise<string> {
  for (;;) {
    const message = await peer.inbox.next();
    if (message.startsWith(`${method} `)) return message;
  }
}

describe('RFC 3261 9.1: cancelling an INVITE', () => {
  it('the CANCEL has the Request-URI, branch, Route, From, To, Call-ID and CSeq number of the INVITE, and no body', async () => {
    const { transaction, events, ended } = invite();
    const sent = await next('INVITE');
    peer.send(answer(sent, 180));
    while (events.length === 0) await new Promise(setImmediate);
    transaction.cancel([['Reason', 'SIP;cause=200']]);
    transaction.cancel();
    const cancel = await next('CANCEL');
    expect(cancel.split('\r\n')[0]).toBe('CANCEL sip:b@example.com SIP/2.0');
    for (const name of ['Via', 'Route', 'From', 'To', 'Call-ID']) expect(fieldsOf(cancel, name)).toEqual(fieldsOf(sent, name));
    expect(fieldOf(cancel, 'CSeq')).toBe('7 CANCEL');
    expect(fieldOf(cancel, 'Reason')).toBe('SIP;cause=200');
    expect(fieldOf(cancel, 'Content-Length')).toBe('0');
    peer.send(answer(cancel, 200));
    peer.send(answer(sent, 487));
    expect(fieldOf(await next('ACK'), 'To')).toBe('<sip:b@example.com>;tag=p');
    await ended;
    expect(events).toEqual(['180', '487']);
    expect(peer.inbox.left).toBe(0);
  });

  it('waits for a provisional response', async () => {
    const { transaction, events, ended } = invite();
    const sent = await next('INVITE');
    transaction.cancel();
    await next('INVITE');
    peer.send(answer(sent, 100));
    const cancel = await next('CANCEL');
    peer.send(answer(cancel, 200));
    peer.send(answer(sent, 487));
    await ended;
    expect(events).toEqual(['100', '487']);
  });

  it('sends none after the final response, and delivers a 2xx that crossed it', async () => {
    const { transaction, events, ended } = invite();
    const sent = await next('INVITE');
    transaction.cancel();
    peer.send(answer(sent, 200));
    await ended;
    transaction.cancel();
    peer.send(answer(sent, 200));
    while (events.length < 2) await new Promise(setImmediate);
    expect(events).toEqual(['200', '200']);
    expect((await Promise.race([next('CANCEL'), new Promise<string>((resolve) => setTimeout(resolve, 100, 'none'))])) as string).toBe(
      'none',
    );
  });

  it('gives up 64 T1 after a CANCEL that leads to nothing', async () => {
    const { transaction, events, ended } = invite();
    const sent = await next('INVITE');
    peer.send(answer(sent, 180));
    while (events.length === 0) await new Promise(setImmediate);
    transaction.cancel();
    peer.send(answer(await next('CANCEL'), 200));
    await ended;
    expect(events).toEqual(['180', 'timeout']);
    expect(stack.transactions.counts.client).toBeLessThanOrEqual(1);
  });
});

describe('RFC 3261 17.2.1, 9.2: INVITE server transactions', () => {
  let received: ServerTransaction[] = [];
  beforeEach(() => {
    received = [];
    stack.transactions.onRequest = (transaction) => received.push(transaction);
  });

  it('sends 100 with the Timestamp by itself when nobody answers in 200 ms, and again for each copy', async () => {
    const sent = request({ method: 'INVITE', uri: 'sip:bob@example.com', fields: ['Timestamp: 54.1'] });
    const trying = await peer.ask(sent);
    expect(statusOf(trying)).toBe(100);
    expect(fieldOf(trying, 'Timestamp')).toBe('54.1 0.2');
    expect(fieldOf(trying, 'To')).toBe('<sip:alice@example.com>');
    expect(await peer.ask(sent)).toBe(trying);
    expect(received).toHaveLength(1);
  });

  it('sends none when somebody has', async () => {
    peer.send(request({ method: 'INVITE', uri: 'sip:bob@example.com' }));
    while (received.length === 0) await new Promise(setImmediate);
    const [transaction] = received;
    transaction?.respond(responseTo(transaction.request, 180));
    expect(statusOf(await peer.inbox.next())).toBe(180);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(peer.inbox.left).toBe(0);
  });

  it('9.2: a CANCEL finds the INVITE of its branch and sent-by, and no other', async () => {
    const sent = request({ method: 'INVITE', uri: 'sip:bob@example.com', branch: 'z9hG4bKtocancel' });
    peer.send(sent);
    peer.send(request({ method: 'CANCEL', uri: 'sip:bob@example.com', branch: 'z9hG4bKtocancel' }));
    peer.send(request({ method: 'CANCEL', uri: 'sip:bob@example.com', branch: 'z9hG4bKtocancel', sentBy: '127.0.0.2:9' }));
    peer.send(request({ method: 'CANCEL', uri: 'sip:bob@example.com', branch: 'z9hG4bKanother' }));
    while (received.length < 4) await new Promise(setImmediate);
    expect(received.slice(1).map(({ cancels }) => cancels)).toEqual([received[0], undefined, undefined]);
    expect(statusOf(await peer.inbox.next())).toBe(100);
  });

  it('RFC 6026 7.1: passes further 2xx on and the ACK up for 64 T1, over TCP too', async () => {
    const stream = await TcpPeer.open(stack.port);
    stream.send(request({ method: 'INVITE', uri: 'sip:bob@example.com', transport: 'TCP', branch: 'z9hG4bKaccepted' }));
    while (received.length === 0) await new Promise(setImmediate);
    const [transaction] = received;
    for (let i = 0; i < 2; i++) transaction?.respond(responseTo(transaction.request, 200, 'OK', 't'));
    expect(await stream.inbox.next()).toBe(await stream.inbox.next());
    stream.send(request({ method: 'ACK', uri: 'sip:bob@example.com', transport: 'TCP', branch: 'z9hG4bKaccepted' }));
    while (received.length < 2) await new Promise(setImmediate);
    expect(received[1]?.request.method).toBe('ACK');
    while (stack.transactions.counts.server > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    stream.close();
  });
});
