import { hangUp, OFFER, progress } from './calls.ts';
import type { Scenario } from './stage.ts';

export const cancel: Scenario = {
  number: 21,
  title: 'CANCEL',
  async play(stage) {
    await stage.boot();
    const [alice, bob] = [await stage.phone('A'), await stage.phone('B')];
    await stage.given('the phone of B is logged on', async () => void (await bob.register()));
    let call = await alice.invite(bob.address, OFFER);
    let invite = await bob.take('INVITE');
    invite.answer(180);
    await progress(call);
    stage.equal((await alice.cancel(call)).status, 200, 'the CANCEL is answered 200 by the server');
    await bob.take('CANCEL');
    invite.answer(487);
    await bob.take('ACK');
    stage.equal((await call.final()).status, 487, 'and the INVITE 487, each acknowledged on its hop');

    call = await alice.invite(bob.address, OFFER);
    invite = await bob.take('INVITE');
    invite.answer(180);
    await progress(call);
    invite.answer(200, OFFER);
    stage.equal((await alice.cancel(call)).status, 200, 'a CANCEL that crosses the 200 is answered');
    const ok = await call.final();
    stage.equal(ok.status, 200, 'but has no effect');
    alice.inDialog('ACK', call.message, ok);
    await bob.take('ACK');
    await hangUp(stage, alice, bob, { call, ok });
    stage.equal(bob.untaken, [], 'nothing else reached B');
  },
};
