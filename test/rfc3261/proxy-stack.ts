import { Identifier } from '../../sip/core/identity.ts';
import { silentLogger } from '../../sip/core/log.ts';
import { type ProxyOptions, SipProxy } from '../../sip/core/proxy.ts';
import { Registrar } from '../../sip/core/registrar.ts';
import { MethodRouter } from '../../sip/core/router.ts';
import { Locator } from '../../sip/transport/locate.ts';
import { NameService } from '../../sip/transport/name-service.ts';
import { NextHops } from '../../sip/transport/next-hops.ts';
import { CallAgent } from '../helpers/call-agent.ts';
import { MemoryStateStore, type Stack, startStack, users } from './stack.ts';

export interface ProxyStack {
  readonly stack: Stack;
  /** A telephone of alice or bob. */
  agent(user: string): Promise<CallAgent>;
  /** Rejects when a telephone got what must not be sent, or anything was thrown. */
  close(): Promise<void>;
}

/** The proxy of the server on a stack of its own, for what no admin may set and no document says. Authentication is off. */
export async function startProxyStack(
  options: Partial<Pick<ProxyOptions, 'services' | 'timerC' | 'maxOpen' | 'log'>> = {},
): Promise<ProxyStack> {
  const stack = await startStack({ transaction: { t1: 30 } });
  const { wheel, transport, transactions } = stack;
  const state = new MemoryStateStore();
  const registrar = new Registrar({ users, stateStore: state, wheel });
  const identifier = new Identifier({ users });
  const locator = new Locator({ names: new NameService(), speaks: (protocol, family) => transport.speaks(protocol, family) });
  const nextHops = new NextHops([]);
  const shared = { users, identifier, registrar, transactions, transport, wheel, state, locator, nextHops };
  const log = options.log ?? silentLogger;
  const proxy = new SipProxy({ ...shared, services: [], timerC: 190_000, ...options, log });
  const isLocalAddress = (host: string, port: number | undefined): boolean => transport.isLocal(host, port);
  const router = new MethodRouter({ users, identifier, forwarder: proxy, isLocalAddress, log });
  router.handle('REGISTER', registrar.handler);
  transactions.onRequest = (transaction) => router.route(transaction);
  const agents: CallAgent[] = [];
  return {
    stack,
    async agent(user) {
      const agent = await CallAgent.open({ user, domain: 'example.com', server: { address: '127.0.0.1', port: stack.port } });
      agents.push(agent);
      return agent;
    },
    async close() {
      const closed = await Promise.allSettled(agents.map((one) => one.close()));
      await stack.close();
      for (const one of closed) if (one.status === 'rejected') throw one.reason;
      if (stack.failures.length > 0) throw stack.failures[0];
    },
  };
}
