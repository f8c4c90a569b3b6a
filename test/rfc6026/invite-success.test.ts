import { afterAll, beforeAll, expect, it } from 'vitest';
import { createResponse } from '../../sip/core/respond.ts';
import { fieldOf, request, statusOf, UdpPeer } from '../rfc3261/peer.ts';
import { type Stack, startStack } from '../rfc3261/stack.ts';

let stack: Stack;
let peer: UdpPeer;

beforeAll(async () => {
  stack = await startStack({ transaction: { t1: 5 } });
  peer = await UdpPeer.open(stack.port);
});
afterAll(async () => {
  peer.close();
  await stack.close();
});

it('RFC 6026 7.1: an accepted INVITE swallows its copies, lets further 2xx out and its ACK in, until Timer L', async () => {
  const seen: string[] = [];
  let sendAgain = (): void => {};
  stack.transactions.onRequest = (transaction) => {
    seen.push(transaction.request.method);
    if (transaction.request.method === 'INVITE')
      sendAgain = () => transaction.respond(createResponse(transaction.request, 200, { toTag: 'callee' }));
    if (transaction.request.method === 'INVITE') sendAgain();
    else stack.router.route(transaction);
  };
  const invite = request({ method: 'INVITE', uri: 'sip:bob@example.com' });
  const first = await peer.ask(invite);
  expect(statusOf(first)).toBe(200);
  peer.send(invite);
  expect(statusOf(await peer.ask(request()))).toBe(200);
  sendAgain();
  expect(await peer.inbox.next()).toBe(first);
  peer.send(
    invite
      .replace(/^INVITE/, 'ACK')
      .replace('1 INVITE', '1 ACK')
      .replace(/^To:.*$/m, `To: ${fieldOf(first, 'To')}`),
  );
  await expect.poll(() => seen).toEqual(['INVITE', 'OPTIONS', 'ACK']);
  expect(peer.inbox.left).toBe(0);
  expect(stack.transactions.counts.server).toBe(1);
  await expect.poll(() => stack.transactions.counts.server).toBe(0);
});
