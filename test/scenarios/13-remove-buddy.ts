import { readListState } from '../helpers/rlmi-reader.ts';
import { readWatcherinfo } from '../helpers/watcherinfo-reader.ts';
import { buddySelector } from './documents.ts';
import type { Scenario } from './stage.ts';
import { isDropped, watchList, watchWatchers, writeBuddyList, writeRules } from './steps.ts';

export const removeBuddy: Scenario = {
  number: 13,
  title: 'Remove a buddy',
  async play(stage) {
    await stage.boot();
    const watcher = await stage.peer('A');
    const presentity = await stage.peer('B');
    let service = '';
    await stage.given('A may watch its buddies B and C', async () => {
      service = await writeBuddyList(stage, 'A', ['B', 'C']);
      for (const buddy of ['B', 'C']) await writeRules(stage, buddy, 'allow', ['A']);
    });
    const { subscription: watchers } = await watchWatchers(stage, presentity);
    const own = await watcher.subscribe(stage.address('B'), { expires: 3600 });
    stage.equal((await own.notify()).state, 'active', 'A has a subscription of its own to B');
    const [mine] = readWatcherinfo((await watchers.notify()).body).watchers;
    stage.equal([mine?.uri, mine?.status], [stage.address('A'), 'active'], "which B's watcherinfo shows");
    const { subscription: list } = await watchList(stage, watcher, service);

    const xcap = await stage.xcap('A');
    const removed = await xcap.delete(buddySelector('A', stage.address('B')));
    stage.equal(removed.status, 200, 'A deletes the entry of B');
    const state = readListState(await list.notify());
    stage.expect(isDropped(stage, state, 'B'), "A's list drops B at once");
    await list.refresh();
    const full = readListState(await list.notify());
    stage.equal(
      full.resources.map(({ uri }) => uri),
      [stage.address('C')],
      'and holds C alone from now on',
    );
    stage.equal([own.terminated, own.unread], [false, 0], "A's own subscription to B is not touched");

    stage.equal((await own.unsubscribe()).status, 200, 'A ends its own subscription to B');
    const last = await own.notify();
    stage.equal([last.state, last.reason], ['terminated', 'timeout'], 'the last NOTIFY is terminated;reason=timeout');
    const isMine = (body: string): boolean =>
      readWatcherinfo(body).watchers.some(({ id, status }) => id === mine?.id && status === 'terminated');
    const told = readWatcherinfo((await watchers.notify(({ body }) => isMine(body))).body);
    const gone = told.watchers.find(({ id }) => id === mine?.id);
    stage.equal([gone?.status, gone?.event], ['terminated', 'timeout'], "B's watcherinfo shows that subscription terminated by timeout");
  },
};
