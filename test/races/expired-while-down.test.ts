import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Config, resolveConfig } from '../../server/config.ts';
import { createLogger } from '../../server/logger.ts';
import { type RunningRollcall, startRollcall } from '../../server/server.ts';
import { SqliteStateStore } from '../../server/storage/sqlite/state.ts';
import { SipPeer } from '../helpers/sip-peer.ts';
import { readWatcherinfo } from '../helpers/watcherinfo-reader.ts';
import { RawWatcher } from './raw-watcher.ts';

let data: string;
let running: RunningRollcall | undefined;
beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'rollcall-test-'));
});
afterEach(async () => {
  await running?.stop();
  await rm(data, { recursive: true, force: true });
});

async function start(settings: Partial<Config> = {}): Promise<{ address: string; port: number }> {
  const [before] = running?.sip ?? [];
  running = await startRollcall(
    resolveConfig({
      domains: ['example.com'],
      http: [{ host: '127.0.0.1', port: 0 }],
      sip: [{ host: '127.0.0.1', port: before?.port ?? 0 }],
      dataDirectory: data,
      auth: 'none',
      minExpires: 1,
      logLevel: 'silent',
      ...settings,
    }),
  );
  const [sip] = running.sip;
  if (!sip) throw new Error('no listener');
  return sip;
}

const BOB = 'sip:bob@example.com';

it('RFC 6665 4.2.2: who expired while the server was down is told so once, and a pending watcher waits from then on', async () => {
  const sip = await start();
  const alice = await RawWatcher.open(sip);
  await alice.subscribe('alice', BOB, { Expires: '1' });
  await alice.until(() => alice.notifications.length === 1);
  expect(alice.notifications[0]).toContain('Subscription-State: pending;expires=1');
  await running?.stop();
  await new Promise((resolve) => setTimeout(resolve, 1100));
  await start();
  await alice.until(() => alice.notifications.length === 2);
  const last = alice.notifications[1] ?? '';
  expect(last).toContain('Subscription-State: terminated;reason=timeout');
  const cseq = (text: string | undefined): number => Number(/CSeq: (\d+)/.exec(text ?? '')?.[1]);
  expect(cseq(last)).toBeGreaterThan(cseq(alice.notifications[0]));
  const bob = await SipPeer.create({ user: 'bob', domain: 'example.com', server: sip, transport: 'udp' });
  const winfo = await bob.subscribe(BOB, { event: 'presence.winfo', accept: ['application/watcherinfo+xml'], expires: 0 });
  expect(readWatcherinfo((await winfo.notify()).body).watchers).toMatchObject([
    { uri: 'sip:alice@example.com', status: 'waiting', event: 'timeout' },
  ]);
  await bob.close();
  await running?.stop();
  await start();
  expect(alice.notifications).toHaveLength(2);
  alice.close();
});

it('records of packages that are gone and rules that changed while it was down do not keep it from starting', async () => {
  const state = new SqliteStateStore(join(data, 'state.db'), createLogger('silent'));
  state.table('subscriptions').put('x', { package: 'gone', resource: BOB, watcher: BOB });
  state.close();
  const sip = await start({ defaultDecision: 'allow' });
  const alice = await RawWatcher.open(sip);
  await alice.subscribe('alice', BOB);
  await alice.until(() => alice.notifications.length === 1);
  expect(alice.notifications[0]).toContain('<basic>closed</basic>');
  await running?.stop();
  await start({ defaultDecision: 'block' });
  await alice.until(() => alice.notifications.length === 2);
  expect(alice.notifications[1]).toContain('Subscription-State: terminated;reason=rejected');
  expect(alice.notifications[1]).toMatch(/Content-Length: 0\r\n\r\n$/);
  alice.close();
});
