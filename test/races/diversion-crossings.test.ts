import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Incoming, Outgoing } from '../helpers/call-agent.ts';
import { Phones } from '../helpers/phones.ts';
import { callRule, callServicesPath, diversionDocument, forwardTo } from '../scenarios/documents.ts';

let phones: Phones;

beforeEach(async () => {
  phones = await Phones.open(['alice', 'bob', 'carol']);
});
afterEach(() => phones.close());

const divert = (conditions: string) => phones.set('bob', diversionDocument(callRule('r', conditions, forwardTo(phones.address('carol')))));

/** Alice calls; bob's phone rings until the server gives it up, and carol's has the call. */
async function givenUp(): Promise<{ call: Outgoing; bob: Incoming; carol: Incoming }> {
  await divert('<no-answer/>');
  const call = await phones.of('alice').invite(phones.address('bob'));
  const bob = await phones.of('bob').take('INVITE');
  bob.answer(180);
  await phones.of('bob').take('CANCEL');
  return { call, bob, carol: await phones.of('carol').take('INVITE') };
}

describe('RFC 3261 9.1, 16.7: a diversion for want of an answer', () => {
  it('that crosses the answer: the call is the first phone’s, and the other is cancelled', async () => {
    const { call, bob, carol } = await givenUp();
    bob.answer(200);
    const ok = await call.final();
    expect(ok.status).toBe(200);
    phones.of('alice').inDialog('ACK', call.message, ok);
    await phones.of('bob').take('ACK');
    carol.answer(180);
    await phones.of('carol').take('CANCEL');
    carol.answer(487);
    await phones.of('carol').take('ACK');
    const bye = phones.of('alice').inDialog('BYE', call.message, ok);
    (await phones.of('bob').take('BYE')).answer(200, { contact: false });
    expect((await bye.final()).status).toBe(200);
  });

  it('after which both answer: the caller gets both, each a dialog of its own', async () => {
    const { call, bob, carol } = await givenUp();
    bob.answer(200);
    carol.answer(200);
    const answers = [await call.final(), await call.final()];
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    for (const ok of answers) phones.of('alice').inDialog('ACK', call.message, ok);
    const taken = [await phones.of('bob').take('ACK'), await phones.of('carol').take('ACK')];
    expect(taken).toHaveLength(2);
  });

  it('and then the caller gives up: the new target is cancelled, 487', async () => {
    const { call, bob, carol } = await givenUp();
    bob.answer(487);
    await phones.of('bob').take('ACK');
    carol.answer(180);
    expect((await phones.of('alice').cancel(call)).status).toBe(200);
    await phones.of('carol').take('CANCEL');
    carol.answer(487);
    await phones.of('carol').take('ACK');
    expect((await call.final()).status).toBe(487);
  });
});

describe('RFC 3261 16.10: the caller gives up', () => {
  it('while the first phone rings: nothing is diverted', async () => {
    await divert('<no-answer/>');
    const call = await phones.of('alice').invite(phones.address('bob'));
    const bob = await phones.of('bob').take('INVITE');
    bob.answer(180);
    expect((await phones.of('alice').cancel(call)).status).toBe(200);
    await phones.of('bob').take('CANCEL');
    bob.answer(487);
    await phones.of('bob').take('ACK');
    expect((await call.final()).status).toBe(487);
    await new Promise((resolve) => setTimeout(resolve, 1300));
    expect(phones.of('carol').untaken).toEqual([]);
  });

  it('and the first phone is busy at that moment: nothing is diverted', async () => {
    await divert('<busy/>');
    const call = await phones.of('alice').invite(phones.address('bob'));
    const bob = await phones.of('bob').take('INVITE');
    bob.answer(180);
    expect((await phones.of('alice').cancel(call)).status).toBe(200);
    await phones.of('bob').take('CANCEL');
    bob.answer(486);
    await phones.of('bob').take('ACK');
    expect([486, 487]).toContain((await call.final()).status);
    expect(phones.of('carol').untaken).toEqual([]);
  });
});

describe('TS 24.623: documents that change while calls come in', () => {
  it('count for each call that begins after the answer to the edit', async () => {
    const xcap = await phones.stage.xcap('bob');
    for (let i = 0; i < 15; i++) {
      const [, before] = await Promise.all([divert(''), phones.call('alice', phones.address('bob'))]);
      expect(['bob', 'carol']).toContain(before.reached);
      expect((await phones.call('alice', phones.address('bob'))).reached).toBe('carol');
      expect((await xcap.delete(callServicesPath('bob'))).status).toBe(200);
      expect((await phones.call('alice', phones.address('bob'))).reached).toBe('bob');
    }
  });
});
