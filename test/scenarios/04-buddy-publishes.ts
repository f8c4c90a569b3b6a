import { readListState } from '../helpers/rlmi-reader.ts';
import { pidf } from './documents.ts';
import type { Scenario } from './stage.ts';
import { basics, instanceOf, watchList, writeBuddyList, writeRules } from './steps.ts';

export const buddyPublishes: Scenario = {
  number: 4,
  title: 'A buddy publishes',
  async play(stage) {
    await stage.boot();
    const watcher = await stage.peer('A');
    const presentity = await stage.peer('B', { transport: 'tcp' });
    let service = '';
    await stage.given('A may watch its buddies B and C', async () => {
      service = await writeBuddyList(stage, 'A', ['B', 'C']);
      for (const buddy of ['B', 'C']) await writeRules(stage, buddy, 'allow', ['A']);
    });
    const { subscription, state } = await watchList(stage, watcher, service);
    stage.equal(basics(instanceOf(stage, state, 'B').pidf), 'closed', 'B is closed at first');

    const published = await presentity.publish(pidf(stage.address('B'), { basic: 'open', im: 'online' }), { expires: 3600 });
    stage.equal(published.status, 200, "B's PUBLISH is answered 200");
    stage.expect(published.expires > 0 && published.expires <= 3600, 'with Expires');
    stage.expect(published.etag !== '', 'and SIP-ETag');
    const update = readListState(await subscription.notify());
    stage.equal([update.version, update.fullState], [1, false], 'A gets a partial list, one version higher');
    stage.equal(
      update.resources.map(({ uri }) => uri),
      [stage.address('B')],
      'with B alone',
    );
    const instance = instanceOf(stage, update, 'B');
    stage.equal([instance.state, basics(instance.pidf)], ['active', 'open'], 'and B is open');
  },
};
