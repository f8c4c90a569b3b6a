import { readListState } from '../helpers/rlmi-reader.ts';
import { header } from '../helpers/sip-message.ts';
import { pidf } from './documents.ts';
import type { Scenario } from './stage.ts';
import { basics, expectPresence, instanceOf, watchList, writeBuddyList, writeRules } from './steps.ts';

export const unsubscribe: Scenario = {
  number: 6,
  title: 'Unsubscribe',
  async play(stage) {
    await stage.boot();
    const watcher = await stage.peer('A');
    const presentity = await stage.peer('B');
    let service = '';
    await stage.given('A may watch its buddies B and C, and B is online', async () => {
      service = await writeBuddyList(stage, 'A', ['B', 'C']);
      for (const buddy of ['B', 'C']) await writeRules(stage, buddy, 'allow', ['A']);
      await presentity.publish(pidf(stage.address('B'), { basic: 'open', im: 'online' }), { expires: 3600 });
    });
    const { subscription } = await watchList(stage, watcher, service);

    const response = await subscription.unsubscribe();
    stage.equal([response.status, header(response, 'expires')], [200, '0'], 'SUBSCRIBE with Expires: 0 is answered 200 with Expires: 0');
    const last = await subscription.notify();
    stage.equal([last.state, last.reason], ['terminated', 'timeout'], 'the last NOTIFY is terminated;reason=timeout');
    const state = readListState(last);
    stage.equal([state.version, state.fullState], [1, true], 'with full state');
    stage.equal(
      state.resources.map(({ uri }) => uri),
      [stage.address('B'), stage.address('C')],
      'of the whole list',
    );
    stage.equal(basics(instanceOf(stage, state, 'B').pidf), 'open', 'in which B is open');

    // B itself hears of the next change; A, who would have heard before it or with it, does not.
    const own = await presentity.subscribe(stage.address('B'));
    expectPresence(stage, await own.notify(), 'B');
    await presentity.publish(pidf(stage.address('B'), { basic: 'open', tuple: 'second' }), { expires: 3600 });
    stage.equal(basics(expectPresence(stage, await own.notify(), 'B')), 'open+open', 'B goes on publishing');
    stage.equal(subscription.unread, 0, 'and A hears no more of it');
  },
};
