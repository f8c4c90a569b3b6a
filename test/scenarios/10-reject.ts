import { buddySelector, rule, ruleSelector } from './documents.ts';
import type { Scenario } from './stage.ts';
import { writeBuddyList, writeRules } from './steps.ts';

export const reject: Scenario = {
  number: 10,
  title: 'Reject',
  async play(stage) {
    await stage.boot();
    const watcher = await stage.peer('A');
    const client = await stage.xcap('A');
    const rules = await stage.xcap('B');
    await stage.given("A has the buddy B, and B's rule lets A watch", async () => {
      await writeBuddyList(stage, 'A', ['B', 'C']);
      await writeRules(stage, 'B', 'allow', ['A']);
    });
    const subscription = await watcher.subscribe(stage.address('B'), { expires: 3600 });
    stage.equal((await subscription.notify()).state, 'active', 'A watches B');

    const changed = await rules.put(ruleSelector('B', 'a'), rule('a', 'block', [stage.address('A')]));
    stage.equal(changed.status, 200, 'B changes the rule to block');
    const last = await subscription.notify();
    stage.equal([last.state, last.reason], ['terminated', 'rejected'], 'A gets NOTIFY terminated;reason=rejected');
    stage.equal(last.body, '', 'with no state in it');
    const again = await watcher.subscribe(stage.address('B'), { expires: 3600 });
    stage.equal(again.response.status, 403, 'a new SUBSCRIBE gets 403');
    const entry = buddySelector('A', stage.address('B'));
    stage.equal((await client.delete(entry)).status, 200, "A's client deletes the entry");
    stage.equal((await client.get(entry)).status, 404, 'and it is gone');
  },
};
