import { headerLines } from '../helpers/sip-message.ts';
import { hangUp, OFFER, progress } from './calls.ts';
import type { Scenario, Stage } from './stage.ts';

export const forking: Scenario = {
  number: 19,
  title: 'Forking',
  async play(stage) {
    await stage.boot();
    stage.note('parallel');
    await parallel(stage);
    stage.note('sequential');
    await sequential(stage);
  },
};

async function parallel(stage: Stage): Promise<void> {
  const alice = await stage.phone('A');
  const [desk, mobile] = [await stage.phone('B'), await stage.phone('B')];
  await stage.given('B has two phones of one q', async () => {
    await desk.register(';q=0.5');
    await mobile.register(';q=0.5');
  });
  const call = await alice.invite(desk.address, OFFER);
  const [atDesk, atMobile] = await Promise.all([desk.take('INVITE'), mobile.take('INVITE')]);
  atDesk.answer(180);
  atMobile.answer(180);
  stage.equal([(await progress(call)).status, (await progress(call)).status], [180, 180], 'both ring, and A hears both');
  atMobile.answer(200, OFFER);
  const ok = await call.final();
  stage.expect(headerLines(ok, 'contact')[0]?.includes(mobile.contact) ?? false, 'the first who answers has the call');
  await desk.take('CANCEL');
  atDesk.answer(487);
  await desk.take('ACK');
  stage.note('the other is cancelled, and its 487 acknowledged by the server');
  alice.inDialog('ACK', call.message, ok);
  await mobile.take('ACK');
  await hangUp(stage, alice, mobile, { call, ok });

  const refused = await alice.invite(desk.address, OFFER);
  (await desk.take('INVITE')).answer(500);
  await desk.take('ACK');
  (await mobile.take('INVITE')).answer(486);
  await mobile.take('ACK');
  stage.equal((await refused.final()).status, 486, 'when both fail, A gets the best of the two answers');
  await desk.register(';expires=0');
  await mobile.register(';expires=0');
}

async function sequential(stage: Stage): Promise<void> {
  const alice = await stage.phone('A');
  const [second, first] = [await stage.phone('B'), await stage.phone('B')];
  await stage.given('B prefers one phone to the other', async () => {
    await second.register(';q=0.2');
    await first.register(';q=0.8');
  });
  const call = await alice.invite(first.address, OFFER);
  const preferred = await first.take('INVITE');
  stage.equal(second.untaken, [], 'only the phone of the highest q rings');
  preferred.answer(486);
  await first.take('ACK');
  (await second.take('INVITE')).answer(200, OFFER);
  const ok = await call.final();
  stage.expect(headerLines(ok, 'contact')[0]?.includes(second.contact) ?? false, 'and when it is busy, the next');
  alice.inDialog('ACK', call.message, ok);
  await second.take('ACK');
  await hangUp(stage, alice, second, { call, ok });
}
