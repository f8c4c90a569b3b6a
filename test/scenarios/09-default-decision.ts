import { readPidf } from '../helpers/pidf-reader.ts';
import type { Subscription } from '../helpers/sip-subscription.ts';
import { type Handling, pidf } from './documents.ts';
import type { Scenario, Stage } from './stage.ts';
import { basics, writeRules } from './steps.ts';

export const defaultDecision: Scenario = {
  number: 9,
  title: 'Default decision',
  async play(stage) {
    stage.note('without the setting');
    await stage.boot();
    await strangers(stage, 'confirm');
    for (const handling of ['confirm', 'block', 'polite-block', 'allow'] as const) {
      stage.note(`with the default decision ${handling}`);
      await stage.boot({ defaultDecision: handling });
      await strangers(stage, handling);
    }
  },
};

/** A subscribes to B, who has no rules, and to C, whose rule is for another. Both are online. */
async function strangers(stage: Stage, handling: Handling): Promise<void> {
  const watcher = await stage.peer('A');
  await stage.given('B and C are online; B has no rules, C has one for D alone', async () => {
    for (const user of ['B', 'C']) {
      const presentity = await stage.peer(user);
      await presentity.publish(pidf(stage.address(user), { basic: 'open' }), { expires: 3600 });
    }
    await writeRules(stage, 'C', handling === 'allow' ? 'block' : 'allow', ['D']);
  });
  for (const user of ['B', 'C']) {
    const subscription = await watcher.subscribe(stage.address(user), { expires: 3600 });
    await expectHandling(stage, subscription, handling, user === 'B' ? 'no rules' : 'no rule that matches');
  }
}

async function expectHandling(stage: Stage, subscription: Subscription, handling: Handling, why: string): Promise<void> {
  const { status } = subscription.response;
  if (handling === 'block') return stage.equal(status, 403, `${why}: A is refused with 403`);
  stage.equal(status, 200, `${why}: the SUBSCRIBE is answered 200`);
  const notification = await subscription.notify();
  if (handling === 'confirm')
    return stage.equal([notification.state, notification.body], ['pending', ''], `${why}: A is pending, without state`);
  stage.equal(notification.state, 'active', `${why}: A is active`);
  const expected = handling === 'allow' ? 'open' : 'closed';
  stage.equal(basics(readPidf(notification.body)), expected, `${why}: and sees ${expected}`);
}
