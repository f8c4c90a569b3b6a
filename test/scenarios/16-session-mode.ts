import { headerList } from '../helpers/sip-message.ts';
import { establish, hangUp } from './calls.ts';
import type { Scenario } from './stage.ts';

export const sessionMode: Scenario = {
  number: 16,
  title: 'Session mode',
  async play(stage) {
    await stage.boot();
    for (const transport of ['udp', 'tcp'] as const) {
      const [alice, bob] = [await stage.phone('A'), await stage.phone('B', { transport })];
      await stage.given('the phones are logged on', async () => {
        await alice.register();
        await bob.register(';q=0.5');
      });
      const session = await establish(stage, alice, bob);
      stage.expect(headerList(session.invite.message, 'record-route').length > 0, 'the server stays on the path of the call');
      await hangUp(stage, alice, bob, session);
      const { invite } = await establish(stage, alice, bob);
      const bye = bob.backwards('BYE', invite);
      (await alice.take('BYE')).answer(200, { contact: false });
      stage.equal((await bye.final()).status, 200, 'the called side may end it too');
      await bob.register(';expires=0');
    }
  },
};
