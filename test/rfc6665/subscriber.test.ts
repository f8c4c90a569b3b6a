import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { FarNotifier, FarSubscribe } from '../helpers/far-notifier.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import { type FarStage, openFarStage } from '../rfc4662/far-stage.ts';
import { entry, ListWatcher, putServices } from '../rfc4662/list-stage.ts';
import { pidf } from '../scenarios/documents.ts';
import type { Stage } from '../scenarios/stage.ts';

/** The server as a subscriber, which it is for members of lists in other domains. */

let opened: FarStage;
let stage: Stage;
let a: SipPeer;
let far: FarNotifier;
beforeEach(async () => {
  opened = await openFarStage();
  ({ stage, far, a } = opened);
});
afterEach(() => opened.close());

const open = { state: 'active;expires=600', body: pidf('sip:bob@far.test', { basic: 'open' }) };
const userOf = ({ message }: FarSubscribe): string => /^sip:(.*)@/.exec(message.requestUri)?.[1] ?? '';

/** A list of one member elsewhere, who is open. */
async function watched(): Promise<{ watcher: ListWatcher; subscribe: FarSubscribe }> {
  await putServices(stage, 'A', { S: { items: [entry('sip:bob@far.test')] } });
  const watcher = await ListWatcher.open(a, stage.address('S'));
  const subscribe = await far.subscribe();
  subscribe.answer(200);
  expect(await far.notify(subscribe, open)).toBe(200);
  await watcher.until((words) => words.bob === 'open');
  return { watcher, subscribe };
}

describe('RFC 6665 4.1.3: a subscription that its notifier ends', () => {
  test.each([
    ['deactivated', 'deactivated'],
    ['timeout', 'timeout'],
    ['probation;retry-after=2', 'probation'],
    ['giveup;retry-after=2', 'giveup'],
    ['nothing-known;retry-after=2', 'probation'],
  ])('is made anew after the reason %s', async (reason, shown) => {
    const { watcher, subscribe } = await watched();
    const next = far.subscribe();
    expect(await far.notify(subscribe, { state: `terminated;reason=${reason}` })).toBe(200);
    // Of one that comes again at once the end may not be told at all.
    if (reason.includes('retry-after')) await watcher.until((words) => words.bob === `terminated ${shown}`);
    const again = await next;
    expect([userOf(again), again.isRefresh]).toEqual(['bob', false]);
    again.answer(200);
    expect(await far.notify(again, open)).toBe(200);
    await watcher.until((words) => words.bob === 'open');
  });

  test.each(['rejected', 'noresource', 'invariant', 'invariant;retry-after=2'])('is not made anew after the reason %s', async (reason) => {
    const { watcher, subscribe } = await watched();
    expect(await far.notify(subscribe, { state: `terminated;reason=${reason}` })).toBe(200);
    await watcher.until((words) => words.bob === `terminated ${reason.replace(/;.*/, '')}`);
    // Later than it would have come, somebody else is asked for, and nobody before that.
    await new Promise((resolve) => setTimeout(resolve, reason.includes('retry-after') ? 2500 : 100));
    await putServices(stage, 'A', { S: { items: [entry('sip:bob@far.test'), entry('sip:eve@far.test')] } });
    expect(userOf(await far.subscribe())).toBe('eve');
  });
});

describe('RFC 6665 4.1.2.2: a refresh', () => {
  test('that is answered 481 ends the subscription, of which another is made', { timeout: 20_000 }, async () => {
    const { watcher, subscribe } = await watched();
    // 4.1.3: the duration is what the NOTIFY says, so that the refresh is due.
    expect(await far.notify(subscribe, { ...open, state: 'active;expires=5' })).toBe(200);
    const refresh = await far.subscribe(10_000);
    expect([refresh.isRefresh, userOf(refresh)]).toEqual([true, 'far']);
    const next = far.subscribe(10_000);
    refresh.answer(481);
    const again = await next;
    expect([again.isRefresh, userOf(again)]).toEqual([false, 'bob']);
    again.answer(200);
    expect(await far.notify(again, { ...open, body: pidf('sip:bob@far.test', { basic: 'closed' }) })).toBe(200);
    await watcher.until((words) => words.bob === 'closed');
  });
});
