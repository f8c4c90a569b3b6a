import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CallAgent } from '../helpers/call-agent.ts';
import { CallStage, within } from '../helpers/call-stage.ts';
import { header } from '../helpers/sip-message.ts';

let stage: CallStage;
let alice: CallAgent;

beforeEach(async () => {
  stage = await CallStage.open();
  alice = await stage.agent('alice');
});
afterEach(() => stage.close());

describe('RFC 3261 16.10: CANCEL', () => {
  it('is answered hop by hop, cancels the branch, and the INVITE ends with 487 and ACK', async () => {
    const bob = await stage.registered('bob');
    const call = await alice.invite(bob.address);
    const invite = await bob.take('INVITE');
    invite.answer(180);
    await call.provisional.next('180');
    expect((await alice.cancel(call)).status).toBe(200);
    const cancel = await bob.take('CANCEL');
    expect(header(cancel.message, 'cseq')).toBe(header(invite.message, 'cseq')?.replace('INVITE', 'CANCEL'));
    expect(call.done).toBe(false);
    invite.answer(487);
    expect((await call.final()).status).toBe(487);
    await bob.take('ACK');
    expect(bob.untaken).toEqual([]);
  });

  it('9.1: waits for a provisional response before it goes on', async () => {
    const bob = await stage.registered('bob');
    const call = await alice.invite(bob.address);
    const invite = await bob.take('INVITE');
    expect((await alice.cancel(call)).status).toBe(200);
    await within(150);
    expect(bob.untaken).toEqual([]);
    invite.answer(100);
    await bob.take('CANCEL');
    invite.answer(487);
    await bob.take('ACK');
    expect((await call.final()).status).toBe(487);
  });

  it('that crosses a 200 has no effect: the call is there, and ends with BYE', async () => {
    const bob = await stage.registered('bob');
    const call = await alice.invite(bob.address);
    const invite = await bob.take('INVITE');
    invite.answer(180);
    await call.provisional.next('180');
    const cancelled = alice.cancel(call);
    await bob.take('CANCEL');
    invite.answer(200);
    expect((await cancelled).status).toBe(200);
    const ok = await call.final();
    expect(ok.status).toBe(200);
    alice.inDialog('ACK', call.message, ok);
    await bob.take('ACK');
    const bye = alice.inDialog('BYE', call.message, ok);
    (await bob.take('BYE')).answer(200, { contact: false });
    expect((await bye.final()).status).toBe(200);
  });

  it('stops sequential forking', async () => {
    const high = await stage.registered('bob', {}, ';q=0.9');
    const low = await stage.registered('bob', {}, ';q=0.1');
    const call = await alice.invite('sip:bob@example.com');
    const invite = await high.take('INVITE');
    invite.answer(180);
    await call.provisional.next('180');
    await alice.cancel(call);
    await high.take('CANCEL');
    invite.answer(486);
    await high.take('ACK');
    expect((await call.final()).status).toBe(486);
    await within(50);
    expect(low.untaken).toEqual([]);
  });

  it('passes on why (RFC 3326)', async () => {
    const bob = await stage.registered('bob');
    const call = await alice.invite(bob.address);
    const invite = await bob.take('INVITE');
    invite.answer(180);
    await call.provisional.next('180');
    const bytes = call.message.raw
      .toString('latin1')
      .replace(/^INVITE/, 'CANCEL')
      .replace(/CSeq: (\d+) INVITE/, 'CSeq: $1 CANCEL\r\nReason: SIP;cause=600;text="Busy"')
      .replace(/Proxy-Authorization: [^\r]*\r\n/, '');
    expect((await alice.sendBytes(Buffer.from(bytes, 'latin1')).final()).status).toBe(200);
    expect(header((await bob.take('CANCEL')).message, 'reason')).toBe('SIP;cause=600;text="Busy"');
    invite.answer(487);
    await bob.take('ACK');
    await call.final();
  });
});
