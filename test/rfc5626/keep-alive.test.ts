import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAuthority } from '../helpers/certificates.ts';
import { fieldOf, request, TcpPeer, UdpPeer } from '../rfc3261/peer.ts';
import { type Stack, startStack } from '../rfc3261/stack.ts';

/** RFC 5626 8 (STUN over UDP) and 4.4.1 (CRLF over streams), RFC 6223 4.4 (`keep`). */

const authority = createAuthority('Test authority');
const own = authority.issue('us', ['IP:127.0.0.1']);
const stacks: Stack[] = [];
let four: Stack;
let six: Stack;
beforeAll(async () => {
  const transport = { tls: { pair: { cert: own.cert, key: own.key }, add() {}, remove() {} } };
  [four, six] = await Promise.all([startStack({ transport }), startStack({ host: '::1' })]);
  stacks.push(four, six);
});
afterAll(async () => {
  for (const stack of stacks) await stack.close();
  authority.remove();
});

const COOKIE = '2112a442';
const TRANSACTION = 'b7e7a701bc34d686fa87dfae';
const hex = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ''), 'hex');
/** RFC 5389 6: a Binding request with these attributes. */
const binding = (attributes = ''): Buffer =>
  hex(`0001${hex(attributes).length.toString(16).padStart(4, '0')}${COOKIE}${TRANSACTION}${attributes}`);

/** Sends datagrams and then one that is surely answered; gives the answers. */
async function answers(socket: Socket, port: number, host: string, ...datagrams: Buffer[]): Promise<Buffer[]> {
  const got: Buffer[] = [];
  const last = new Promise<void>((resolve) => {
    socket.on('message', (bytes: Buffer) => {
      if (bytes.includes('SIP/2.0')) resolve();
      else got.push(bytes);
    });
  });
  for (const datagram of datagrams) socket.send(datagram, port, host);
  socket.send(request(), port, host);
  await last;
  return got;
}

describe.each([
  ['udp4', '127.0.0.1', () => four],
  ['udp6', '::1', () => six],
] as const)('RFC 5626 8: STUN by %s', (type, host, stack) => {
  // biome-ignore format: one line
  it('answers a Binding request with the address that it came from', async () => {
    const socket = createSocket(type).bind(0, host);
    await once(socket, 'listening');
    const { port } = socket.address();
    const [answer, ...more] = await answers(socket, stack().port, host, binding());
    socket.close();
    const address = type === 'udp4' ? '7f000001' : '00000000000000000000000000000001';
    const mask = hex(COOKIE + TRANSACTION);
    const masked = hex(address).map((byte, index) => byte ^ (mask[index] ?? 0));
    const value = `00${type === 'udp4' ? '01' : '02'}${(port ^ 0x2112).toString(16).padStart(4, '0')}${Buffer.from(masked).toString('hex')}`;
    const body = `0020${(value.length / 2).toString(16).padStart(4, '0')}${value}`;
    expect(answer?.toString('hex')).toBe(`0101${(body.length / 2).toString(16).padStart(4, '0')}${COOKIE}${TRANSACTION}${body}`);
    expect(more).toEqual([]);
  });
});

describe('RFC 5389 7.3', () => {
  it('answers 420 to attributes that would have to be understood, and passes over others', async () => {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const [error, good] = await answers(
      socket,
      four.port,
      '127.0.0.1',
      binding('7abc000100000000 0024000400000000'),
      binding('8022000374657300'),
    );
    socket.close();
    expect(error?.readUInt16BE(0)).toBe(0x0111);
    expect(error?.toString('hex')).toContain(
      `0009${'0015'}00000414${Buffer.from('Unknown Attribute').toString('hex')}000000000a00047abc0024`,
    );
    expect(good?.readUInt16BE(0)).toBe(0x0101);
  });

  it.each([
    ['a response', hex(`01010000${COOKIE}${TRANSACTION}`)],
    ['another cookie', hex(`00010000${'00000000'}${TRANSACTION}`)],
    ['a length that is not its own', hex(`00010008${COOKIE}${TRANSACTION}`)],
    ['an attribute that goes beyond the end', binding('80220009 74657300')],
    ['half a header', hex('0001000021')],
    ['a keep-alive of nothing but line ends', Buffer.from('\r\n\r\n')],
  ])('is silent to %s', async (_, datagram) => {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    expect(await answers(socket, four.port, '127.0.0.1', datagram)).toEqual([]);
    socket.close();
  });
});

describe('RFC 5626 4.4.1', () => {
  it('answers a ping within TLS', async () => {
    const { port } = await four.transport.listen('TLS', '127.0.0.1', 0);
    const socket = connect({ host: '127.0.0.1', port, ca: authority.pem, servername: '' });
    await once(socket, 'secureConnect');
    socket.write('\r\n\r\n');
    expect(String((await once(socket, 'data'))[0])).toBe('\r\n');
    socket.destroy();
  });

  it('RFC 5626 4.4: a connection that was told to keep alive and does not is closed, one that does is not', async () => {
    const [silent, lively] = [await TcpPeer.open(four.port), await TcpPeer.open(four.port)];
    const ids: string[] = [];
    const route = four.transactions.onRequest;
    four.transactions.onRequest = (transaction) => {
      transaction.flow.expectKeepAlives(0.4);
      ids.push(transaction.flow.id);
      route?.(transaction);
    };
    await silent.ask(request({ transport: 'TCP' }));
    await lively.ask(request({ transport: 'TCP' }));
    four.transactions.onRequest = route;
    const pings = setInterval(() => lively.send('\r\n\r\n'), 50);
    await silent.closed;
    expect(ids.map((id) => four.transport.flow(id)?.closed)).toEqual([undefined, false]);
    clearInterval(pings);
    lively.close();
  });
});

describe('RFC 6223 4.4: keep in Via', () => {
  const subscribe = { method: 'SUBSCRIBE', fields: ['Event: presence', 'Contact: <sip:alice@127.0.0.1:9>'] };

  it.each([
    ['REGISTER', { method: 'REGISTER', fields: ['Contact: <sip:alice@127.0.0.1:9>'] }],
    ['a request that begins a dialog', subscribe],
  ])('gets a value in the answer to %s, by UDP and by TCP', async (_, parts) => {
    const udp = await UdpPeer.open(four.port);
    expect(fieldOf(await udp.ask(request({ ...parts, via: ';rport;keep' })), 'Via')).toMatch(/;keep=29(;|$)/);
    udp.close();
    const tcp = await TcpPeer.open(four.port);
    expect(fieldOf(await tcp.ask(request({ ...parts, transport: 'TCP', via: ';keep' })), 'Via')).toMatch(/;keep=120(;|$)/);
    tcp.close();
  });

  it.each([
    ['within a dialog, where it was agreed on already', { ...subscribe, to: '<sip:alice@example.com>;tag=x' }],
    ['where neither registration nor dialog begins', { method: 'OPTIONS' }],
  ])('gets none %s', async (_, parts) => {
    const udp = await UdpPeer.open(four.port);
    expect(fieldOf(await udp.ask(request({ ...parts, via: ';rport;keep' })), 'Via')).toMatch(/;keep(;|$)/);
    udp.close();
  });

  it('is not offered where it was not asked for', async () => {
    const udp = await UdpPeer.open(four.port);
    expect(fieldOf(await udp.ask(request({ method: 'REGISTER' })), 'Via')).not.toContain('keep');
    udp.close();
  });
});
