import { join } from 'node:path';
import { createSipNode } from '../sip/node.ts';
import { followChanges } from './accounts/account-changes.ts';
import { AccountStore } from './accounts/account-store.ts';
import { Digest } from './accounts/digest.ts';
import { Directory } from './accounts/directory.ts';
import { AccountHttpAuthenticator, openHttpAuthenticator } from './accounts/http-authenticator.ts';
import { Nonces } from './accounts/nonces.ts';
import { SipAuthenticator } from './accounts/sip-authenticator.ts';
import type { Config } from './config-keys.ts';
import { listenHttp } from './http.ts';
import { listenError } from './listen-error.ts';
import { createLogger, type Logger } from './logger.ts';
import { Metrics } from './metrics.ts';
import { makeDataDirectory } from './storage/data-directory.ts';
import { lockDataDirectory } from './storage/sqlite/data-lock.ts';
import { SqliteDocumentStore } from './storage/sqlite/documents.ts';
import { SqliteStateStore } from './storage/sqlite/state.ts';
import { readVersion } from './version.ts';
import { createXcap } from './xcap.ts';

export interface RunningRollcall {
  readonly config: Config;
  /** One per HTTP endpoint, with the port that was taken. */
  readonly http: readonly { readonly address: string; readonly port: number }[];
  /** One per SIP endpoint and protocol. */
  readonly sip: readonly { readonly protocol: 'UDP' | 'TCP'; readonly address: string; readonly port: number }[];
  readonly accounts: AccountStore;
  /** Ends what is under way, stores what is outstanding and closes everything; may be called again. */
  stop(): Promise<void>;
}

/**
 * Assembles and starts a server; it listens once the promise resolves. Nothing stays behind when it rejects: with a StorageError when
 * the data directory cannot be used, with a ListenError when an endpoint cannot be listened on.
 */
export async function startRollcall(config: Config, options: { logger?: Logger } = {}): Promise<RunningRollcall> {
  const log = options.logger ?? createLogger(config.logLevel);
  /** What has to be undone, in reverse order. */
  const undo: (() => void | Promise<void>)[] = [];
  const stop = async () => {
    for (let step = undo.pop(); step; step = undo.pop()) await step();
  };
  try {
    const stores = openStores(config, log, undo);
    return { config, accounts: stores.accounts, ...(await listen(config, stores, log, undo)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Stores {
  readonly accounts: AccountStore;
  readonly documents: SqliteDocumentStore;
  readonly state: SqliteStateStore;
}

function openStores({ dataDirectory, domains }: Config, log: Logger, undo: (() => void)[]): Stores {
  makeDataDirectory(dataDirectory);
  undo.push(lockDataDirectory(dataDirectory));
  const accounts = new AccountStore(join(dataDirectory, 'accounts.db'));
  undo.push(() => accounts.close());
  accounts.domains = domains;
  const documents = new SqliteDocumentStore(join(dataDirectory, 'documents.db'), log);
  undo.push(() => documents.close());
  const state = new SqliteStateStore(join(dataDirectory, 'state.db'), log);
  undo.push(() => state.close());
  return { accounts, documents, state };
}

async function listen(
  config: Config,
  { accounts, documents, state }: Stores,
  log: Logger,
  undo: (() => void | Promise<void>)[],
): Promise<Pick<RunningRollcall, 'http' | 'sip'>> {
  const { domains, defaultDecision } = config;
  const open = config.auth === 'none';
  const users = new Directory(domains, open ? undefined : accounts);
  const digest = new Digest(new Nonces(), (address) => accounts.find(address));
  const metrics = new Metrics(readVersion());
  documents.onChange(() => metrics.countChange());

  const xcap = await createXcap({
    roots: config.xcapRoots,
    documents,
    directory: users,
    // Asked only once requests come in, when the node is there.
    mayWatch: (watcher, presentity) => node.mayWatch(watcher, presentity),
    usages: config.usages,
    hasAccount: (address) => accounts.find(address) !== undefined,
    authenticator: open ? openHttpAuthenticator : new AccountHttpAuthenticator(digest, accounts, domains, log),
    log,
  });
  const node = createSipNode({
    listen: config.sip,
    authenticator: open ? undefined : new SipAuthenticator(digest, domains, log),
    users,
    documents,
    lists: xcap.lists,
    state,
    defaultDecision,
    minExpires: config.minExpires,
    log,
  });
  undo.push(() => node.stop());
  if (!open) undo.push(followChanges(accounts, () => node.usersChanged()));
  const sip = await node.start().catch((error: unknown) => {
    throw listenError('SIP', config.sip, error);
  });

  const http: { address: string; port: number }[] = [];
  for (const endpoint of config.http) {
    const listener = await listenHttp({ endpoint, xcap: xcap.plugin, bodyLimit: xcap.bodyLimit, metrics, log }).catch((error: unknown) => {
      throw listenError('HTTP', [endpoint], error);
    });
    undo.push(() => listener.stop());
    http.push({ address: listener.address, port: listener.port });
  }
  return { http, sip };
}
