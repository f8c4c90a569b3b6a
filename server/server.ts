import { join } from 'node:path';
import { createSipNode } from '../sip/node.ts';
import type { Protocol } from '../sip/transport/flow.ts';
import { followChanges } from './accounts/account-changes.ts';
import { AccountStore } from './accounts/account-store.ts';
import { AssertingHttpAuthenticator } from './accounts/asserting-authenticator.ts';
import { Digest } from './accounts/digest.ts';
import { Directory } from './accounts/directory.ts';
import { AccountHttpAuthenticator, openHttpAuthenticator } from './accounts/http-authenticator.ts';
import { LoginBrake } from './accounts/login-brake.ts';
import { Nonces } from './accounts/nonces.ts';
import { SipAuthenticator } from './accounts/sip-authenticator.ts';
import { trustedAddresses } from './accounts/trusted-addresses.ts';
import { listenAdminSocket } from './admin/admin-socket.ts';
import { mailboxRoutes } from './admin/mailbox-routes.ts';
import { messageRoutes } from './admin/message-routes.ts';
import { subscriptionRoutes } from './admin/subscription-routes.ts';
import { whyRoutes } from './admin/why-routes.ts';
import { callSettings } from './call-settings.ts';
import type { Config } from './config-keys.ts';
import { forbiddenTargets } from './forbidden-targets.ts';
import { listenHttp } from './http.ts';
import { HttpConnections } from './http-connections.ts';
import { listSettings } from './list-settings.ts';
import { listenError } from './listen-error.ts';
import { createLogger, type Logger } from './logger.ts';
import { messageSettings } from './message-settings.ts';
import { Metrics } from './metrics.ts';
import { pacingSettings } from './pacing-settings.ts';
import { makeDataDirectory } from './storage/data-directory.ts';
import { lockDataDirectory } from './storage/sqlite/data-lock.ts';
import { SqliteDocumentStore } from './storage/sqlite/documents.ts';
import { SqliteStateStore } from './storage/sqlite/state.ts';
import { TlsCertificate } from './tls-certificate.ts';
import { readVersion } from './version.ts';
import { createXcap } from './xcap.ts';
import { xcapRootUri } from './xcap-root-uri.ts';

export interface RunningRollcall {
  readonly config: Config;
  /** One per HTTP endpoint, with the port that was taken. */
  readonly http: readonly { readonly address: string; readonly port: number; readonly secure: boolean }[];
  /** One per SIP endpoint and protocol. */
  readonly sip: readonly { readonly protocol: Protocol; readonly address: string; readonly port: number }[];
  readonly accounts: AccountStore;
  /** Reads the TLS certificate again; a bad one is told in the log and not used. */
  reload(): void;
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
): Promise<Pick<RunningRollcall, 'http' | 'sip' | 'reload'>> {
  const { domains, defaultDecision } = config;
  const open = config.auth === 'none';
  const users = new Directory(domains, open ? undefined : accounts);
  const findAccount = (address: string) => accounts.find(address);
  const isProxy = trustedAddresses(config.trustedProxies);
  const isTrustedPeer = config.sipTrustedPeers.length > 0 ? trustedAddresses(config.sipTrustedPeers) : undefined;
  // All users may be behind either kind of proxy: none of them answers for what another one fails.
  const brake = new LoginBrake((peer) => isProxy(peer) || (isTrustedPeer?.(peer) ?? false));
  const digest = new Digest(new Nonces(), findAccount, brake, config.digestAlgorithms);
  const metrics = new Metrics(readVersion());
  const mayReadMetrics = trustedAddresses(config.metricsFrom);
  documents.onChange(() => metrics.countChange());

  const http: { address: string; port: number; secure: boolean }[] = [];
  const authenticator = open
    ? openHttpAuthenticator
    : new AssertingHttpAuthenticator({
        inner: new AccountHttpAuthenticator(digest, accounts, domains, brake, log),
        isTrusted: isProxy,
        resolve: (identity) => users.resolveXui(identity),
        findAccount,
        log,
      });
  const xcap = await createXcap({
    roots: config.xcapRoots,
    publicRoot: config.xcapPublicRoot,
    documents,
    directory: users,
    // Asked only once requests come in, when the node is there.
    mayWatch: (watcher, presentity) => node.mayWatch(watcher, presentity),
    usages: config.usages,
    hasAccount: (address) => accounts.find(address) !== undefined,
    authenticator,
    limits: { documentBytes: config.maxDocumentSize, depth: config.maxDepth, documents: config.maxDocuments },
    rootUri: () => xcapRootUri(config, http[0]),
    requester: (address) => ({ address, admin: users.isAdmin(address) }),
    log,
  });
  const certificate = openCertificate(config, log);
  undo.push(() => certificate?.close());
  const node = createSipNode({
    listen: config.sip,
    tls: certificate,
    maxConnections: config.maxConnections,
    maxConnectionsPerAddress: config.maxConnectionsPerAddress,
    authenticator: open ? undefined : new SipAuthenticator(digest, domains, log, config.anonymousWatchers === 'accept'),
    isTrustedPeer,
    ownFromOnly: config.sipFrom === 'own',
    users,
    documents,
    lists: xcap.lists,
    resources: xcap.resources,
    state,
    dnsServers: config.dnsServers,
    nextHops: config.nextHops,
    isForbiddenTarget: forbiddenTargets(config),
    udpLimit: config.udpLimit,
    defaultDecision,
    minExpires: config.minExpires,
    maxContacts: config.maxContacts,
    maxSubscriptionsPerAddress: config.maxSubscriptionsPerAddress,
    undecidedTime: config.undecidedTime,
    deactivateOnStop: config.deactivateOnStop,
    t1: config.t1,
    timerC: config.timerC * 1000,
    diffInterval: config.diffInterval,
    pacing: pacingSettings(config),
    presenceFromRegistrations: config.presenceFromRegistrations === 'yes',
    ownWatcherinfo: config.ownWatcherinfo === 'allow',
    calls: callSettings(config),
    listSettings: listSettings(config),
    messages: messageSettings(config),
    log,
  });
  undo.push(() => node.stop());
  metrics.watchSip(() => node.counts);
  if (!open) undo.push(followChanges(accounts, () => node.usersChanged()));
  const sip = await node.start().catch((error: unknown) => {
    throw listenError('SIP', config.sip, error);
  });

  const routes = [
    ...mailboxRoutes(node.mailboxes, users),
    ...messageRoutes(node.waitingMessages, users),
    ...subscriptionRoutes(node.subscriptions, users),
    ...whyRoutes(node.sightOf, users),
  ];
  const admin = { routes, authenticator, log };
  undo.push(await listenAdminSocket(config.dataDirectory, admin.routes, log));
  const { maxHttpConnections: most, maxHttpConnectionsPerAddress: mostPerAddress } = config;
  const connections = new HttpConnections({ most, mostPerAddress, isProxy }, log);
  for (const endpoint of config.http) {
    const { plugin, bodyLimit } = xcap;
    const listener = await listenHttp({
      endpoint,
      certificate,
      admin,
      xcap: plugin,
      bodyLimit,
      metrics,
      mayReadMetrics,
      connections,
      log,
    }).catch((error: unknown) => {
      throw listenError('HTTP', [endpoint], error);
    });
    undo.push(() => listener.stop());
    http.push({ address: listener.address, port: listener.port, secure: endpoint.secure ?? false });
  }
  return { http, sip, reload: () => certificate?.reload() };
}

/** For what listens by TLS, and for connections to other servers, which use what of it there is. */
function openCertificate(
  { http, sip, tlsCertificate, tlsKey, tlsAuthorities, tlsDomains }: Config,
  log: Logger,
): TlsCertificate | undefined {
  const wanted = http.some(({ secure }) => secure)
    ? 'https'
    : sip.find(({ transport }) => transport === 'tls' || transport === 'wss')?.transport;
  if (wanted === undefined && tlsCertificate === '' && tlsAuthorities === '') return undefined;
  return new TlsCertificate({ cert: tlsCertificate, key: tlsKey, ca: tlsAuthorities, domains: tlsDomains }, log, wanted);
}
