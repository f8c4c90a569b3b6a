import { readWatcherinfo } from '../helpers/watcherinfo-reader.ts';
import { pidf, rule, ruleSelector, rulesDocument, rulesPath } from './documents.ts';
import type { Scenario } from './stage.ts';
import { basics, expectPresence, watchersNamed, watchWatchers } from './steps.ts';

export const approve: Scenario = {
  number: 8,
  title: 'Approve',
  async play(stage) {
    await stage.boot();
    const watcher = await stage.peer('A');
    const presentity = await stage.peer('B');
    const xcap = await stage.xcap('B');
    await stage.given('B is online, with an empty rules document', async () => {
      stage.equal((await xcap.put(rulesPath('B'), rulesDocument())).status, 201, 'the document is stored');
      await presentity.publish(pidf(stage.address('B'), { basic: 'open', im: 'online' }), { expires: 3600 });
    });
    const { subscription: watchers } = await watchWatchers(stage, presentity);
    const subscription = await watcher.subscribe(stage.address('B'), { expires: 3600 });
    stage.equal((await subscription.notify()).state, 'pending', 'A is pending');
    const asked = readWatcherinfo((await watchers.notify()).body);
    stage.equal(watchersNamed(stage, asked, 'A'), [{ status: 'pending', event: 'subscribe' }], 'B is told that A asks');

    const added = await xcap.put(ruleSelector('B', 'a'), rule('a', 'allow', [stage.address('A')]));
    stage.equal(added.status, 201, 'B adds a rule that allows A');
    const active = await subscription.notify();
    const document = expectPresence(stage, active, 'B');
    stage.equal(basics(document), 'open', 'with no other request A learns that B is open');
    stage.equal(document.tuples[0]?.status[0]?.text, 'online', 'and online');
    const approved = readWatcherinfo((await watchers.notify()).body);
    stage.equal([approved.version, approved.state], [asked.version + 1, 'partial'], 'B gets the next watcherinfo');
    stage.equal(watchersNamed(stage, approved, 'A'), [{ status: 'active', event: 'approved' }], 'A is active, approved');
    stage.equal(approved.watchers[0]?.id, asked.watchers[0]?.id, 'under the same watcher id');
  },
};
