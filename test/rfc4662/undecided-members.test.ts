/** RFC 3857 4.7.1 and RFC 4662 5.5: members of lists that nobody decides about, as the list's watcher and the members' owners are told. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SipPeer } from '../helpers/sip-peer.ts';
import type { Subscription } from '../helpers/sip-subscription.ts';
import { readWatcherinfo } from '../helpers/watcherinfo-reader.ts';
import { Stage } from '../scenarios/stage.ts';
import { watchersNamed, watchWatchers, writeRules } from '../scenarios/steps.ts';
import { entry, ListWatcher, putServices } from './list-stage.ts';

let stage: Stage;
let alice: SipPeer;
let bob: SipPeer;
beforeEach(async () => {
  stage = new Stage();
  await stage.boot({ listInterval: 0, undecidedTime: 3 });
  alice = await stage.peer('alice', { transport: 'tcp' });
  bob = await stage.peer('bob', { transport: 'tcp' });
  await stage.user('carol');
  await writeRules(stage, 'carol', 'allow', ['alice']);
  await putServices(stage, 'alice', { friends: { items: [entry(stage.address('bob')), entry(stage.address('carol'))] } });
});
afterEach(() => stage.close());

const open = (): Promise<ListWatcher> => ListWatcher.open(alice, stage.address('friends'));
const seen = (word: string) => ({ bob: word, carol: 'closed' });

/** What the notifications say of alice until she stands so. */
async function aliceIs(watchers: Subscription, status: string): Promise<string> {
  for (;;) {
    const found = watchersNamed(stage, readWatcherinfo((await watchers.notify(undefined, 6000)).body), 'alice');
    const [one] = found.filter((watcher) => watcher.status === status);
    if (one) return one.event;
  }
}

describe('a member that nobody decides about', () => {
  test('is given up in time; asked for anew by a refresh after that time, not before, it is put before its owner again', {
    timeout: 30_000,
  }, async () => {
    const { subscription: watchers } = await watchWatchers(stage, bob);
    const list = await open();
    expect(list.view.words()).toEqual(seen('pending'));
    await list.subscription.refresh(3600);
    await list.next();
    expect(list.view.words()).toEqual(seen('pending'));
    await list.until(({ bob }) => bob !== 'pending');
    expect(list.view.words()).toEqual(seen('terminated giveup'));
    const gaveUpAt = Date.now();
    expect(await aliceIs(watchers, 'terminated')).toBe('giveup');
    await list.subscription.refresh(3600);
    await list.next();
    expect(list.view.words()).toEqual(seen('terminated giveup'));
    await new Promise((resolve) => setTimeout(resolve, gaveUpAt + 3200 - Date.now()));
    await list.subscription.refresh(3600);
    await list.until((words) => words.bob === 'pending');
    expect(await aliceIs(watchers, 'pending')).toBe('subscribe');
    // And for no longer than the first time.
    await list.until((words) => words.bob === 'terminated giveup');
  });

  test('comes back at once when its owner lets the watcher in; a refusal, and one taken back, count from then', {
    timeout: 30_000,
  }, async () => {
    const list = await open();
    await list.until(({ bob }) => bob === 'terminated giveup');
    // No decision: the owner's rules have changed, and still say nothing.
    await writeRules(stage, 'bob', 'confirm', ['alice']);
    await writeRules(stage, 'bob', 'allow', ['alice']);
    await list.next();
    expect(list.view.words()).toEqual(seen('closed'));
    await writeRules(stage, 'bob', 'block', ['alice']);
    await list.next();
    expect(list.view.words()).toEqual(seen('terminated rejected'));
    await writeRules(stage, 'bob', 'confirm', ['alice']);
    await list.next();
    expect(list.view.words()).toEqual(seen('pending'));
    await list.next();
    expect(list.view.words()).toEqual(seen('terminated giveup'));
    // Somebody refused is no longer told that nobody had decided.
    await writeRules(stage, 'bob', 'block', ['alice']);
    await list.next();
    expect(list.view.words()).toEqual(seen('terminated rejected'));
  });
});
