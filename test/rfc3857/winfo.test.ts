import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { InProcessServer } from '../helpers/server.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import type { Subscription } from '../helpers/sip-subscription.ts';
import { token } from '../helpers/token.ts';
import { type ReadWatcherinfo, readWatcherinfo } from '../helpers/watcherinfo-reader.ts';
import { rulesPath } from '../scenarios/documents.ts';
import { Stage } from '../scenarios/stage.ts';
import { watchWatchers, writeRules } from '../scenarios/steps.ts';

const WINFO = 'presence.winfo';
const stage = new Stage();
let server: InProcessServer;
let alice: SipPeer;
let bob: SipPeer;
let carol: SipPeer;
beforeEach(async () => {
  server = await stage.boot({ ownWatcherinfo: 'allow' });
  [alice, bob, carol] = [await stage.peer('alice'), await stage.peer('bob'), await stage.peer('carol')];
});
afterEach(() => stage.close());

const read = async (subscription: Subscription): Promise<ReadWatcherinfo> => readWatcherinfo((await subscription.notify()).body);
const told = async (subscription: Subscription): Promise<string[]> =>
  (await read(subscription)).watchers.map(({ uri, status, event }) => `${uri.replace(/^sip:|@.*$/g, '')} ${status} ${event}`);

describe('RFC 3857 4.7.1: the states of a watcher', () => {
  it('no policy, then approval, then rejection', async () => {
    const { subscription: watchers, state } = await watchWatchers(stage, bob);
    expect([state.state, state.version, state.watchers]).toEqual(['full', 0, []]);
    await alice.subscribe(bob.address, { expires: 600 });
    expect(await told(watchers)).toEqual(['alice pending subscribe']);
    await writeRules(stage, 'bob', 'allow', ['alice']);
    expect(await told(watchers)).toEqual(['alice active approved']);
    await writeRules(stage, 'bob', 'block', ['alice']);
    expect(await told(watchers)).toEqual(['alice terminated rejected']);
  });

  it('a policy that is there already', async () => {
    await writeRules(stage, 'bob', 'allow', ['alice']);
    const { subscription: watchers } = await watchWatchers(stage, bob);
    const subscription = await alice.subscribe(bob.address, { expires: 600 });
    expect(await told(watchers)).toEqual(['alice active subscribe']);
    await subscription.notify();
    await subscription.unsubscribe();
    expect(await told(watchers)).toEqual(['alice terminated timeout']);
  });

  it('pending, then its time is over: it waits, and a new subscription of the same watcher makes it give up', async () => {
    const { subscription: watchers } = await watchWatchers(stage, bob);
    await alice.subscribe(bob.address, { expires: 1 });
    expect(await told(watchers)).toEqual(['alice pending subscribe']);
    expect(await told(watchers)).toEqual(['alice waiting timeout']);
    // Who asks later finds it, as long as it waits.
    await watchers.refresh(600);
    expect(await told(watchers)).toEqual(['alice waiting timeout']);
    await alice.subscribe(bob.address, { expires: 600 });
    expect(await told(watchers)).toEqual(['alice terminated giveup', 'alice pending subscribe']);
  });

  it.each([
    ['allow', 'approved'],
    ['block', 'rejected'],
  ] as const)('waiting, then a decision to %s', async (handling, event) => {
    const { subscription: watchers } = await watchWatchers(stage, bob);
    await alice.subscribe(bob.address, { expires: 0 });
    expect(await told(watchers)).toEqual(['alice waiting timeout']);
    await writeRules(stage, 'bob', handling, ['alice']);
    expect(await told(watchers)).toEqual([`alice terminated ${event}`]);
  });

  it('the server stops: deactivated', async () => {
    server = await stage.boot({ deactivateOnStop: 5 });
    [alice, bob] = [await stage.peer('alice'), await stage.peer('bob')];
    await writeRules(stage, 'bob', 'allow', ['alice']);
    const subscription = await alice.subscribe(bob.address, { expires: 600 });
    await subscription.notify();
    await server.running.stop();
    expect((await subscription.notify()).reason).toBe('deactivated');
  });

  it('the user is gone: noresource', async () => {
    await writeRules(stage, 'bob', 'allow', ['alice']);
    const subscription = await alice.subscribe(bob.address, { expires: 600 });
    await subscription.notify();
    server.running.accounts.remove(bob.address);
    expect((await subscription.notify()).reason).toBe('noresource');
  });
});

describe('RFC 3858 4: what a document tells', () => {
  it('versions rise by one, the first is full and the next partial, a refresh is full again', async () => {
    const { subscription: watchers } = await watchWatchers(stage, bob);
    await alice.subscribe(bob.address, { expires: 600 });
    const one = await read(watchers);
    await carol.subscribe(bob.address, { expires: 600 });
    const two = await read(watchers);
    await watchers.refresh(600);
    const three = await read(watchers);
    expect([one, two, three].map(({ version, state, watchers: { length } }) => [version, state, length])).toEqual([
      [1, 'partial', 1],
      [2, 'partial', 1],
      [3, 'full', 2],
    ]);
    // A watcher keeps its id.
    expect(three.watchers.map(({ id }) => id)).toEqual([one.watchers[0]?.id, two.watchers[0]?.id]);
  });

  it('the display name, how long it has been there and how long it lasts, refreshes counted', async () => {
    await writeRules(stage, 'bob', 'allow', ['alice']);
    const terms = { uri: bob.address, callId: token(), localTag: token(4), expires: 100 };
    const subscription = alice.expectSubscription(terms);
    const subscribe = (expires: number, cseq: () => number, to?: string) =>
      alice.request({
        method: 'SUBSCRIBE',
        uri: bob.address,
        ...(to === undefined ? {} : { to }),
        from: `"Alice \\"A\\" <&>" <${alice.address}>;tag=${terms.localTag}`,
        callId: terms.callId,
        cseq,
        headers: [
          ['Event', 'presence'],
          ['Expires', String(expires)],
          ['Contact', `<${alice.contact}>`],
        ],
      });
    let cseq = 0;
    expect(subscription.respond(await subscribe(100, () => ++cseq))).toEqual([]);
    await subscription.notify();
    const { subscription: watchers, state } = await watchWatchers(stage, bob);
    expect(state.watchers[0]).toMatchObject({ displayName: 'Alice "A" <&>', durationSubscribed: 0 });
    expect(state.watchers[0]?.expiration).toBeGreaterThan(90);
    expect(state.watchers[0]?.expiration).toBeLessThanOrEqual(100);
    const refreshed = await subscribe(5000, () => ++cseq, `<${bob.address}>;tag=${subscription.remoteTag}`);
    expect(subscription.respond(refreshed)).toEqual([]);
    await subscription.notify();
    await watchers.refresh(600);
    expect((await read(watchers)).watchers[0]?.expiration).toBeGreaterThan(4900);
  });
});

describe('RFC 3857 4.6: who is told', () => {
  it('a watcher of itself alone, if it may watch', async () => {
    const dave = await stage.peer('dave');
    const eve = await stage.peer('eve');
    const xcap = await stage.xcap('bob');
    const put = (rules: [string, string[]][]) =>
      xcap.put(
        rulesPath('bob'),
        `<cr:ruleset xmlns="urn:ietf:params:xml:ns:pres-rules" xmlns:cr="urn:ietf:params:xml:ns:common-policy">${rules
          .map(
            ([handling, users]) =>
              `<cr:rule id="${handling}"><cr:conditions><cr:identity>${users
                .map((user) => `<cr:one id="${stage.address(user)}"/>`)
                .join('')}</cr:identity></cr:conditions><cr:actions><sub-handling>${handling}</sub-handling></cr:actions></cr:rule>`,
          )
          .join('')}</cr:ruleset>`,
      );
    await put([
      ['allow', ['alice']],
      ['polite-block', ['dave']],
      ['block', ['eve']],
    ]);
    for (const watcher of [alice, carol, dave]) await (await watcher.subscribe(bob.address, { expires: 600 })).notify();
    // Somebody whom a rule lets in, and somebody politely blocked, are told the same.
    for (const [watcher, name] of [
      [alice, 'alice'],
      [dave, 'dave'],
    ] as const) {
      const own = await watcher.subscribe(bob.address, { event: WINFO, expires: 600 });
      expect(await told(own)).toEqual([`${name} active subscribe`]);
    }
    expect((await eve.subscribe(bob.address, { event: WINFO })).response.status).toBe(403);
    const waiting = await carol.subscribe(bob.address, { event: WINFO, expires: 600 });
    expect(await waiting.notify()).toMatchObject({ state: 'pending', body: '' });
    await put([['allow', ['alice', 'carol']], ['polite-block', ['dave']]]); // biome-ignore format: one line
    expect(await told(waiting)).toEqual(['carol active approved']);
    await put([['allow', ['alice']], ['block', ['carol']]]); // biome-ignore format: one line
    expect(await waiting.notify()).toMatchObject({ state: 'terminated', reason: 'rejected', body: '' });
    expect((await alice.subscribe(stage.address('nobody'), { event: WINFO })).response.status).toBe(404);
  });

  it('the user of those who ask so, and nobody else of these (winfo.winfo); no template goes deeper', async () => {
    await writeRules(stage, 'bob', 'allow', ['alice']);
    const twice = await bob.subscribe(bob.address, { event: `${WINFO}.winfo`, accept: ['application/watcherinfo+xml'], expires: 600 });
    const first = await read(twice);
    expect([first.state, first.package, first.watchers]).toEqual(['full', WINFO, []]);
    await (await alice.subscribe(bob.address, { event: WINFO, expires: 600 })).notify();
    expect(await told(twice)).toEqual(['alice active subscribe']);
    expect((await alice.subscribe(bob.address, { event: `${WINFO}.winfo` })).response.status).toBe(403);
    expect((await bob.subscribe(bob.address, { event: `${WINFO}.winfo.winfo` })).response.status).toBe(489);
  });
});
