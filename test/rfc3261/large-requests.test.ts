import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { Headers } from '../../sip/message/headers.ts';
import { SipRequest, type SipResponse } from '../../sip/message/message.ts';
import { bindToBoth } from '../helpers/udp-port.ts';
import { fieldOf, type UdpPeer } from './peer.ts';
import { type Stack, type StackOptions, Stacks } from './stack.ts';

const cleanups = new Stacks();
afterEach(() => cleanups.close());
const start = (options?: StackOptions): Promise<Stack> => cleanups.start(options);
const datagrams = (stack: Stack): Promise<UdpPeer> => cleanups.peerOf(stack);

/** A listener at a port, and what came over its connections. */
async function streams(port: number, onData: (text: string, socket: Socket) => void): Promise<{ server: Server; accepted: () => number }> {
  let count = 0;
  const server = createServer((socket) => {
    count++;
    cleanups.push(() => {
      socket.destroy();
    });
    socket.on('error', () => {});
    socket.on('data', (bytes) => onData(bytes.toString('latin1'), socket));
  }).listen(port, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => {
    server.close();
  });
  return { server, accepted: () => count };
}

/** A request of exactly so many bytes on the wire, whose Via is written over UDP with our port. */
function request(stack: Stack, port: number, size: number): SipRequest {
  const headers = new Headers();
  for (const [name, value] of [['From', '<sip:a@example.com>;tag=1'], ['To', '<sip:b@example.com>'], ['Call-ID', 'large@here'], ['CSeq', '1 INFO'], ['Max-Forwards', '70']] as const) headers.add(name, value); // biome-ignore format: a table
  const made = new SipRequest('INFO', `sip:b@127.0.0.1:${port}`, headers);
  const via = `Via: SIP/2.0/UDP 127.0.0.1:${stack.port};branch=z9hG4bK${'x'.repeat(20)};rport\r\n`;
  const head = made.toBuffer().length + via.length;
  // The number in Content-Length takes three more digits.
  made.body = Buffer.alloc(Math.max(0, size - head - 3), 'x');
  return made;
}

function send(stack: Stack, sent: SipRequest): Promise<string> {
  return new Promise((resolve) => {
    stack.uac.send(sent, {}, { onResponse: ({ status }: SipResponse) => resolve(String(status)), onFailure: resolve });
  });
}

function answer(sent: string): string {
  const copied = ['Via', 'From', 'Call-ID', 'CSeq'].map((name) => `${name}: ${fieldOf(sent, name)}`);
  return ['SIP/2.0 200 OK', ...copied, `To: ${fieldOf(sent, 'To')};tag=p`, 'Content-Length: 0', '', ''].join('\r\n');
}

describe('RFC 3261 18.1.1: requests near the MTU', () => {
  it('one of 1300 bytes goes over UDP, one of 1301 over TCP with its Via changed', async () => {
    const stack = await start();
    const peer = await datagrams(stack);
    const overTcp: string[] = [];
    await streams(peer.port, (text, socket) => {
      overTcp.push(text);
      socket.write(answer(text));
    });
    const small = send(stack, request(stack, peer.port, 1300));
    const came = await peer.inbox.next();
    expect(came).toHaveLength(1300);
    peer.send(answer(came));
    expect(await small).toBe('200');
    expect(overTcp).toEqual([]);
    expect(await send(stack, request(stack, peer.port, 1301))).toBe('200');
    expect(fieldOf(overTcp[0] ?? '', 'Via')).toMatch(/^SIP\/2\.0\/TCP 127\.0\.0\.1:\d+;branch=z9hG4bK[0-9a-f]{20}$/);
    expect(peer.inbox.left).toBe(0);
  });

  it('goes over UDP where the connection is refused, and is not tried again for each request', async () => {
    const stack = await start();
    const peer = await datagrams(stack);
    for (let i = 0; i < 3; i++) {
      const done = send(stack, request(stack, peer.port, 3000));
      const came = await peer.inbox.next();
      expect(came).toHaveLength(3000);
      expect(fieldOf(came, 'Via')).toMatch(/^SIP\/2\.0\/UDP .*;rport$/);
      expect(came.match(/^Via:/gm)).toHaveLength(1);
      peer.send(answer(came));
      expect(await done).toBe('200');
      if (i === 0) {
        // Had a second connection been tried, this would have taken it.
        const { accepted } = await streams(peer.port, () => {});
        cleanups.push(() => expect(accepted()).toBe(0));
      }
    }
  });

  it('many at once share one attempt, and all arrive over UDP', async () => {
    const stack = await start();
    const peer = await datagrams(stack);
    const all = Array.from({ length: 20 }, () => send(stack, request(stack, peer.port, 2000)));
    for (let i = 0; i < 20; i++) peer.send(answer(await peer.inbox.next()));
    expect(new Set(await Promise.all(all))).toEqual(new Set(['200']));
  });

  it('a connection that was open and is lost is a failure, not a reason for UDP', async () => {
    const stack = await start();
    const peer = await datagrams(stack);
    await streams(peer.port, (_, socket) => socket.destroy());
    expect(await send(stack, request(stack, peer.port, 2000))).toBe('transport');
    expect(peer.inbox.left).toBe(0);
  });

  it('goes over UDP after all where a connection is taken and nothing is ever said', async () => {
    const stack = await start({ transaction: { t1: 5, t2: 20, t4: 20 } });
    const peer = await datagrams(stack);
    let heard = '';
    await streams(peer.port, (text) => {
      heard += text;
    });
    for (let i = 0; i < 2; i++) {
      const done = send(stack, request(stack, peer.port, 2000));
      peer.send(answer(await peer.inbox.next()));
      expect(await done).toBe('200');
    }
    expect(heard.match(/^INFO /gm)).toHaveLength(1);
  });

  it('never goes over TCP where the limit is the largest, unless no datagram holds it', async () => {
    const stack = await start({ transaction: { udpLimit: 65_535 } });
    const socket = createSocket('udp4');
    await bindToBoth(socket, '127.0.0.1');
    cleanups.push(() => {
      socket.close();
    });
    const { port } = socket.address();
    socket.on('message', (bytes) => socket.send(answer(bytes.toString('latin1')), stack.port, '127.0.0.1'));
    const overTcp: string[] = [];
    await streams(port, (text, connection) => {
      if (text.startsWith('INFO')) connection.write(answer(text));
      overTcp.push(text);
    });
    expect(await send(stack, request(stack, port, 9000))).toBe('200');
    expect(overTcp).toEqual([]);
    expect(await send(stack, request(stack, port, 70_000))).toBe('200');
    expect(overTcp.length).toBeGreaterThan(0);
  });
});
