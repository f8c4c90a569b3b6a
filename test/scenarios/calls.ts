import type { CallAgent, Incoming, Outgoing } from '../helpers/call-agent.ts';
import { changedOnTheWay } from '../helpers/sip-checks-forwarded.ts';
import type { SipMessage } from '../helpers/sip-message.ts';
import type { Stage } from './stage.ts';

export const SDP = 'v=0\r\no=alice 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 49170 RTP/AVP 0\r\n';
export const OFFER = { headers: [['Content-Type', 'application/sdp'] as const], body: SDP };

/** A call that both sides have agreed on. */
export interface Session {
  readonly call: Outgoing;
  readonly invite: Incoming;
  readonly ok: SipMessage;
}

/** The next provisional response above 100, which each hop gives itself. */
export async function progress(call: Outgoing): Promise<SipMessage> {
  for (;;) {
    const response = await call.provisional.next('provisional response');
    if (response.status > 100) return response;
  }
}

/** INVITE, 180, 200, ACK. */
export async function establish(stage: Stage, caller: CallAgent, callee: CallAgent): Promise<Session> {
  const call = await caller.invite(callee.address, OFFER);
  const invite = await callee.take('INVITE');
  stage.equal(changedOnTheWay(call.message, invite.message), [], 'the INVITE arrives with nothing changed that is not a proxy’s to change');
  invite.answer(180);
  stage.equal((await progress(call)).status, 180, 'the caller hears it ring');
  invite.answer(200, OFFER);
  const ok = await call.final();
  stage.equal([ok.status, ok.body.toString('latin1')], [200, SDP], 'and is answered, the SDP as it was written');
  caller.inDialog('ACK', call.message, ok);
  await callee.take('ACK');
  return { call, invite, ok };
}

/** A BYE of the caller. */
export async function hangUp(
  stage: Stage,
  caller: CallAgent,
  callee: CallAgent,
  { call, ok }: Pick<Session, 'call' | 'ok'>,
): Promise<void> {
  const bye = caller.inDialog('BYE', call.message, ok);
  (await callee.take('BYE')).answer(200, { contact: false });
  stage.equal((await bye.final()).status, 200, 'the call ends with BYE');
}
