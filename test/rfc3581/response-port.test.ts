import { afterAll, beforeAll, expect, it } from 'vitest';
import { fieldOf, request, statusOf, UdpPeer } from '../rfc3261/peer.ts';
import { type Stack, startStack } from '../rfc3261/stack.ts';

let stack: Stack;
let peer: UdpPeer;
let other: UdpPeer;

beforeAll(async () => {
  stack = await startStack();
  peer = await UdpPeer.open(stack.port);
  other = await UdpPeer.open(stack.port);
});
afterAll(async () => {
  peer.close();
  other.close();
  await stack.close();
});

it('RFC 3581 4: with rport the response goes to the source port, which it names with the source address', async () => {
  const response = await peer.ask(request({ sentBy: '192.0.2.7:7000', via: ';rport;x=1', branch: 'z9hG4bKa' }));
  expect(statusOf(response)).toBe(200);
  expect(fieldOf(response, 'Via')).toBe(`SIP/2.0/UDP 192.0.2.7:7000;branch=z9hG4bKa;rport=${peer.port};x=1;received=127.0.0.1`);
});

it('RFC 3581 4: received is there with rport even where sent-by is right', async () => {
  const response = await peer.ask(request({ sentBy: `127.0.0.1:${peer.port}`, branch: 'z9hG4bKb' }));
  expect(fieldOf(response, 'Via')).toBe(`SIP/2.0/UDP 127.0.0.1:${peer.port};branch=z9hG4bKb;rport=${peer.port};received=127.0.0.1`);
});

it('RFC 3261 18.2.2: without rport the response goes to the port of sent-by at the source address', async () => {
  peer.send(request({ sentBy: `192.0.2.7:${other.port}`, via: '', branch: 'z9hG4bKc' }));
  expect(fieldOf(await other.inbox.next(), 'Via')).toBe(`SIP/2.0/UDP 192.0.2.7:${other.port};branch=z9hG4bKc;received=127.0.0.1`);
  expect(peer.inbox.left).toBe(0);
});

it('RFC 3261 18.2.1: no received where sent-by is the source address', async () => {
  const response = await peer.ask(request({ sentBy: `127.0.0.1:${peer.port}`, via: '', branch: 'z9hG4bKd' }));
  expect(fieldOf(response, 'Via')).toBe(`SIP/2.0/UDP 127.0.0.1:${peer.port};branch=z9hG4bKd`);
});

it('takes nobody at his word about where he is, and aims no response at a third party', async () => {
  const response = await peer.ask(
    request({ sentBy: `127.0.0.1:${peer.port}`, via: ';received=192.0.2.99;maddr=192.0.2.98', branch: 'z9hG4bKe' }),
  );
  expect(fieldOf(response, 'Via')).toBe(`SIP/2.0/UDP 127.0.0.1:${peer.port};branch=z9hG4bKe;maddr=192.0.2.98`);
});

it('stamps the first of several Via values in one field', async () => {
  const response = await peer.ask(
    request({ sentBy: '192.0.2.7', via: ';rport , SIP/2.0/TCP far.example.net;branch=z9hG4bKy', branch: 'z9hG4bKf' }),
  );
  expect(fieldOf(response, 'Via')).toBe(
    `SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKf;rport=${peer.port};received=127.0.0.1, SIP/2.0/TCP far.example.net;branch=z9hG4bKy`,
  );
});

it('RFC 3261 18.2.2: a bad request is answered along the same way', async () => {
  const response = await peer.ask(request({ sentBy: '192.0.2.7:7000' }).replace('Max-Forwards: 70', 'no colon'));
  expect(statusOf(response)).toBe(400);
  expect(fieldOf(response, 'Via')).toContain(`rport=${peer.port}`);
});
