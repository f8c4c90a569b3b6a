import { readListState } from '../helpers/rlmi-reader.ts';
import { rule, ruleSelector } from './documents.ts';
import type { Scenario } from './stage.ts';
import { basics, instanceOf, watchList, writeBuddyList, writeRules } from './steps.ts';

export const refresh: Scenario = {
  number: 5,
  title: 'Refresh',
  async play(stage) {
    await stage.boot();
    const watcher = await stage.peer('A');
    let service = '';
    await stage.given('A may watch its buddies B and C', async () => {
      service = await writeBuddyList(stage, 'A', ['B', 'C']);
      for (const buddy of ['B', 'C']) await writeRules(stage, buddy, 'allow', ['A']);
    });
    const { subscription, state } = await watchList(stage, watcher, service);

    const response = await subscription.refresh(1800);
    stage.equal(response.status, 200, 'a SUBSCRIBE in the dialog is answered 200');
    stage.equal(subscription.granted, 1800, 'for the seconds asked for');
    const notification = await subscription.notify();
    stage.expect((notification.expires ?? 0) > 1790 && (notification.expires ?? 0) <= 1800, 'the NOTIFY counts from the new time');
    const full = readListState(notification);
    stage.equal([full.version, full.fullState], [1, true], 'full state, one version higher');
    stage.equal(
      full.resources.map(({ uri }) => uri),
      state.resources.map(({ uri }) => uri),
      'of the whole list',
    );

    const xcap = await stage.xcap('B');
    const changed = await xcap.put(ruleSelector('B', 'a'), rule('a', 'confirm', [stage.address('A')]));
    stage.equal(changed.status, 200, 'B wants to be asked about A again');
    stage.equal(instanceOf(stage, readListState(await subscription.notify()), 'B').state, 'pending', 'A sees B pending');
    await subscription.refresh();
    const evaluated = readListState(await subscription.notify());
    stage.equal([evaluated.version, evaluated.fullState], [3, true], 'a refresh brings full state');
    const pending = instanceOf(stage, evaluated, 'B');
    stage.equal([pending.state, basics(pending.pidf)], ['pending', 'nothing'], "by B's new rules: pending, with no state");
    stage.equal(instanceOf(stage, evaluated, 'C').state, 'active', "and by C's old ones: active");
  },
};
