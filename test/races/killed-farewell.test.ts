import { afterEach, beforeEach, expect, test } from 'vitest';
import { generator } from '../fuzz/random.ts';
import { within } from '../helpers/call-stage.ts';
import { FAIR, LossyRelay } from '../helpers/lossy-relay.ts';
import { type ServerProcess, startServerProcess } from '../helpers/server-process.ts';
import { SipPeer } from '../helpers/sip-peer.ts';
import { XcapClient } from '../helpers/xcap-client.ts';
import { rule, rulesDocument, rulesPath } from '../scenarios/documents.ts';

/** RFC 6665 4.2.2: a watcher whose subscription the notifier ends is told so, also by a server that is killed before it could be. */

let server: ServerProcess;
beforeEach(async () => {
  server = await startServerProcess(['--auth', 'none', '--log', 'info', '--udp-limit', '65000']);
}, 30_000);
afterEach(() => server.stop());

test('a rejection that got lost before a kill is told after it, and once answered never again', { timeout: 60_000 }, async () => {
  const { http, root, domain } = server;
  const relay = await LossyRelay.open(server.sip, generator(1));
  const watcher = await SipPeer.create({ user: 'a', domain, transport: 'udp', server: relay.near });
  const owner = await SipPeer.create({ user: 'b', domain, transport: 'udp', server: server.sip });
  const xcap = new XcapClient({ host: http.address, port: http.port, root, user: 'b', password: '', auth: 'none' });
  const rules = (handling: 'allow' | 'block') =>
    xcap.put(rulesPath('b'), rulesDocument(rule('a', handling, [`sip:a@${domain}`]), rule('b', 'allow', [`sip:b@${domain}`])));
  await rules('allow');
  const uri = `sip:b@${domain}`;
  const subscription = await watcher.subscribe(uri, { expires: 600, contact: `sip:a@127.0.0.1:${relay.far.port}`, serverAt: server.sip });
  expect((await subscription.notify()).state).toBe('active');

  // Its answer is through, too: the next NOTIFY does not wait for that.
  await within(200);
  relay.weather = { lost: 100, doubled: 0, delay: 0 };
  await rules('block');
  await expect.poll(() => relay.lost > 0 && server.output.includes('"to":"terminated"'), { timeout: 5000 }).toBe(true);
  // What is written together with the NOTIFY is on the disk.
  await within(200);
  await server.kill();
  relay.weather = FAIR;
  subscription.serverRestarted();
  await server.start();
  const last = await subscription.notify();
  expect([last.state, last.reason, last.body]).toEqual(['terminated', 'rejected', '']);

  await rules('allow');
  await within(200);
  const own = await owner.subscribe(uri, { expires: 600 });
  await own.notify();
  await server.kill();
  for (const each of [subscription, own]) each.serverRestarted();
  await server.start();
  await own.notify();
  expect((await (await owner.subscribe(uri, { expires: 0 })).notify()).state).toBe('terminated');
  expect(subscription.notifications).toHaveLength(2);
  for (const peer of [watcher, owner]) {
    peer.assertClean();
    await peer.close();
  }
  relay.close();
});

test('RFC 3261 12.2.1.1: of an end that is told by three lives of the server each has a CSeq above the last', {
  timeout: 60_000,
}, async () => {
  const { http, root, domain } = server;
  const watcher = await SipPeer.create({ user: 'a', domain, transport: 'udp', server: server.sip });
  const xcap = new XcapClient({ host: http.address, port: http.port, root, user: 'b', password: '', auth: 'none' });
  const rules = (handling: 'allow' | 'block') => xcap.put(rulesPath('b'), rulesDocument(rule('a', handling, [`sip:a@${domain}`])));
  await rules('allow');
  const subscription = await watcher.subscribe(`sip:b@${domain}`, { expires: 600 });
  const first = await subscription.notify();
  // Its answer is through.
  await within(200);
  subscription.answer = 'silent';
  await rules('block');
  // Killed as soon as each is there, which is then never answered.
  const cseqs = [first.cseq];
  for (let life = 0; life < 3; life++) {
    const last = await subscription.notify();
    await server.kill();
    expect([last.state, last.reason]).toEqual(['terminated', 'rejected']);
    cseqs.push(last.cseq);
    subscription.serverRestarted();
    await server.start();
  }
  subscription.answer = 200;
  cseqs.push((await subscription.notify()).cseq);
  // The peer holds each NOTIFY against the one before; this is the same in plain sight.
  expect(cseqs).toEqual([...new Set(cseqs)].toSorted((a, b) => a - b));
  expect(cseqs).toHaveLength(5);
  watcher.assertClean();
  await watcher.close();
});
