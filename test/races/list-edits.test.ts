import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { generator } from '../fuzz/random.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import { entry, ListWatcher, list, pathOf, putLists, putServices } from '../rfc4662/list-stage.ts';
import { pidf } from '../scenarios/documents.ts';
import { Stage } from '../scenarios/stage.ts';

let stage: Stage;
let a: SipPeer;
beforeEach(async () => {
  stage = new Stage();
  await stage.boot({ defaultDecision: 'allow', listInterval: 10 });
  a = await stage.peer('A', { transport: 'tcp' });
});
afterEach(() => stage.close());

const member = (name: string) => entry(stage.address(name));
const NAMES = ['B', 'C', 'D', 'E', 'F', 'G'];

describe('lists edited while they are read and told (RFC 4662 4.5, RFC 4826 4.5)', () => {
  test('after storms of edits of lists, services and references, and of publications, each view is what a fresh SUBSCRIBE gives', async () => {
    const random = generator(4662);
    const peers = await Promise.all(NAMES.map((name) => stage.peer(name, { transport: 'tcp' })));
    const some = () => NAMES.filter(() => random(2) === 0);
    const external = `<external anchor="${stage.root}/${pathOf('A', 'l', 'one')}"/>`;
    const edits = [
      () => putLists(stage, 'A', 'l', list('one', ...some().map(member)), list('two', ...some().map(member), external)),
      () =>
        putServices(stage, 'A', {
          outer: { items: [...some().map(member), member('inner')] },
          inner: { ref: `${stage.root}/${pathOf('A', 'l', random(2) === 0 ? 'one' : 'two')}` },
        }),
      // A loop, of services or of references, comes and goes.
      () =>
        putServices(stage, 'A', {
          outer: { items: [member('inner'), member('B')] },
          inner: { items: [member('outer'), ...some().map(member)] },
        }),
      () => putLists(stage, 'A', 'l', list('one', ...some().map(member), external), list('two', member('C'))),
    ];
    await edits[0]?.();
    await edits[1]?.();
    const watchers = await Promise.all([1, 2, 3].map(() => ListWatcher.open(a, stage.address('outer'))));
    for (let round = 0; round < 12; round++) {
      const work: Promise<unknown>[] = [];
      for (let n = 0; n < 4; n++) work.push(edits[random(edits.length)]?.() ?? Promise.resolve());
      for (const peer of peers) {
        if (random(2) === 0) work.push(peer.publish(pidf(peer.address, { basic: random(2) === 0 ? 'open' : 'closed' }), { expires: 600 }));
      }
      if (random(3) === 0) work.push(watchers[0]?.subscription.refresh() ?? Promise.resolve());
      await Promise.all(work);
    }
    // No loop at the end, so that a new subscription is taken.
    await edits[0]?.();
    await edits[1]?.();
    const fresh = await ListWatcher.open(a, stage.address('outer'));
    const wanted = JSON.stringify(fresh.view.words());
    for (const watcher of watchers) {
      await watcher.until((words) => JSON.stringify(words) === wanted);
      expect(watcher.view.words()).toEqual(fresh.view.words());
    }
  }, 30_000);

  test('who subscribes in the middle of an edit is told the one list or the other, and in the end the last', async () => {
    const versions = [['B'], ['C', 'D'], []] as const;
    await putServices(stage, 'A', { S: { items: versions[0].map(member) } });
    for (let round = 0; round < 10; round++) {
      const next = versions[round % 3] ?? [];
      const [watcher] = await Promise.all([
        ListWatcher.open(a, stage.address('S')),
        putServices(stage, 'A', { S: { items: next.map(member) } }),
      ]);
      await watcher.until((words) => Object.keys(words).join() === next.join());
      expect(Object.keys(watcher.view.words())).toEqual(next);
      await watcher.subscription.unsubscribe();
    }
  });
});
