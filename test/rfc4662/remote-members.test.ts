import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FarNotifier, type FarSubscribe } from '../helpers/far-notifier.ts';
import { Federation } from '../helpers/federation.ts';
import { filter, filterSet, including, withFilters } from '../helpers/filters.ts';
import { header } from '../helpers/sip-message.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import { pidf, rule, rulesDocument, rulesPath } from '../scenarios/documents.ts';
import { Stage } from '../scenarios/stage.ts';
import { type FarStage, openFarStage } from './far-stage.ts';
import { ASKED, entry, ListWatcher, list, lists, putServices } from './list-stage.ts';

describe('members of another domain (RFC 4662 4)', () => {
  test.each(['tls', 'domains', 'peers'] as const)(
    'two servers that know each other by %s: states, rules and their changes come across',
    async (trust) => {
      const federation = await Federation.open(trust, { listRemoteMembers: 'all', listInterval: 0 });
      try {
        const { a, b } = federation;
        const watcher = await a.peer('alice', { transport: 'tcp' });
        const bob = await b.peer('bob', { transport: 'tcp' });
        await b.peer('carol');
        const rules = await b.xcap('bob');
        await rules.put(rulesPath('bob'), rulesDocument(rule('a', 'allow', [watcher.address])));
        await (await b.xcap('carol')).put(rulesPath('carol'), rulesDocument(rule('a', 'block', [watcher.address])));
        const { etag } = await bob.publish(pidf(bob.address, { basic: 'open' }), { expires: 600 });
        const entries = ['bob', 'carol', 'nobody'].map((user) => entry(`sip:${user}@b.test`));
        const view = await ListWatcher.open(watcher, 'sip:rls@a.test', {
          ...ASKED,
          headers: [
            ['Require', 'recipient-list-subscribe'],
            ['Content-Type', 'application/resource-lists+xml'],
          ],
          body: lists(list('l', ...entries)),
        });
        await view.until((words) => words.bob === 'open' && words.carol !== '-' && words.nobody !== '-');
        expect(view.view.words()).toEqual({ bob: 'open', carol: 'terminated rejected', nobody: 'terminated noresource' });
        await bob.publish(pidf(bob.address, { basic: 'closed' }), { expires: 600, etag });
        await view.until((words) => words.bob === 'closed');
        await rules.put(rulesPath('bob'), rulesDocument(rule('a', 'block', [watcher.address])));
        await view.until((words) => words.bob === 'terminated rejected');
      } finally {
        await federation.close();
      }
    },
  );
});

describe('as a subscriber (RFC 6665 4.1)', () => {
  let opened: FarStage;
  let stage: Stage;
  let a: SipPeer;
  let far: FarNotifier;
  beforeEach(async () => {
    opened = await openFarStage({ sipTrustedPeers: [] });
    ({ stage, far, a } = opened);
    await putServices(stage, 'A', { S: { items: [entry('sip:bob@far.test')] } });
  });
  afterEach(() => opened.close());

  const state = (basic: 'open' | 'closed') => ({ state: 'active;expires=600', body: pidf('sip:bob@far.test', { basic }) });
  /** Watches the list, and takes the SUBSCRIBE that comes of it. */
  const begin = async (): Promise<{ watcher: ListWatcher; subscribe: FarSubscribe }> => {
    const watcher = await ListWatcher.open(a, stage.address('S'));
    expect(watcher.view.words()).toEqual({ bob: '-' });
    return { watcher, subscribe: await far.subscribe() };
  };

  test("asks in the watcher's name, for states and for no lists (RFC 4662 7.2, 7.4)", async () => {
    const { watcher, subscribe } = await begin();
    const { message } = subscribe;
    expect([subscribe.from, message.requestUri, header(message, 'to')]).toEqual([a.address, 'sip:bob@far.test', '<sip:bob@far.test>']);
    expect([header(message, 'accept'), header(message, 'supported'), header(message, 'p-asserted-identity')]).toEqual([
      'application/pidf+xml',
      undefined,
      undefined,
    ]);
    subscribe.answer(200);
    expect(await far.notify(subscribe, state('open'))).toBe(200);
    await watcher.until((words) => words.bob === 'open');
    expect(await far.notify(subscribe, state('closed'))).toBe(200);
    await watcher.until((words) => words.bob === 'closed');
    // RFC 6665 4.1.3: without a body nothing is new.
    expect(await far.notify(subscribe, { state: 'active' })).toBe(200);
    expect(await far.notify(subscribe, { state: 'pending' })).toBe(200);
    await watcher.until((words) => words.bob === 'pending');
  });

  test('a NOTIFY may come before the 200 (4.1.2.4), and the end of the list ends the subscription (4.1.2.3)', async () => {
    const { watcher, subscribe } = await begin();
    expect(await far.notify(subscribe, state('open'))).toBe(200);
    await watcher.until((words) => words.bob === 'open');
    subscribe.answer(200);
    await watcher.subscription.unsubscribe();
    const end = await far.subscribe();
    expect([end.isRefresh, end.expires, header(end.message, 'event')]).toEqual([true, 0, 'presence']);
    end.answer(200);
    expect(await far.notify(subscribe, { state: 'terminated;reason=timeout' })).toBe(200);
    expect(await far.notify(subscribe, state('closed'))).toBe(481);
  });

  test('a list that ends before there is an answer leaves nothing behind', async () => {
    const { watcher, subscribe } = await begin();
    await watcher.subscription.unsubscribe();
    subscribe.answer(200);
    const end = await far.subscribe();
    expect([end.isRefresh, end.expires]).toEqual([true, 0]);
    end.answer(200);
  });

  test('refreshes in the dialog, before it expires (4.1.2.2)', async () => {
    const { watcher, subscribe } = await begin();
    subscribe.answer(200, [['Expires', '3']]);
    await far.notify(subscribe, { ...state('open'), state: 'active;expires=3' });
    await watcher.until((words) => words.bob === 'open');
    const refresh = await far.subscribe();
    expect([refresh.isRefresh, refresh.message.requestUri, refresh.expires]).toEqual([true, expect.stringContaining('sip:far@'), 3600]);
    // 481: there is no such subscription any more, and a new one is made at once (4.1.2.2).
    refresh.answer(481);
    const again = await far.subscribe();
    expect([again.isRefresh, header(again.message, 'call-id') === header(subscribe.message, 'call-id')]).toEqual([false, false]);
    expect(await far.notify(subscribe, state('closed'))).toBe(481);
    again.answer(200);
    await far.notify(again, state('closed'));
    await watcher.until((words) => words.bob === 'closed');
  });

  test('refused and unknown members are shown so, and not asked for again (RFC 4662 5.5)', async () => {
    for (const [status, reason] of [
      [403, 'rejected'],
      [404, 'noresource'],
      [489, 'rejected'],
      [421, 'rejected'],
      [603, 'rejected'],
    ] as const) {
      const { watcher, subscribe } = await begin();
      subscribe.answer(status);
      await watcher.until((words) => words.bob !== '-');
      expect(watcher.view.words()).toEqual({ bob: `terminated ${reason}` });
      await watcher.subscription.unsubscribe();
    }
    expect(far.unread).toBe(0);
  });

  test('a member that may come back is "probation", and asked for again when the notifier says (4.1.3, Retry-After)', async () => {
    const { watcher, subscribe } = await begin();
    subscribe.answer(503, [['Retry-After', '2']]);
    await watcher.until((words) => words.bob === 'terminated probation');
    const again = await far.subscribe();
    again.answer(200);
    await far.notify(again, state('open'));
    await watcher.until((words) => words.bob === 'open');
    await far.notify(again, { state: 'terminated;reason=giveup;retry-after=2' });
    await watcher.until((words) => words.bob === 'terminated giveup');
    expect((await far.subscribe()).isRefresh).toBe(false);
  });

  test('deactivated: asked for again at once; rejected and noresource: no more (4.1.3)', async () => {
    const { watcher, subscribe } = await begin();
    subscribe.answer(200);
    await far.notify(subscribe, state('open'));
    // It has come and gone at once: the first time may be chance.
    const next = far.subscribe();
    await far.notify(subscribe, { state: 'terminated;reason=deactivated' });
    const again = await next;
    again.answer(200);
    await far.notify(again, { state: 'terminated;reason=rejected' });
    await watcher.until((words) => words.bob === 'terminated rejected');
    expect(far.unread).toBe(0);
  });

  test('423: asks for as long as it must be (4.1.2.1)', async () => {
    const { watcher, subscribe } = await begin();
    expect(subscribe.expires).toBe(3600);
    subscribe.answer(423, [['Min-Expires', '7200']]);
    const again = await far.subscribe();
    expect(again.expires).toBe(7200);
    again.answer(423, [['Min-Expires', '9000']]);
    await watcher.until((words) => words.bob !== '-');
    expect(watcher.view.words()).toEqual({ bob: 'terminated rejected' });
  });

  test('NOTIFYs that are not ours, or bad, are refused and change nothing', async () => {
    const { watcher, subscribe } = await begin();
    subscribe.answer(200);
    await far.notify(subscribe, state('open'));
    await watcher.until((words) => words.bob === 'open');
    const bad = { ...state('closed') };
    expect(await far.notify(subscribe, { ...bad, tag: 'another' })).toBe(481);
    expect(await far.notify(subscribe, { ...bad, fields: [['Call-ID', 'nobodys']] })).toBe(481);
    expect(await far.notify(subscribe, { ...bad, fields: [['Event', 'dialog']] })).toBe(481);
    expect(await far.notify(subscribe, { ...bad, fields: [['Subscription-State', '']] })).toBe(400);
    expect(await far.notify(subscribe, { ...bad, fields: [['Content-Type', 'text/html']] })).toBe(415);
    expect(await far.notify(subscribe, { ...bad, fields: [['Content-Encoding', 'br']] })).toBe(415);
    const bomb = { body: gzipSync(Buffer.alloc(100_000)), fields: [['Content-Encoding', 'gzip']] as const };
    expect(await far.notify(subscribe, { ...bad, ...bomb })).toBe(413);
    for (const body of ['<presence', `<!DOCTYPE presence>${bad.body}`]) expect(await far.notify(subscribe, { ...bad, body })).toBe(400);
    expect(await far.notify(subscribe, { ...bad, cseq: 1 })).toBe(500);
    expect((await watcher.subscription.refresh()).status).toBe(200);
    await watcher.next();
    expect(watcher.view.words()).toEqual({ bob: 'open' });
  });

  test("one subscription serves all of a user's lists, and none of another's (RFC 4662 7.2)", async () => {
    const { watcher, subscribe } = await begin();
    subscribe.answer(200);
    await far.notify(subscribe, state('open'));
    await watcher.until((words) => words.bob === 'open');
    const second = await ListWatcher.open(await stage.peer('A', { transport: 'tcp' }), stage.address('S'));
    expect(second.view.words()).toEqual({ bob: 'open' });
    expect(far.unread).toBe(0);
    await watcher.subscription.unsubscribe();
    const b = await stage.peer('B', { transport: 'tcp' });
    await putServices(stage, 'B', { T: { items: [entry('sip:bob@far.test')] } });
    const theirs = await ListWatcher.open(b, stage.address('T'));
    expect(theirs.view.words()).toEqual({ bob: '-' });
    const other = await far.subscribe();
    expect([other.from, other.isRefresh]).toEqual([b.address, false]);
    other.answer(403);
  });

  test('what comes is filtered as the list (RFC 4660 4.1), and told when it is another after that', async () => {
    const filters = filterSet(filter(including('//pidf:tuple[pidf:status/pidf:basic="open"]')));
    const watcher = await ListWatcher.open(a, stage.address('S'), { ...ASKED, ...withFilters(filters) });
    const subscribe = await far.subscribe();
    subscribe.answer(200);
    await far.notify(subscribe, state('open'));
    await watcher.until((words) => words.bob === 'open');
    await far.notify(subscribe, state('closed'));
    await watcher.until((words) => words.bob !== 'open');
    expect(watcher.subscription.notifications.at(-1)?.body).not.toContain('closed');
    const { length } = watcher.subscription.notifications;
    await far.notify(subscribe, { state: 'active;expires=600', body: '<!DOCTYPE p [<!ENTITY e "x">]><presence/>' });
    await far.notify(subscribe, state('closed'));
    expect(watcher.subscription.notifications).toHaveLength(length);
    expect((await watcher.subscription.refresh(600, withFilters(filterSet(filter('', 'id="1" remove="true"'))))).status).toBe(200);
    await watcher.until((words) => words.bob === 'closed');
  });

  test('who is taken from the list, or comes into it, is left or asked for', async () => {
    const { watcher, subscribe } = await begin();
    subscribe.answer(200);
    await far.notify(subscribe, state('open'));
    await watcher.until((words) => words.bob === 'open');
    await putServices(stage, 'A', { S: { items: [entry('sip:carol@far.test')] } });
    const requests = [await far.subscribe(), await far.subscribe()];
    for (const request of requests) request.answer(request.isRefresh ? 200 : 404);
    expect(requests.map(({ isRefresh, expires }) => [isRefresh, expires]).sort()).toEqual([
      [false, 3600],
      [true, 0],
    ]);
    await watcher.until((words) => words.carol === 'terminated noresource');
    expect(watcher.view.words()).toEqual({ carol: 'terminated noresource' });
  });
});

describe('settings', () => {
  test('only domains with a next hop are asked, if not told otherwise; a trusted hop is told whom we vouch for', async () => {
    const far = await FarNotifier.open();
    const stage = new Stage();
    try {
      const uri = `sip:127.0.0.1:${far.address.port};transport=udp`;
      await stage.boot({ nextHops: [{ domain: 'far.test', uri }], sipTrustedPeers: ['127.0.0.1/32'] });
      const a = await stage.peer('A', { transport: 'tcp' });
      await putServices(stage, 'A', { S: { items: [entry('sip:x@else.test'), entry('sip:bob@far.test')] } });
      const watcher = await ListWatcher.open(a, stage.address('S'));
      const subscribe = await far.subscribe();
      expect(header(subscribe.message, 'p-asserted-identity')).toBe(`<${a.address}>`);
      subscribe.answer(480);
      await watcher.until((words) => words.bob === 'terminated probation');
      expect(watcher.view.words().x).toBe('-');
      await stage.boot({ nextHops: [{ domain: 'far.test', uri }], listRemoteMembers: 'off', defaultDecision: 'allow' });
      const again = await stage.peer('A', { transport: 'tcp' });
      await putServices(stage, 'A', { S: { items: [entry('sip:bob@far.test')] } });
      expect((await ListWatcher.open(again, stage.address('S'))).view.words()).toEqual({ bob: '-' });
      expect(far.unread).toBe(0);
    } finally {
      await stage.close();
      await far.close();
    }
  });
});
