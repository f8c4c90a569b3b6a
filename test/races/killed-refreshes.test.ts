import { afterEach, beforeEach, expect, test } from 'vitest';
import { within } from '../helpers/call-stage.ts';
import { type ServerProcess, startServerProcess } from '../helpers/server-process.ts';
import { header } from '../helpers/sip-message.ts';
import { SipPeer } from '../helpers/sip-peer.ts';
import type { Notification, Subscription } from '../helpers/sip-subscription.ts';
import { XcapClient } from '../helpers/xcap-client.ts';
import { rule, rulesDocument, rulesPath } from '../scenarios/documents.ts';

/** RFC 6665 4.2.1.2: what a refresh was granted holds also where the server is killed after it, and so does what it has changed. */

let server: ServerProcess;
let watcher: SipPeer;
beforeEach(async () => {
  server = await startServerProcess(['--auth', 'none', '--log', 'silent']);
  const { http, root, domain } = server;
  watcher = await SipPeer.create({ user: 'a', domain, transport: 'udp', server: server.sip });
  const xcap = new XcapClient({ host: http.address, port: http.port, root, user: 'b', password: '', auth: 'none' });
  await xcap.put(rulesPath('b'), rulesDocument(rule('a', 'allow', [`sip:a@${domain}`])));
}, 30_000);
afterEach(async () => {
  watcher.assertClean();
  await watcher.close();
  await server.stop();
});

/** What the watcher is told when the server has been killed after the NOTIFY of its refresh, and started again. */
async function toldAfterRestart(subscription: Subscription): Promise<Notification> {
  await subscription.notify();
  await within(100);
  await server.kill();
  subscription.serverRestarted();
  await server.start();
  return subscription.notify();
}

test('the time that a refresh has granted, refresh after refresh, with CSeq numbers that rise', { timeout: 60_000 }, async () => {
  const subscription = await watcher.subscribe(`sip:b@${server.domain}`, { expires: 60 });
  await subscription.notify();
  for (const expires of [600, 1200, 300]) {
    await subscription.refresh(expires);
    const told = await toldAfterRestart(subscription);
    expect(told.state).toBe('active');
    expect(told.expires).toBeGreaterThan(expires - 30);
    expect(told.expires).toBeLessThanOrEqual(expires);
  }
});

test('what a refresh asks for otherwise (RFC 6446 4), also where the next one asks for the same', { timeout: 60_000 }, async () => {
  const subscription = await watcher.subscribe(`sip:b@${server.domain}`, { expires: 600 });
  await subscription.notify();
  for (const event of ['presence;max-rate=0.5', 'presence;max-rate=0.5', 'presence', 'presence']) {
    await subscription.refresh(700, { event });
    const told = await toldAfterRestart(subscription);
    expect(told.expires).toBeGreaterThan(650);
    expect(header(told.message, 'subscription-state')?.includes('max-rate')).toBe(event !== 'presence');
  }
  expect((await subscription.refresh(0)).status).toBe(200);
  expect((await subscription.notify()).state).toBe('terminated');
});
