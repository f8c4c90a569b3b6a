import { afterEach, describe, expect, test } from 'vitest';
import { DigestClient } from '../helpers/digest-client.ts';
import { readPidf } from '../helpers/pidf-reader.ts';
import { readListState } from '../helpers/rlmi-reader.ts';
import { startServerProcess } from '../helpers/server-process.ts';
import { header } from '../helpers/sip-message.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import { readWatcherinfo } from '../helpers/watcherinfo-reader.ts';
import { pidf, rule, ruleSelector, rulesDocument, rulesPath } from './documents.ts';
import { Stage } from './stage.ts';
import { basics, expectPresence, instanceOf, watchersNamed, watchList, watchWatchers, writeBuddyList, writeRules } from './steps.ts';

/** The server is a process of its own here, and dies by SIGKILL. */
const stage = new Stage();
afterEach(() => stage.close());

function everySubscription(...peers: readonly SipPeer[]): void {
  for (const peer of peers) for (const subscription of peer.subscriptions) subscription.serverRestarted();
}

describe('after kill -9 and a restart on the same data', () => {
  test('watchers hear again in the same dialogs, and everything goes on', { timeout: 40_000 }, async () => {
    const server = await startServerProcess();
    await stage.use(server);
    const a = await stage.peer('A');
    const b = await stage.peer('B', { transport: 'tcp' });
    const d = await stage.peer('D');
    await writeRules(stage, 'B', 'allow', ['A']);
    const service = await writeBuddyList(stage, 'A', ['B', 'C']);
    expect((await a.register({ expires: 900 })).status).toBe(200);
    const { etag } = await b.publish(pidf(b.address, { basic: 'open', im: 'online' }), { expires: 900 });
    const direct = await a.subscribe(b.address, { expires: 900 });
    const first = await direct.notify();
    const { subscription: list, state: listed } = await watchList(stage, a, service);
    const pending = await d.subscribe(b.address, { expires: 900 });
    expect((await pending.notify()).state).toBe('pending');
    const { subscription: watchers, state: seen } = await watchWatchers(stage, b);
    expect(watchersNamed(stage, seen, 'D')).toEqual([{ status: 'pending', event: 'subscribe' }]);

    await server.kill();
    everySubscription(a, b, d);
    await server.start();

    const again = await direct.notify();
    expect(again.cseq).toBeGreaterThan(first.cseq);
    expect(basics(expectPresence(stage, again, 'B'))).toBe('open');
    const list2 = readListState(await list.notify());
    expect(list2.version).toBeGreaterThan(listed.version);
    expect([list2.fullState, basics(instanceOf(stage, list2, 'B').pidf)]).toEqual([true, 'open']);
    expect(instanceOf(stage, list2, 'B').id).toBe(instanceOf(stage, listed, 'B').id);
    const info = readWatcherinfo((await watchers.notify()).body);
    expect(info.version).toBeGreaterThan(seen.version);
    expect([info.state, watchersNamed(stage, info, 'D')]).toEqual(['full', [{ status: 'pending', event: 'subscribe' }]]);
    // RFC 3858 4: full state is of all watchers, those of the lists among them, and each has kept its id.
    const ids = (of: typeof info): string[] => of.watchers.map(({ id }) => id).sort();
    expect(ids(info)).toEqual(ids(seen));
    const waiting = await pending.notify();
    expect([waiting.state, waiting.body]).toEqual(['pending', '']);

    // The entity-tag of before is the one of now.
    const modified = await b.publish(pidf(b.address, { basic: 'open', im: 'busy' }), { etag, expires: 900 });
    expect(modified.status).toBe(200);
    expect(readPidf((await direct.notify()).body).tuples[0]?.status[0]?.text).toBe('busy');
    const listed3 = readListState(await list.notify());
    expect([listed3.version, listed3.fullState]).toEqual([list2.version + 1, false]);

    const query = await a.request({ method: 'REGISTER', uri: 'sip:example.com', to: `<${a.address}>` });
    expect([query.status, header(query, 'contact')]).toEqual([200, expect.stringContaining(a.contact)]);

    const xcap = await stage.xcap('B');
    expect((await xcap.put(ruleSelector('B', 'd'), rule('d', 'allow', [d.address]))).status).toBe(201);
    expect(basics(expectPresence(stage, await pending.notify(), 'B'))).toBe('open');
    const approved = await watchers.notify(({ body }) => body.includes(d.address));
    expect(watchersNamed(stage, readWatcherinfo(approved.body), 'D')).toEqual([{ status: 'active', event: 'approved' }]);

    expect((await direct.refresh(600)).status).toBe(200);
    expect((await direct.notify()).state).toBe('active');
    expect((await direct.unsubscribe()).status).toBe(200);
    expect((await direct.notify()).reason).toBe('timeout');
  });

  test('nothing that was answered is lost, however soon the server dies', { timeout: 40_000 }, async () => {
    const server = await startServerProcess(['--default-decision', 'allow']);
    await stage.use(server);
    const a = await stage.peer('A');
    const b = await stage.peer('B');
    const xcap = await stage.xcap('B');
    await stage.user('C');
    // The three answers come in together, and the process is gone before it can do anything more.
    const work = Promise.all([
      a.subscribe(b.address, { expires: 900 }),
      b.publish(pidf(b.address, { basic: 'open' }), { expires: 900 }),
      xcap.put(rulesPath('B'), rulesDocument(rule('c', 'block', [stage.address('C')]))),
    ]);
    const [subscription, published, stored] = await work;
    await server.kill();
    expect([subscription.response.status, published.status, stored.status]).toEqual([200, 200, 201]);
    everySubscription(a);
    const before = subscription.notifications.length;
    while (subscription.unread > 0) await subscription.notify();
    await server.start();

    expect(basics(expectPresence(stage, await subscription.notify(), 'B'))).toBe('open');
    expect(subscription.notifications.length).toBe(before + 1);
    expect((await b.publish(undefined, { etag: published.etag, expires: 900 })).status).toBe(200);
    expect((await xcap.get(rulesPath('B'))).body).toContain('id="c"');
  });

  test('a subscription that ended before is not heard of again', { timeout: 40_000 }, async () => {
    const server = await startServerProcess(['--default-decision', 'allow']);
    await stage.use(server);
    const a = await stage.peer('A');
    const b = await stage.peer('B');
    const ended = await a.subscribe(b.address, { expires: 900 });
    await ended.notify();
    await ended.unsubscribe();
    await ended.notify();
    const kept = await a.subscribe(b.address, { expires: 900 });
    await kept.notify();
    await server.kill();
    everySubscription(a);
    await server.start();
    await kept.notify();
    await b.publish(pidf(b.address, { basic: 'open' }), { expires: 900 });
    expect(basics(expectPresence(stage, await kept.notify(), 'B'))).toBe('open');
    expect(ended.notifications).toHaveLength(2);
  });

  test('credentials of before are stale, used or not, since their counts are not known any more', { timeout: 40_000 }, async () => {
    const server = await startServerProcess();
    await stage.use(server);
    await server.addUser('digby', 'secret');
    const path = `${server.root}/resource-lists/users/digby/index`;
    const get = (authorization = '') =>
      fetch(`http://${server.http.address}:${server.http.port}${path}`, { headers: authorization ? { authorization } : {} });
    const challenges = (response: Response) => (response.headers.get('www-authenticate') ?? '').split(/, (?=Digest|Basic)/);
    const client = new DigestClient('digby', 'secret');

    expect(client.accept(challenges(await get()))).toBe(true);
    const [used, unused] = [client.authorize('GET', path), client.authorize('GET', path)];
    expect((await get(used)).status).toBe(404);
    await server.kill();
    await server.start();
    for (const authorization of [used, unused]) {
      const refused = await get(authorization);
      expect([refused.status, client.accept(challenges(refused)), client.challenge?.stale]).toEqual([401, true, true]);
    }
    expect((await get(client.authorize('GET', path))).status).toBe(404);
  });
});
