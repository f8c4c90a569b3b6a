import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Identifier } from '../../sip/core/identity.ts';
import { silentLogger } from '../../sip/core/log.ts';
import { SipProxy } from '../../sip/core/proxy.ts';
import { Registrar } from '../../sip/core/registrar.ts';
import { MethodRouter } from '../../sip/core/router.ts';
import { Locator } from '../../sip/transport/locate.ts';
import { NameService } from '../../sip/transport/name-service.ts';
import { NextHops } from '../../sip/transport/next-hops.ts';
import { CallAgent } from '../helpers/call-agent.ts';
import { within } from '../helpers/call-stage.ts';
import { MemoryStateStore, type Stack, startStack, users } from './stack.ts';

let stack: Stack;
let alice: CallAgent;
let bob: CallAgent;

/** The proxy of the server on a stack of its own, with a Timer C shorter than any admin may set. */
beforeEach(async () => {
  stack = await startStack({ transaction: { t1: 30 } });
  const { wheel, transport, transactions } = stack;
  const state = new MemoryStateStore();
  const registrar = new Registrar({ users, stateStore: state, wheel });
  const identifier = new Identifier({ users });
  const locator = new Locator({ names: new NameService(), speaks: (protocol, family) => transport.speaks(protocol, family) });
  const nextHops = new NextHops([]);
  const shared = { users, identifier, registrar, transactions, transport, wheel, state, locator, nextHops };
  const proxy = new SipProxy({ ...shared, log: silentLogger, services: [], timerC: 600 });
  const router = new MethodRouter({ users, identifier, forwarder: proxy, isLocalAddress: (host, port) => transport.isLocal(host, port) });
  router.handle('REGISTER', registrar.handler);
  transactions.onRequest = (transaction) => router.route(transaction);
  const server = { address: '127.0.0.1', port: stack.port };
  alice = await CallAgent.open({ user: 'alice', domain: 'example.com', server });
  bob = await CallAgent.open({ user: 'bob', domain: 'example.com', server });
  await bob.register();
});
afterEach(async () => {
  const closed = await Promise.allSettled([alice.close(), bob.close()]);
  await stack.close();
  expect(stack.failures).toEqual([]);
  for (const one of closed) if (one.status === 'rejected') throw one.reason;
});

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
