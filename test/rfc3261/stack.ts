/** A SIP stack on loopback ports with a small user directory, for the wire tests of the stack. */
import { expect } from 'vitest';
import type { Authenticator, UserDirectory } from '../../sip/core/authenticator.ts';
import { Identifier } from '../../sip/core/identity.ts';
import type { Logger } from '../../sip/core/log.ts';
import { MethodRouter } from '../../sip/core/router.ts';
import type { StateStore, StateTable } from '../../sip/core/state-store.ts';
import { UserAgentClient } from '../../sip/core/uac.ts';
import { TransactionLayer, type TransactionOptions } from '../../sip/transaction/transaction-layer.ts';
import { Locator } from '../../sip/transport/locate.ts';
import { NameService, type NameServiceOptions } from '../../sip/transport/name-service.ts';
import { TimerWheel } from '../../sip/transport/timer-wheel.ts';
import { TransportLayer, type TransportOptions } from '../../sip/transport/transport.ts';
import { UdpPeer } from './peer.ts';

export interface StackOptions {
  readonly host?: string;
  readonly transport?: TransportOptions;
  readonly transaction?: TransactionOptions;
  readonly authenticator?: Authenticator;
  readonly supported?: readonly string[];
  readonly log?: Logger;
  readonly names?: NameServiceOptions;
}

export interface Stack {
  readonly port: number;
  readonly router: MethodRouter;
  readonly transport: TransportLayer;
  readonly transactions: TransactionLayer;
  readonly uac: UserAgentClient;
  readonly locator: Locator;
  readonly wheel: TimerWheel;
  /** What the stack or a timer threw, which no test wants. */
  readonly failures: unknown[];
  close(): Promise<void>;
}

/** alice and bob live at example.com; nobody else lives anywhere. */
export const users: UserDirectory = {
  servesDomain: (host) => host === 'example.com',
  isAdmin: () => false,
  hasUser: (address) => address === 'sip:alice@example.com' || address === 'sip:bob@example.com',
};

export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const failures: unknown[] = [];
  const wheel = new TimerWheel((error) => failures.push(error));
  const transport = new TransportLayer(wheel, options.transport);
  const transactions = new TransactionLayer(transport, wheel, { onError: (error) => failures.push(error), ...options.transaction });
  const names = new NameService(options.names);
  const locator = new Locator({ names, speaks: (protocol, family) => transport.speaks(protocol, family) });
  const router = new MethodRouter({
    users,
    identifier: new Identifier({ users, authenticator: options.authenticator }),
    supported: options.supported,
    allowEvents: () => ['presence'],
    log: options.log,
  });
  transactions.onRequest = (transaction) => router.route(transaction);
  const host = options.host ?? '127.0.0.1';
  let port = 0;
  for (let tries = 0; port === 0; tries++) {
    const udp = await transport.listen('UDP', host, 0);
    try {
      await transport.listen('TCP', host, udp.port);
      port = udp.port;
    } catch (error) {
      if (tries > 20) throw error;
    }
  }
  return {
    port,
    router,
    transport,
    transactions,
    uac: new UserAgentClient(transactions, locator, transport),
    locator,
    wheel,
    failures,
    async close() {
      names.close();
      await transport.close();
      wheel.close();
    },
  };
}

/** A state store in memory; `restart` gives one that has only what was put and committed. */
export class MemoryStateStore implements StateStore {
  private readonly tables: Map<string, Map<string, string>>;
  private pending: (() => void)[] = [];
  private holding = false;

  constructor(tables = new Map<string, Map<string, string>>()) {
    this.tables = tables;
  }

  table<T>(name: string): StateTable<T> {
    const rows = this.tables.get(name) ?? new Map<string, string>();
    this.tables.set(name, rows);
    return {
      load: () => [...rows].map(([id, json]): [string, T] => [id, JSON.parse(json) as T]),
      put: (id, record) => void rows.set(id, JSON.stringify(record)),
      delete: (id) => void rows.delete(id),
    };
  }

  afterCommit(callback: () => void): void {
    if (this.holding) this.pending.push(callback);
    else callback();
  }

  /** From now on nothing is durable until `commit`. */
  hold(): void {
    this.holding = true;
  }

  commit(): void {
    this.holding = false;
    for (const callback of this.pending.splice(0)) callback();
  }

  restart(): MemoryStateStore {
    return new MemoryStateStore(this.tables);
  }
}

/** Stacks and peers of one test file, closed after each test; a stack must not have thrown anything by then. */
export class Stacks {
  private readonly cleanups: (() => void | Promise<void>)[] = [];

  async start(options?: StackOptions): Promise<Stack> {
    const stack = await startStack(options);
    this.cleanups.push(async () => {
      expect(stack.failures).toEqual([]);
      await stack.close();
    });
    return stack;
  }

  async peerOf(stack: Stack): Promise<UdpPeer> {
    const peer = await UdpPeer.open(stack.port);
    this.cleanups.push(() => peer.close());
    return peer;
  }

  /** Has something closed after the test, the last first. */
  push(cleanup: () => void | Promise<void>): void {
    this.cleanups.push(cleanup);
  }

  async close(): Promise<void> {
    for (const cleanup of this.cleanups.splice(0).reverse()) await cleanup();
  }
}
