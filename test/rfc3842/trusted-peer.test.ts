import { afterEach, expect, it } from 'vitest';
import { readMessageSummary } from '../helpers/message-summary-reader.ts';
import { request, statusOf, UdpPeer } from '../rfc3261/peer.ts';
import { Stage } from '../scenarios/stage.ts';

const GATEWAY = '127.0.0.2';
const stage = new Stage();
const peers: UdpPeer[] = [];
afterEach(async () => {
  for (const peer of peers.splice(0)) peer.close();
  await stage.close();
});

it('RFC 3842: a messaging system at an address that the admin trusts publishes for every user, but no presence and no dialogs', async () => {
  const server = await stage.boot({ sipTrustedPeers: [`${GATEWAY}/32`] });
  const alice = await stage.peer('alice');
  const watched = await alice.subscribe(alice.address, { event: 'message-summary', expires: 600 });
  await watched.notify();
  const voicemail = await UdpPeer.open(server.sip.port, '127.0.0.1', GATEWAY);
  const stranger = await UdpPeer.open(server.sip.port);
  peers.push(voicemail, stranger);
  const publish = (peer: UdpPeer, event: string, type: string, body: string) =>
    peer.ask(
      request({
        method: 'PUBLISH',
        uri: alice.address,
        from: '<sip:voicemail@example.org>;tag=v1',
        to: `<${alice.address}>`,
        fields: [
          'P-Asserted-Identity: <sip:voicemail@example.org>',
          `Event: ${event}`,
          'Expires: 600',
          `Content-Type: ${type}`,
          `Content-Length: ${Buffer.byteLength(body)}`,
        ],
        body,
      }),
    );
  const summary = 'Messages-Waiting: yes\r\nVoice-Message: 1/0\r\n';
  expect(statusOf(await publish(stranger, 'message-summary', 'application/simple-message-summary', summary))).toBe(401);
  expect(statusOf(await publish(voicemail, 'message-summary', 'application/simple-message-summary', summary))).toBe(200);
  expect(readMessageSummary((await watched.notify()).body).lines).toEqual({ 'Voice-Message': '1/0' });
  const presence = `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="${alice.address}"/>`;
  expect(statusOf(await publish(voicemail, 'presence', 'application/pidf+xml', presence))).toBe(403);
  const dialogs = `<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="0" state="full" entity="${alice.address}"/>`;
  expect(statusOf(await publish(voicemail, 'dialog', 'application/dialog-info+xml', dialogs))).toBe(403);
});
