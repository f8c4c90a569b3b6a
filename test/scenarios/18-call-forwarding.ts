import type { CallAgent, Outgoing } from '../helpers/call-agent.ts';
import { header, headerList } from '../helpers/sip-message.ts';
import { OFFER, progress, SDP } from './calls.ts';
import { callRule, callServicesPath, diversionDocument, forwardTo } from './documents.ts';
import type { Scenario, Stage } from './stage.ts';

export const callForwarding: Scenario = {
  number: 18,
  title: 'Call forwarding',
  async play(stage) {
    await stage.boot({ noReplyTimeout: 1 });
    const [alice, bob, carol] = [await stage.phone('A'), await stage.phone('B'), await stage.phone('C')];
    const xcap = await stage.xcap('B');
    const divert = async (conditions: string, what: string): Promise<void> => {
      const rule = callRule('divert', conditions, forwardTo(carol.address));
      const { status } = await xcap.put(callServicesPath('B'), diversionDocument(rule));
      stage.expect(status === 200 || status === 201, what);
    };
    await stage.given('the phones of B and C are logged on', async () => {
      await bob.register();
      await carol.register();
    });

    await divert('', 'B diverts all calls to C');
    let call = await invite(alice, bob.address);
    await accept(stage, call, alice, carol, 302);
    stage.equal(bob.untaken, [], 'and the phone of B never rang');

    await divert('<busy/>', 'B diverts calls when busy');
    call = await invite(alice, bob.address);
    (await bob.take('INVITE')).answer(486);
    await bob.take('ACK');
    stage.note('the 486 is acknowledged by the server');
    await accept(stage, call, alice, carol, 486);

    await divert('<no-answer/>', 'B diverts calls that B does not answer');
    call = await invite(alice, bob.address);
    const ringing = await bob.take('INVITE');
    ringing.answer(180);
    stage.equal((await progress(call)).status, 180, 'B rings');
    await bob.take('CANCEL');
    stage.note('after the no-reply time B is cancelled');
    ringing.answer(487);
    await bob.take('ACK');
    await accept(stage, call, alice, carol, 408);

    await divert('<not-reachable/>', 'B diverts calls that do not reach B');
    for (const status of [480, 408]) {
      call = await invite(alice, bob.address);
      (await bob.take('INVITE')).answer(status);
      await bob.take('ACK');
      await accept(stage, call, alice, carol, 503);
    }
    await bob.register(';expires=0');
    call = await invite(alice, bob.address);
    await accept(stage, call, alice, carol, 503);
    stage.equal(bob.untaken, [], 'with no binding the call goes to C at once');
  },
};

function invite(caller: CallAgent, uri: string): Promise<Outgoing> {
  return caller.invite(uri, OFFER);
}

/** The call is announced as forwarded, reaches the target, and becomes a session that ends. */
async function accept(stage: Stage, call: Outgoing, caller: CallAgent, target: CallAgent, cause: number): Promise<void> {
  stage.equal((await progress(call)).status, 181, 'A hears that the call is forwarded');
  const invitation = await target.take('INVITE');
  const { message } = invitation;
  stage.equal(message.requestUri, target.contact, 'the call comes to C');
  stage.equal(message.body.toString(), SDP, 'with the session that A offered');
  stage.equal(header(message, 'to'), header(call.message, 'to'), 'still addressed to B');
  const [first = '', second = ''] = headerList(message, 'history-info');
  stage.expect(first.startsWith(`<${stage.address('B')}`) && /;index=1$/.test(first), 'History-Info names B first');
  stage.equal(second, `<${target.address};cause=${cause}>;index=1.1;mp=1`, `and then C, with cause ${cause}`);
  stage.expect((header(message, 'diversion') ?? '').startsWith(`<${stage.address('B')}>;reason=`), 'Diversion says so too');
  invitation.answer(200);
  const ok = await call.final();
  stage.equal(ok.status, 200, 'C answers');
  caller.inDialog('ACK', call.message, ok);
  await target.take('ACK');
  const bye = caller.inDialog('BYE', call.message, ok);
  (await target.take('BYE')).answer(200, { contact: false });
  stage.equal((await bye.final()).status, 200, 'and A hangs up');
}
