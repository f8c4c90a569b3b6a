import { afterEach, describe, expect, it } from 'vitest';
import type { Call, CallService, Verdict } from '../../sip/core/call-service.ts';
import { PROCEED } from '../../sip/core/call-service.ts';
import type { CallAgent } from '../helpers/call-agent.ts';
import { within } from '../helpers/call-stage.ts';
import { header } from '../helpers/sip-message.ts';
import { type ProxyStack, startProxyStack } from './proxy-stack.ts';

let proxy: ProxyStack;
let alice: CallAgent;
let bob: CallAgent;

async function open(service: Omit<CallService, 'name'>, options: { maxOpen?: number } = {}): Promise<void> {
  proxy = await startProxyStack({ services: [{ name: 'idle' }, { name: 'test', ...service }], ...options });
  alice = await proxy.agent('alice');
  bob = await proxy.agent('bob');
  await bob.register();
}
afterEach(() => proxy.close());

const later = (verdict: Verdict): Promise<Verdict> => within(50).then(() => verdict);
const divertTo = (uri: string): Verdict => ({ kind: 'divert', targets: [{ uri, headers: [] }], announce: true, because: 'a test' });

describe('services of users', () => {
  it('are told who calls whom, and may answer at once or later', async () => {
    const seen: Call[] = [];
    let verdict: () => Verdict | Promise<Verdict> = () => PROCEED;
    await open({
      onRequest(call) {
        seen.push(call);
        return verdict();
      },
    });
    const refusal: Verdict = { kind: 'answer', status: 603, headers: [['X-Why', 'because']], because: 'a test' };
    for (const one of [() => refusal, () => later(refusal)]) {
      verdict = one;
      const response = await alice.request('INVITE', bob.address, { headers: [['Contact', `<${alice.contact}>`]] });
      expect([response.status, header(response, 'x-why')]).toEqual([603, 'because']);
    }
    verdict = () => later(PROCEED);
    const asked = alice.request('MESSAGE', bob.address);
    (await bob.take('MESSAGE')).answer(200, { contact: false });
    expect((await asked).status).toBe(200);
    const told = ({ caller, callerVerified, callee, uri, diverted }: Call): unknown => [caller, callerVerified, callee, uri, diverted];
    expect(seen.map(told)).toEqual(Array(3).fill([alice.address, false, bob.address, bob.address, []]));
    expect(bob.untaken).toEqual([]);
  });

  it('a CANCEL while they think ends the call, and what they say later has no effect', async () => {
    await open({ onRequest: () => within(300).then(() => PROCEED) });
    const call = await alice.invite(bob.address);
    await within(50);
    expect((await alice.cancel(call)).status).toBe(200);
    expect((await call.final()).status).toBe(487);
    await within(350);
    expect(bob.untaken).toEqual([]);
  });

  it('hear once when nothing more becomes of a call, also of one that is over before they ask', async () => {
    const ends: string[] = [];
    let pause = 0;
    await open({
      async onRequest(call) {
        await within(pause);
        call.onEnd?.(() => ends.push(call.request.callId));
        return PROCEED;
      },
    });
    const answered = await alice.invite(bob.address);
    const incoming = await bob.take('INVITE');
    expect(ends).toEqual([]);
    incoming.answer(486);
    await answered.final();
    await bob.take('ACK');
    expect(ends).toHaveLength(1);
    pause = 300;
    const cancelled = await alice.invite(bob.address);
    await within(50);
    await alice.cancel(cancelled);
    expect((await cancelled.final()).status).toBe(487);
    expect(ends).toHaveLength(1);
    await expect.poll(() => ends.length).toBe(2);
    expect(new Set(ends).size).toBe(2);
  });

  it('divert a call with 181, the headers replaced, and no more often than ten times', async () => {
    let target = 'sip:bob@example.com';
    await open({
      onRequest: ({ callee, diverted }) =>
        callee === 'sip:alice@example.com' && (diverted.length === 0 || target === 'sip:alice@example.com')
          ? {
              kind: 'divert',
              announce: true,
              because: 'a test',
              targets: [{ uri: target, headers: [['Diversion', '<sip:alice@example.com>']] }],
            }
          : PROCEED,
    });
    const caller = await proxy.agent('carol');
    const call = await caller.invite('sip:alice@example.com', { headers: [['Diversion', '<sip:forged@x.test>']] });
    expect((await call.provisional.next('181')).status).toBe(181);
    const invite = await bob.take('INVITE');
    expect(header(invite.message, 'diversion')).toBe('<sip:alice@example.com>');
    invite.answer(486);
    await bob.take('ACK');
    expect((await call.final()).status).toBe(486);
    target = 'sip:alice@example.com';
    expect((await caller.request('OPTIONS', target)).status).toBe(482);
  });

  it('hear why nobody took it, and may divert then', async () => {
    const causes: string[] = [];
    await open({
      onFailure({ callee }, { cause, status }) {
        if (callee !== bob.address) return PROCEED;
        causes.push(`${cause} ${status}`);
        return later(divertTo(alice.address));
      },
    });
    await alice.register();
    const caller = await proxy.agent('carol');
    for (const status of [486, 600, 480, 503]) {
      const call = await caller.invite(bob.address);
      (await bob.take('INVITE')).answer(status);
      await bob.take('ACK');
      (await alice.take('INVITE')).answer(404);
      await alice.take('ACK');
      expect((await call.final()).status).toBe(404);
    }
    await bob.register(';expires=0');
    const asked = caller.request('OPTIONS', bob.address);
    (await alice.take('OPTIONS')).answer(200, { contact: false });
    expect((await asked).status).toBe(200);
    expect(causes).toEqual(['busy 486', 'busy 600', 'not-reachable 480', 'not-reachable 500', 'not-logged-in 480']);
  });

  it('a decline is the callee’s own, and no failure', async () => {
    await open({ onFailure: () => divertTo(alice.address) });
    const call = await alice.invite(bob.address);
    (await bob.take('INVITE')).answer(603);
    await bob.take('ACK');
    expect((await call.final()).status).toBe(603);
  });

  it('when the time for a reply runs out: it goes on ringing, or is cancelled and diverted', async () => {
    let verdict: Verdict = PROCEED;
    await open({
      noReplyTimeout: ({ callee }) => (callee === bob.address ? 100 : undefined),
      onFailure: ({ callee }) => (callee === bob.address ? verdict : PROCEED),
    });
    let call = await alice.invite(bob.address);
    let invite = await bob.take('INVITE');
    invite.answer(180);
    await within(250);
    invite.answer(200);
    const ok = await call.final();
    expect(ok.status).toBe(200);
    alice.inDialog('ACK', call.message, ok);
    await bob.take('ACK');

    verdict = divertTo('sip:alice@example.com');
    await alice.register();
    call = await (await proxy.agent('carol')).invite(bob.address);
    invite = await bob.take('INVITE');
    invite.answer(180);
    await bob.take('CANCEL');
    const there = await alice.take('INVITE');
    // What the cancelled one says now is of no interest; a 2xx would be.
    invite.answer(183);
    invite.answer(487);
    await bob.take('ACK');
    there.answer(486);
    await alice.take('ACK');
    expect((await call.final()).status).toBe(486);
    expect(call.provisional.left.map(({ status }) => status).filter((status) => status > 100)).toEqual([180, 181]);
  });

  it('may take a request that nobody answers, whose late answer is then not passed on', async () => {
    await open({
      noReplyTimeout: () => 100,
      onFailure: () => ({ kind: 'answer', status: 202, because: 'kept' }),
    });
    const asked = alice.send('MESSAGE', bob.address);
    const incoming = await bob.take('MESSAGE');
    expect((await asked.final()).status).toBe(202);
    incoming.answer(200, { contact: false });
    await within(50);
  });

  it('an error in one is ours: 500, and the next request finds the proxy well', async () => {
    let broken = true;
    await open({
      onRequest() {
        if (broken) throw new TypeError('a bug');
        return PROCEED;
      },
    });
    expect((await alice.request('OPTIONS', bob.address)).status).toBe(500);
    broken = false;
    const asked = alice.request('OPTIONS', bob.address);
    (await bob.take('OPTIONS')).answer(200, { contact: false });
    expect((await asked).status).toBe(200);
  });
});

describe('limits', () => {
  it('beyond the requests that may be under way: 503 with Retry-After, and room again when one has ended', async () => {
    await open({}, { maxOpen: 1 });
    const first = alice.send('OPTIONS', bob.address);
    const incoming = await bob.take('OPTIONS');
    const refused = await alice.request('OPTIONS', bob.address);
    expect([refused.status, header(refused, 'retry-after')]).toEqual([503, '5']);
    incoming.answer(200, { contact: false });
    expect((await first.final()).status).toBe(200);
    const second = alice.request('OPTIONS', bob.address);
    (await bob.take('OPTIONS')).answer(200, { contact: false });
    expect((await second).status).toBe(200);
  });
});
