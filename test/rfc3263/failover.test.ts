import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Headers } from '../../sip/message/headers.ts';
import { SipRequest, type SipResponse } from '../../sip/message/message.ts';
import { NameServer } from '../helpers/name-server.ts';
import { fieldOf, UdpPeer } from '../rfc3261/peer.ts';
import { type Stack, startStack } from '../rfc3261/stack.ts';

let dns: NameServer;
let stack: Stack;
let first: UdpPeer;
let second: UdpPeer;
let domains = 0;
let domain = '';

beforeEach(async () => {
  dns = await NameServer.open();
  stack = await startStack({ names: { servers: [dns.address] }, transaction: { t1: 10, t2: 20, t4: 20 } });
  first = await UdpPeer.open(stack.port);
  second = await UdpPeer.open(stack.port);
  domain = `d${++domains}.example`;
  dns.a(`s.${domain}`, '127.0.0.1');
  dns.srv(`_sip._udp.${domain}`, 1, 0, first.port, `s.${domain}`);
  dns.srv(`_sip._udp.${domain}`, 2, 0, second.port, `s.${domain}`);
});
afterEach(async () => {
  expect(stack.failures).toEqual([]);
  first.close();
  second.close();
  dns.close();
  await stack.close();
});

function message(method = 'MESSAGE'): SipRequest {
  const headers = new Headers();
  for (const [name, value] of [['From', '<sip:alice@example.com>;tag=1'], ['To', `<sip:bob@${domain}>`], ['Call-ID', 'over@here'], ['CSeq', `1 ${method}`], ['Max-Forwards', '70']] as const) headers.add(name, value); // biome-ignore format: a table
  return new SipRequest(method, `sip:bob@${domain};transport=udp`, headers);
}

function send(request: SipRequest): Promise<string> {
  return new Promise((resolve) => {
    stack.uac.send(request, {}, { onResponse: ({ status }: SipResponse) => resolve(String(status)), onFailure: resolve });
  });
}

function answer(sent: string, status: number, fields: string[] = []): string {
  const copied = ['Via', 'From', 'Call-ID', 'CSeq'].map((name) => `${name}: ${fieldOf(sent, name)}`);
  return [`SIP/2.0 ${status} X`, ...copied, `To: ${fieldOf(sent, 'To')};tag=p`, ...fields, 'Content-Length: 0', '', ''].join('\r\n');
}

const branch = (sent: string): string | undefined => /branch=([^;]+)/.exec(fieldOf(sent, 'Via') ?? '')?.[1];

/** With timers this short a request comes again before a busy machine has answered it. */
const taken = new Set<string>();
const identity = (sent: string): string => `${sent.split(' ', 1)[0]} ${branch(sent)}`;

/** The next request that is no copy. */
async function next(peer: UdpPeer): Promise<string> {
  for (;;) {
    const sent = await peer.inbox.next();
    if (taken.has(identity(sent))) continue;
    taken.add(identity(sent));
    return sent;
  }
}

/** The requests that nobody has taken, without copies of those taken. */
async function left(peer: UdpPeer): Promise<string[]> {
  const requests: string[] = [];
  while (peer.inbox.left > 0) requests.push(await peer.inbox.next());
  return requests.filter((sent) => !taken.has(identity(sent)));
}

describe('RFC 3263 4.3: failure', () => {
  it('503: the same request with another branch goes to the next server, whose answer counts', async () => {
    const done = send(message());
    const one = await next(first);
    first.send(answer(one, 503, ['Retry-After: 1000']));
    const other = await next(second);
    expect(branch(other)).not.toBe(branch(one));
    expect(other.replace(branch(other) ?? '', '')).toBe(one.replace(branch(one) ?? '', ''));
    second.send(answer(other, 200));
    expect(await done).toBe('200');
  });

  it('a server that failed comes last for a while', async () => {
    const done = send(message());
    first.send(answer(await next(first), 503));
    second.send(answer(await next(second), 404));
    expect(await done).toBe('404');
    const again = send(message());
    second.send(answer(await next(second), 200));
    expect(await again).toBe('200');
    expect(await left(first)).toEqual([]);
  });

  it('no answer within Timer F: the next server', async () => {
    const done = send(message());
    second.send(answer(await next(second), 200));
    expect(await done).toBe('200');
    expect(first.inbox.left).toBeGreaterThan(3);
  });

  it('other answers are no reason to ask elsewhere', async () => {
    for (const status of [404, 480, 486, 500, 600]) {
      const done = send(message());
      first.send(answer(await next(first), status));
      expect(await done).toBe(String(status));
    }
    expect(await left(second)).toEqual([]);
  });

  it('when all fail, the last failure is reported, once', async () => {
    const done = send(message());
    first.send(answer(await next(first), 503));
    second.send(answer(await next(second), 503));
    expect(await done).toBe('503');
    const silent = send(message());
    expect(await silent).toBe('timeout');
  });

  it('a refused connection: the next transport that the domain offers', async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    const refused: number = await new Promise((resolve) =>
      closed.once('listening', () => {
        const address = closed.address();
        closed.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
      }),
    );
    const other = `tcp.${domain}`;
    dns.naptr(other, 1, 1, 's', 'SIP+D2T', `_sip._tcp.${other}`);
    dns.naptr(other, 2, 1, 's', 'SIP+D2U', `_sip._udp.${domain}`);
    dns.srv(`_sip._tcp.${other}`, 1, 0, refused, `s.${domain}`);
    const request = message();
    request.uri = `sip:bob@${other}`;
    const done = send(request);
    const came = await next(first);
    expect(fieldOf(came, 'Via')).toMatch(/^SIP\/2\.0\/UDP /);
    first.send(answer(came, 200));
    expect(await done).toBe('200');
  });

  it('an INVITE is not sent elsewhere once it is cancelled, and its 503 is acknowledged', async () => {
    const statuses: string[] = [];
    const done = new Promise<void>((resolve) => {
      void Promise.resolve(stack.locator.locate(`sip:bob@${domain};transport=udp`)).then((destinations) => {
        const transaction = stack.transactions.send(message('INVITE'), destinations, {
          onResponse: ({ status }) => {
            statuses.push(String(status));
            if (status === 180) transaction.cancel();
            if (status >= 200) resolve();
          },
          onFailure: (kind) => {
            statuses.push(kind);
            resolve();
          },
        });
      });
    });
    const invite = await next(first);
    first.send(answer(invite, 180));
    const cancel = await next(first);
    expect(cancel).toMatch(/^CANCEL /);
    first.send(answer(cancel, 200));
    first.send(answer(invite, 503));
    expect(await next(first)).toMatch(/^ACK /);
    await done;
    expect(statuses).toEqual(['180', '503']);
    expect(await left(second)).toEqual([]);
  });
});
