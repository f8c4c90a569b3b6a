import { afterEach, expect, it } from 'vitest';
import { type InProcessServer, startServer } from '../helpers/server.ts';
import { SipPeer } from '../helpers/sip-peer.ts';
import { RawWatcher } from './raw-watcher.ts';

const BOB = 'sip:bob@example.com';
let server: InProcessServer;
const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
  await server.stop();
});

const field = (text: string, name: string): string => new RegExp(`^${name}: (.*)$`, 'im').exec(text)?.[1]?.trim() ?? '';

it('RFC 3261 12.2.2, RFC 3581: a refresh from a new address moves the NOTIFYs there', async () => {
  server = await startServer({ auth: 'none', defaultDecision: 'allow' });
  const before = await RawWatcher.open(server.sip);
  const after = await RawWatcher.open(server.sip);
  open.push(before, after);
  const nat = { Contact: '<sip:alice@127.0.0.9:5999>', 'Call-ID': 'nat', From: '<sip:alice@example.com>;tag=1' };
  await before.subscribe('alice', BOB, { ...nat, Via: 'SIP/2.0/UDP 127.0.0.9:5999;branch=z9hG4bKnat1;rport' });
  await before.until(() => before.notifications.length === 1 && before.responses.length === 1);
  const to = field(before.responses[0] ?? '', 'To');
  await after.subscribe('alice', BOB, { ...nat, Via: 'SIP/2.0/UDP 127.0.0.9:5999;branch=z9hG4bKnat2;rport', To: to, CSeq: '2 SUBSCRIBE' });
  await after.until(() => after.responses.length === 1);
  expect(after.responses[0]).toMatch(/^SIP\/2\.0 200/);
  await after.until(() => after.notifications.length === 1, 700);
});

it('a watcher that moved from TCP to UDP is told over UDP', async () => {
  server = await startServer({ auth: 'none', defaultDecision: 'allow' });
  const tcp = await SipPeer.create({ user: 'alice', domain: server.domain, server: server.sip, transport: 'tcp' });
  const udp = await RawWatcher.open(server.sip);
  open.push(tcp, udp);
  const s = await tcp.subscribe(BOB, { expires: 600 });
  await s.notify();
  await udp.subscribe('alice', BOB, {
    To: `<${BOB}>;tag=${s.remoteTag}`,
    From: `<${tcp.address}>;tag=${s.terms.localTag}`,
    'Call-ID': s.terms.callId,
    CSeq: '50 SUBSCRIBE',
  });
  await udp.until(() => udp.responses.length === 1);
  expect(udp.responses[0]).toMatch(/^SIP\/2\.0 200/);
  await udp.until(() => udp.notifications.length === 1, 700);
});
