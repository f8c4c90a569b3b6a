import { readListState } from '../helpers/rlmi-reader.ts';
import { readWatcherinfo } from '../helpers/watcherinfo-reader.ts';
import { buddiesDocument, buddiesPath, buddyEntry, buddyListSelector, buddySelector, pidf } from './documents.ts';
import type { Scenario, Stage } from './stage.ts';
import { instanceOf, watchersNamed, watchList, watchWatchers, writeBuddyList, writeRules } from './steps.ts';

export const addBuddy: Scenario = {
  number: 7,
  title: 'Add a buddy',
  async play(stage) {
    await stage.boot();
    const watcher = await stage.peer('A');
    const presentity = await stage.peer('B', { transport: 'tcp' });
    let service = '';
    await stage.given('A has the buddy C; B is online and has no rules', async () => {
      service = await writeBuddyList(stage, 'A', ['C']);
      await writeRules(stage, 'C', 'allow', ['A']);
      await presentity.publish(pidf(stage.address('B'), { basic: 'open', im: 'online' }), { expires: 3600 });
    });
    const { subscription: watchers, state: before } = await watchWatchers(stage, presentity);
    stage.equal(before.watchers, [], 'B has no watchers yet');

    const xcap = await stage.xcap('A');
    const added = await xcap.put(buddySelector('A', stage.address('B')), buddyEntry({ uri: stage.address('B'), name: 'B' }));
    stage.equal(added.status, 201, 'A puts B on its buddy list');
    const subscription = await watcher.subscribe(stage.address('B'), { expires: 3600 });
    stage.equal(subscription.response.status, 200, "A's SUBSCRIBE to B is answered 200");
    const pending = await subscription.notify();
    // RFC 5025 3.2.1: no presence document is in that NOTIFY.
    stage.equal([pending.state, pending.body], ['pending', ''], 'the NOTIFY is pending and has no state in it');
    const info = readWatcherinfo((await watchers.notify()).body);
    stage.equal([info.version, info.state], [1, 'partial'], 'B gets a partial watcherinfo');
    stage.equal(info.watchers.length, 1, 'with one watcher');
    stage.equal(watchersNamed(stage, info, 'A'), [{ status: 'pending', event: 'subscribe' }], 'A, pending since it subscribed');

    const { subscription: list, state } = await watchList(stage, watcher, service);
    const b = instanceOf(stage, state, 'B');
    stage.equal([b.state, b.pidf], ['pending', undefined], "A's list shows B pending, without state");
    stage.equal(instanceOf(stage, state, 'C').state, 'active', 'and C active');
    await stage.user('D');
    const another = await xcap.put(buddySelector('A', stage.address('D')), buddyEntry({ uri: stage.address('D'), name: 'D' }));
    stage.equal(another.status, 201, 'A adds D while it watches the list');
    const update = readListState(await list.notify());
    stage.equal(instanceOf(stage, update, 'D').state, 'pending', 'the list shows D pending at once');

    await entryWithoutPredicate(stage);
  },
};

/** A selector that ends in `entry` means the only entry there is, and so replaces it (RFC 4825 6.3). */
async function entryWithoutPredicate(stage: Stage): Promise<void> {
  const xcap = await stage.xcap('E');
  await xcap.put(buddiesPath('E'), buddiesDocument('E', [{ uri: stage.address('C') }]));
  const replaced = await xcap.put(`${buddyListSelector('E')}/entry`, buddyEntry({ uri: stage.address('B') }));
  stage.equal(replaced.status, 200, 'a PUT to ".../entry" names the one entry and replaces it');
  const { body } = await xcap.get(buddiesPath('E'));
  stage.expect(body.includes(stage.address('B')) && !body.includes(stage.address('C')), 'so that B stands in the place of C');
}
