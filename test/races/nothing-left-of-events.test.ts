import { afterEach, beforeEach, expect, test } from 'vitest';
import { FarNotifier } from '../helpers/far-notifier.ts';
import { filter, filterSet, including, withFilters } from '../helpers/filters.ts';
import type { InProcessServer } from '../helpers/server.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import type { SubscribeOptions } from '../helpers/sip-peer-options.ts';
import type { Subscription } from '../helpers/sip-subscription.ts';
import type { XcapClient } from '../helpers/xcap-client.ts';
import { ASKED, entry, list, lists, putServices } from '../rfc4662/list-stage.ts';
import { watchResources } from '../rfc5875/diff-stage.ts';
import { pidf, rule, rulesDocument, rulesPath } from '../scenarios/documents.ts';
import { Stage } from '../scenarios/stage.ts';
import { heldBy, settled } from './held-counts.ts';

/**
 * Subscriptions and publications of all kinds that come and go leave nothing behind: after many of them every table of the server holds what it
 * held before. `ROUNDS=500` makes it many more than the suite has time for.
 */

const ROUNDS = Number(process.env.ROUNDS ?? 4);
const USERS = ['a', 'b', 'c'];
/** Timers F and J, with T1 at 50 ms, and what expires by itself. */
const LINGER_MS = 30_000;

const stage = new Stage();
let server: InProcessServer;
let far: FarNotifier;
let peers: readonly SipPeer[];
let xcaps: readonly XcapClient[];
beforeEach(async () => {
  far = await FarNotifier.open();
  const uri = `sip:127.0.0.1:${far.address.port};transport=udp`;
  const intervals = { listInterval: 0, winfoInterval: 0, diffInterval: 0, forcedInterval: 0, presenceInterval: 0 };
  const nextHops = [{ domain: 'far.test', uri }];
  server = await stage.boot({ ...intervals, defaultDecision: 'allow', ownWatcherinfo: 'allow', minExpires: 1, t1: 50, nextHops });
  peers = await Promise.all(USERS.map((user) => stage.peer(user)));
  xcaps = await Promise.all(USERS.map((user) => stage.xcap(user)));
});
afterEach(async () => {
  await stage.close();
  await far.close();
});

interface Pair {
  readonly watcher: SipPeer;
  readonly watched: SipPeer;
  /** The watcher's, and the watched user's. */
  readonly own: XcapClient;
  readonly other: XcapClient;
  readonly round: number;
}

const state = (peer: SipPeer, word: string) => pidf(peer.address, { basic: 'open', im: word });
const address = (name: string) => stage.address(name);

async function watch(peer: SipPeer, uri: string, options: SubscribeOptions): Promise<Subscription> {
  const subscription = await peer.subscribe(uri, { expires: 600, ...options });
  expect([uri, subscription.response.status]).toEqual([uri, 200]);
  await subscription.notify();
  return subscription;
}

async function end(subscription: Subscription): Promise<void> {
  expect((await subscription.unsubscribe()).status).toBe(200);
  await subscription.notify(({ state: told }) => told === 'terminated');
}

/** Publishes, changes and removes. */
async function publishing(peer: SipPeer, event: string, contentType: string, bodies: readonly string[]): Promise<void> {
  let etag: string | undefined;
  for (const body of [...bodies, undefined]) {
    const known = etag === undefined ? {} : { etag };
    const done = await peer.publish(body, { event, contentType, expires: body === undefined ? 0 : 600, ...known });
    expect([event, done.status]).toEqual([event, 200]);
    ({ etag } = done);
  }
}

const presence = (peer: SipPeer, round: number) =>
  publishing(peer, 'presence', 'application/pidf+xml', [state(peer, `x${round}`), state(peer, `y${round}`)]);

const conference = (peer: SipPeer, watcher: SipPeer, told: string) =>
  `<conference-info xmlns="urn:ietf:params:xml:ns:conference-info" entity="${peer.address}" version="1" state="${told}">${
    told === 'deleted' ? '' : `<users><user entity="${watcher.address}"/></users>`
  }</conference-info>`;

const WAYS: Readonly<Record<string, (pair: Pair) => Promise<void>>> = {
  async presence({ watcher, watched, round }) {
    const all = [
      await watch(watcher, watched.address, {}),
      await watch(watcher, watched.address, { accept: ['application/pidf-diff+xml', 'application/pidf+xml;q=0.1'] }),
      await watch(watcher, watched.address, { accept: ['application/cpim-pidf+xml'] }),
      await watch(watcher, watched.address, { event: 'presence;max-rate=50' }),
    ];
    await presence(watched, round);
    for (const one of all) await end(one);
  },
  async 'with filters'({ watcher, watched, round }) {
    const asked = (expression: string) => withFilters(filterSet(filter(including(expression))));
    const filtered = await watch(watcher, watched.address, asked('//pidf:basic'));
    await presence(watched, round);
    expect((await filtered.refresh(600, asked(`//pidf:tuple[@id="t${round}"]`))).status).toBe(200);
    await end(filtered);
  },
  async 'of lists'({ watcher, watched, own, round }) {
    const { user } = watcher.options;
    const uri = address(`${user}-list`);
    const members = (...names: string[]) => ({ [`${user}-list`]: { items: names.map((name) => entry(address(name))) } });
    await putServices(stage, user, members('a', 'b'));
    const listed = await watch(watcher, uri, ASKED);
    const filtered = await watch(watcher, uri, { ...ASKED, ...withFilters(filterSet(filter(including('//pidf:status')))) });
    await presence(watched, round);
    await putServices(stage, user, members('b', 'c'));
    await end(filtered);
    expect((await own.delete(`/rls-services/users/${user}/index`)).status).toBe(200);
    await listed.notify(({ state: told }) => told === 'terminated');
  },
  async 'of brought lists'({ watcher, watched, round }) {
    const bring = (...names: string[]) => ({
      headers: [['Require', 'recipient-list-subscribe'], ['Content-Type', 'application/resource-lists+xml']] as const, // biome-ignore format: one line
      body: lists(list('l', ...names.map((name) => entry(address(name))))),
    });
    const brought = await watch(watcher, 'sip:rls@example.com', { ...ASKED, ...bring('a', 'b') });
    await presence(watched, round);
    expect((await brought.refresh(600, bring('c'))).status).toBe(200);
    await end(brought);
  },
  async 'of members elsewhere'({ watcher, round }) {
    const { user } = watcher.options;
    const remote = `sip:r${round}@far.test`;
    await putServices(stage, user, { [`${user}-far`]: { items: [entry(remote)] } });
    const listed = await watch(watcher, address(`${user}-far`), ASKED);
    const asked = await far.subscribe();
    asked.answer(200);
    expect(await far.notify(asked, { state: 'active;expires=600', body: pidf(remote, { basic: 'open' }) })).toBe(200);
    await listed.notify();
    const left = far.subscribe();
    await end(listed);
    (await left).answer(200);
    expect(await far.notify(asked, { state: 'terminated;reason=timeout' })).toBe(200);
  },
  async 'of watchers'({ watcher, watched, round }) {
    const deeper = await watch(watched, watched.address, { event: 'presence.winfo.winfo', accept: ['application/watcherinfo+xml'] });
    const watchers = await watch(watched, watched.address, { event: 'presence.winfo' });
    const itself = await watch(watcher, watched.address, { event: 'presence.winfo' });
    const one = await watch(watcher, watched.address, {});
    await presence(watched, round);
    for (const each of [one, itself, watchers, deeper]) await end(each);
  },
  async 'that nobody decides about, and that are rejected'({ watcher, watched, other, round }) {
    const rules = (handling: 'confirm' | 'allow' | 'block') =>
      other.put(rulesPath(watched.options.user), rulesDocument(rule('r', handling, [watcher.address])));
    await rules('confirm');
    const pending = await watch(watcher, watched.address, {});
    await rules('allow');
    await pending.notify();
    await presence(watched, round);
    await rules('block');
    await pending.notify(({ state: told }) => told === 'terminated');
    await rules('allow');
  },
  async 'of documents'({ watcher, own, round }) {
    const { user } = watcher.options;
    const path = `resource-lists/users/${user}/d${round}`;
    const followed = await watchResources(watcher, 'xcap-patching', ['resource-lists/', `${path}/~~/resource-lists/list`], {
      expires: 600,
    });
    await followed.notify();
    for (const name of ['x', 'y']) expect([200, 201]).toContain((await own.put(`/${path}`, lists(list(name)))).status);
    expect((await own.delete(`/${path}`)).status).toBe(200);
    await end(followed);
  },
  async 'of conferences'({ watcher, watched }) {
    const type = 'application/conference-info+xml';
    const publish = (told: string, etag?: string) =>
      watched.publish(conference(watched, watcher, told), { event: 'conference', contentType: type, expires: 600, ...(etag && { etag }) });
    const { etag } = await publish('full');
    const followed = await watch(watcher, watched.address, { event: 'conference' });
    const next = await publish('full', etag);
    const last = await publish('deleted', next.etag);
    expect(last.status).toBe(200);
    // What has been said last is kept as long as its publisher wants it.
    expect((await watched.publish(undefined, { event: 'conference', expires: 0, etag: last.etag })).status).toBe(200);
    await followed.notify(({ state: told }) => told === 'terminated', 8000);
  },
  async 'of message summaries and telephone lines'({ watched }) {
    const summary = await watch(watched, watched.address, { event: 'message-summary' });
    const line = await watch(watched, watched.address, { event: 'dialog' });
    const bindings = await watch(watched, watched.address, { event: 'reg' });
    await publishing(watched, 'message-summary', 'application/simple-message-summary', [
      'Messages-Waiting: yes\r\n',
      'Messages-Waiting: no\r\n',
    ]);
    expect([(await watched.register()).status, (await watched.register({ expires: 0 })).status]).toEqual([200, 200]);
    for (const each of [summary, line, bindings]) await end(each);
  },
  async 'that expire, that nobody answers, and that end at once'({ watcher, watched }) {
    await watched.publish(state(watched, 'short'), { expires: 1 });
    await watch(watcher, watched.address, { expires: 1 });
    await watch(watcher, watched.address, { expires: 0 });
    const silent = await watcher.subscribe(watched.address, { expires: 600, answer: 'silent' });
    await silent.notify();
    const gone = await watcher.subscribe(watched.address, { expires: 600, answer: 481 });
    await gone.notify();
  },
};

test.each(Object.keys(WAYS))('subscriptions and publications %s leave nothing behind', { timeout: 60_000 + ROUNDS * 5000 }, async (way) => {
  const play = async (round: number): Promise<void> => {
    const [watcher, watched] = [peers[round % 2], peers[(round + 1) % 2]];
    const [own, other] = [xcaps[round % 2], xcaps[(round + 1) % 2]];
    if (watcher && watched && own && other) await WAYS[way]?.({ watcher, watched, own, other, round });
  };
  const before = await heldBy(server);
  for (let round = 0; round < ROUNDS; round++) await play(round);
  const during = await heldBy(server);
  expect(Object.keys(before).filter((kind) => (during[kind] ?? 0) > (before[kind] ?? 0))).not.toEqual([]);
  expect(await settled(server, before, LINGER_MS)).toEqual(before);
});
