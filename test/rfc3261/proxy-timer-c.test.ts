import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CallAgent } from '../helpers/call-agent.ts';
import { within } from '../helpers/call-stage.ts';
import { type ProxyStack, startProxyStack } from './proxy-stack.ts';

let proxy: ProxyStack;
let alice: CallAgent;
let bob: CallAgent;

/** A Timer C shorter than any admin may set. */
beforeEach(async () => {
  proxy = await startProxyStack({ timerC: 600 });
  alice = await proxy.agent('alice');
  bob = await proxy.agent('bob');
  await bob.register();
});
afterEach(() => proxy.close());

describe('RFC 3261 16.8: Timer C', () => {
  it('cancels a call that rings too long, each provisional response starting it anew', async () => {
    const call = await alice.invite(bob.address);
    const invite = await bob.take('INVITE');
    invite.answer(180);
    await within(400);
    invite.answer(183);
    await within(400);
    expect(bob.untaken).toEqual([]);
    await bob.take('CANCEL');
    invite.answer(487);
    await bob.take('ACK');
    expect((await call.final()).status).toBe(487);
  });

  it('a target that answers not even the CANCEL is given up, and the sender told 408', async () => {
    const call = await alice.invite(bob.address);
    const invite = await bob.take('INVITE');
    invite.answer(180);
    await bob.take('CANCEL');
    expect((await call.final()).status).toBe(408);
  });

  it('17.1.1.2: a target that never says anything is given up with Timer B', async () => {
    bob.deaf = true;
    const call = await alice.invite(bob.address);
    expect((await call.final()).status).toBe(408);
  });
});
