/** RFC 6665 4.1.3 and RFC 3857 4.7.1: why a subscription ends that its watcher has not ended, as both sides are told. */
import { afterEach, describe, expect, it } from 'vitest';
import { startServer } from '../helpers/server.ts';
import { startServerProcess } from '../helpers/server-process.ts';
import { SipPeer } from '../helpers/sip-peer.ts';
import type { Subscription } from '../helpers/sip-subscription.ts';
import { readWatcherinfo } from '../helpers/watcherinfo-reader.ts';
import { XcapClient } from '../helpers/xcap-client.ts';
import { Stage } from '../scenarios/stage.ts';
import { watchersNamed, watchWatchers, writeRules } from '../scenarios/steps.ts';

const stage = new Stage();
const closing: (() => unknown)[] = [];
afterEach(async () => {
  await stage.close();
  for (const close of closing.splice(0).reverse()) await close();
});

/** What the watcherinfo of the next notifications says of the user, as soon as it says so of a terminated one. */
async function endOf(watchers: Subscription, user: string): Promise<unknown> {
  for (;;) {
    const [end] = watchersNamed(stage, readWatcherinfo((await watchers.notify()).body), user).filter(
      ({ status }) => status === 'terminated',
    );
    if (end) return end.event;
  }
}

function admin(): XcapClient {
  const { http } = stage.server;
  return new XcapClient({ host: http.address, port: http.port, root: '/admin', user: 'boss', password: 'secret of boss', auth: 'digest' });
}

describe('RFC 3857 4.7.1: giveup', () => {
  it('ends a subscription that nobody has decided about in time, refreshed or not, and says when to come back', {
    timeout: 30_000,
  }, async () => {
    await stage.boot({ undecidedTime: 4 });
    const alice = await stage.peer('alice');
    const bob = await stage.peer('bob');
    const { subscription: watchers } = await watchWatchers(stage, bob);
    const watching = await alice.subscribe(bob.address, { expires: 600 });
    expect(await watching.notify()).toMatchObject({ state: 'pending' });
    await watching.refresh(600);
    expect(await watching.notify()).toMatchObject({ state: 'pending' });
    expect(await watching.notify(undefined, 9000)).toMatchObject({ state: 'terminated', reason: 'giveup', retryAfter: 4, body: '' });
    expect(await endOf(watchers, 'alice')).toBe('giveup');
    expect((await watching.refresh(600)).status).toBe(481);
    // It may come back, and is asked about again.
    expect(await (await alice.subscribe(bob.address, { expires: 600 })).notify()).toMatchObject({ state: 'pending' });
  });

  it('does not come to what has been decided, and counts from when a decision was taken back', { timeout: 30_000 }, async () => {
    await stage.boot({ undecidedTime: 4 });
    const alice = await stage.peer('alice');
    const bob = await stage.peer('bob');
    const watching = await alice.subscribe(bob.address, { expires: 600 });
    expect(await watching.notify()).toMatchObject({ state: 'pending' });
    await writeRules(stage, 'bob', 'allow', ['alice']);
    expect(await watching.notify()).toMatchObject({ state: 'active' });
    await new Promise((resolve) => setTimeout(resolve, 4500));
    expect(watching.unread).toBe(0);
    await writeRules(stage, 'bob', 'confirm', ['alice']);
    expect(await watching.notify()).toMatchObject({ state: 'pending' });
    // Not at once, though it began long ago: a refresh finds it alive.
    expect((await watching.refresh(600)).status).toBe(200);
    expect(await watching.notify()).toMatchObject({ state: 'pending' });
    expect(await watching.notify(undefined, 9000)).toMatchObject({ state: 'terminated', reason: 'giveup' });
  });

  it('comes to those who wait after their subscription', async () => {
    await stage.boot({ undecidedTime: 2 });
    const alice = await stage.peer('alice');
    const bob = await stage.peer('bob');
    const { subscription: watchers } = await watchWatchers(stage, bob);
    const fetch = await alice.subscribe(bob.address, { expires: 0 });
    expect(await fetch.notify()).toMatchObject({ state: 'terminated', reason: 'timeout', body: '' });
    expect(watchersNamed(stage, readWatcherinfo((await watchers.notify()).body), 'alice')).toEqual([
      { status: 'waiting', event: 'timeout' },
    ]);
    expect(await endOf(watchers, 'alice')).toBe('giveup');
  });

  it('comes at its time when the server was down meanwhile', { timeout: 40_000 }, async () => {
    const server = await startServerProcess(['--undecided-time', '4']);
    await stage.use(server);
    const alice = await stage.peer('alice');
    const bob = await stage.peer('bob');
    const watching = await alice.subscribe(bob.address, { expires: 600 });
    expect(await watching.notify()).toMatchObject({ state: 'pending' });
    const began = Date.now();
    await server.kill();
    watching.serverRestarted();
    await server.start();
    const end = await watching.notify(({ state }) => state === 'terminated', 8000);
    expect(end).toMatchObject({ reason: 'giveup', retryAfter: 4, body: '' });
    // Never early, whenever it came up again.
    expect(Date.now() - began).toBeGreaterThan(3500);
  });

  it('comes to the oldest of a watcher who has a thousand others', { timeout: 60_000 }, async () => {
    const server = await startServer({ auth: 'none' });
    closing.push(() => server.stop());
    const alice = await SipPeer.create({ user: 'alice', domain: server.domain, server: server.sip, transport: 'tcp' });
    closing.push(() => alice.close());
    const oldest = await alice.subscribe('sip:user-0@example.com', { expires: 3600 });
    expect(await oldest.notify()).toMatchObject({ state: 'pending' });
    for (let i = 1; i < 1000; i++) await alice.subscribe(`sip:user-${i}@example.com`, { expires: 3600 });
    expect(oldest.terminated).toBe(false);
    const last = await alice.subscribe('sip:user-1000@example.com', { expires: 3600 });
    expect(await oldest.notify()).toMatchObject({ state: 'terminated', reason: 'giveup' });
    expect(await last.notify()).toMatchObject({ state: 'pending' });
    expect(alice.subscriptions.filter(({ terminated }) => terminated)).toHaveLength(1);
  });
});

describe('RFC 6665 4.1.3: reasons that an admin gives', () => {
  it.each([
    ['deactivated', undefined],
    ['probation', 600],
    ['rejected', undefined],
  ] as const)('%s', async (reason, retryAfter) => {
    await stage.boot();
    await stage.admin('boss');
    const alice = await stage.peer('alice');
    const bob = await stage.peer('bob');
    await writeRules(stage, 'bob', 'allow', ['alice']);
    const { subscription: watchers } = await watchWatchers(stage, bob);
    const own = await bob.subscribe(bob.address, { expires: 600 });
    expect(await own.notify()).toMatchObject({ state: 'active' });
    const watching = await alice.subscribe(bob.address, { expires: 600 });
    expect(await watching.notify()).toMatchObject({ state: 'active' });
    const { status, body } = await admin().delete(`/subscriptions?watcher=alice&presentity=bob&reason=${reason}`);
    expect([status, JSON.parse(body)]).toEqual([200, { ended: 1 }]);
    const end = await watching.notify();
    expect(end).toMatchObject({ state: 'terminated', reason, body: '' });
    expect(end.retryAfter).toBe(retryAfter);
    expect(await endOf(watchers, 'alice')).toBe(reason);
    expect((await watching.refresh(600)).status).toBe(481);
    // Nobody's rules have changed.
    expect(await (await alice.subscribe(bob.address, { expires: 600 })).notify()).toMatchObject({ state: 'active' });
    expect(own.terminated).toBe(false);
  });

  it('giveup: of what is pending alone', async () => {
    await stage.boot();
    await stage.admin('boss');
    const [alice, bob, carol] = [await stage.peer('alice'), await stage.peer('bob'), await stage.peer('carol')];
    await writeRules(stage, 'bob', 'allow', ['carol']);
    const { subscription: watchers } = await watchWatchers(stage, bob);
    const pending = await alice.subscribe(bob.address, { expires: 600 });
    const active = await carol.subscribe(bob.address, { expires: 600 });
    expect([(await pending.notify()).state, (await active.notify()).state]).toEqual(['pending', 'active']);
    const { body } = await admin().delete('/subscriptions?presentity=bob&package=presence&reason=giveup&retry-after=7200');
    expect(JSON.parse(body)).toEqual({ ended: 1 });
    expect(await pending.notify()).toMatchObject({ state: 'terminated', reason: 'giveup', retryAfter: 7200 });
    expect(await endOf(watchers, 'alice')).toBe('giveup');
    expect(active.terminated).toBe(false);
  });

  it('what is asked wrongly is told so', async () => {
    await stage.boot();
    await stage.admin('boss');
    const statusOf = async (query: string): Promise<number> => (await admin().delete(`/subscriptions${query}`)).status;
    expect(await statusOf('')).toBe(400);
    expect(await statusOf('?watcher=')).toBe(400);
    expect(await statusOf('?all=yes&reason=timeout')).toBe(400);
    expect(await statusOf('?all=yes&reason=toString')).toBe(400);
    expect(await statusOf('?all=yes&reason=rejected&retry-after=5')).toBe(400);
    expect(await statusOf('?all=yes&reason=probation&retry-after=-1')).toBe(400);
    expect(await statusOf('?all=yes&reason=probation&retry-after=99999999999')).toBe(400);
    expect(await statusOf('?watcher=nobody')).toBe(404);
    expect(await statusOf('?watcher=sip:nobody@elsewhere.example')).toBe(200);
    expect(await statusOf('?all=yes')).toBe(200);
  });
});
