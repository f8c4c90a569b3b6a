import type { Scenario } from './stage.ts';
import { watchersNamed, watchWatchers, writeRules } from './steps.ts';

export const presentityWasOffline: Scenario = {
  number: 11,
  title: 'The presentity was offline',
  async play(stage) {
    await stage.boot();
    const a = await stage.peer('A');
    const c = await stage.peer('C');
    const d = await stage.peer('D');
    await stage.given("B's rule lets C watch", () => writeRules(stage, 'B', 'allow', ['C']));
    const pending = await a.subscribe(stage.address('B'), { expires: 3600 });
    stage.equal((await pending.notify()).state, 'pending', 'A subscribes while B is offline, and is pending');
    const active = await c.subscribe(stage.address('B'), { expires: 3600 });
    stage.equal((await active.notify()).state, 'active', 'C subscribes, and is active');
    const ended = await d.subscribe(stage.address('B'), { expires: 1 });
    stage.equal((await ended.notify()).state, 'pending', 'D subscribes for one second, and is pending');
    const last = await ended.notify();
    stage.equal([last.state, last.reason], ['terminated', 'timeout'], "D's subscription expires before B is back");

    const b = await stage.peer('B', { transport: 'tcp' });
    stage.equal((await b.register()).status, 200, 'B logs on');
    // That the NOTIFY has B's Contact as its Request-URI is checked on arrival.
    const { state } = await watchWatchers(stage, b);
    stage.equal(watchersNamed(stage, state, 'A'), [{ status: 'pending', event: 'subscribe' }], 'A is pending');
    stage.equal(watchersNamed(stage, state, 'C'), [{ status: 'active', event: 'subscribe' }], 'C is active');
    // RFC 3857 4.7.1: a pending subscription that runs out waits for the presentity's word.
    stage.equal(watchersNamed(stage, state, 'D'), [{ status: 'waiting', event: 'timeout' }], 'D, whose subscription is over, is waiting');
    stage.equal(state.watchers.length, 3, 'and there are no others');

    for (const other of [a, c]) {
      const refused = await other.subscribe(stage.address('B'), { event: 'presence.winfo', accept: ['application/watcherinfo+xml'] });
      stage.equal(refused.response.status, 403, `${other.name} may not see B's watchers`);
    }
  },
};
