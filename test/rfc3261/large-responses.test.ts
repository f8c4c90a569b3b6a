import { afterAll, beforeAll, expect, it } from 'vitest';
import { fieldOf, request, statusOf, TcpPeer, UdpPeer } from './peer.ts';
import { type Stack, startStack } from './stack.ts';

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
  stack.router.handle('REGISTER', (context) =>
    context.respond(200, { headers: [['X-Long', 'x'.repeat(Number(context.request.headers.get('X-Size')))]] }),
  );
});
afterAll(async () => {
  expect(stack.failures).toEqual([]);
  await stack.close();
});

const asking = (transport: string, size: number): string =>
  request({ method: 'REGISTER', transport, fields: [`X-Size: ${size}`], to: '<sip:alice@example.com>' });

it('RFC 3261 18.2.2: responses go by the transport of their request, also large ones', async () => {
  const peer = await UdpPeer.open(stack.port);
  const response = await peer.ask(asking('UDP', 20_000));
  expect([statusOf(response), fieldOf(response, 'X-Long')?.length]).toEqual([200, 20_000]);
  peer.close();
});

it('RFC 3261 21.5.7: 513 in place of one that no datagram holds, and over TCP the response itself', async () => {
  const peer = await UdpPeer.open(stack.port);
  const sent = asking('UDP', 70_000);
  const response = await peer.ask(sent);
  expect(statusOf(response)).toBe(513);
  expect(fieldOf(response, 'To')).toMatch(/;tag=/);
  expect(await peer.ask(sent)).toBe(response);
  peer.close();
  const stream = await TcpPeer.open(stack.port);
  expect(statusOf(await stream.ask(asking('TCP', 70_000)))).toBe(200);
  stream.close();
});
