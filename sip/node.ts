/** Assembles the SIP side: stack, registrar, compositor, notifier, and the packages that `packages/` and `rls/` bring. */
import { addressHost } from '../schemas/address.ts';
import { SIMPLE_FILTER_TYPE } from '../schemas/filter/filter-set.ts';
import type { PresenceDocument } from '../schemas/pidf.ts';
import { Identifier } from './core/identity.ts';
import { LargeRequests } from './core/large-requests.ts';
import { messageTrace } from './core/message-trace.ts';
import { SipProxy } from './core/proxy.ts';
import { Registrar } from './core/registrar.ts';
import { MethodRouter } from './core/router.ts';
import { UserAgentClient } from './core/uac.ts';
import type { SubHandling, Watch } from './events/event-package.ts';
import { EventStateCompositor, publishHandler } from './events/event-state-compositor.ts';
import { Notifier } from './events/notifier.ts';
import { type Sight, sightOf } from './events/sight.ts';
import { subscribeHandler } from './events/subscribe-handler.ts';
import { SubscriptionControl } from './events/subscription-control.ts';
import type { WatchBase } from './events/watch.ts';
import { WatcherLists } from './events/watcher-list.ts';
import { ACCEPTED_CODINGS } from './message/content-coding.ts';
import type { SipEndpoint, SipNodeOptions } from './node-options.ts';
import type { Mailboxes } from './packages/mailboxes.ts';
import { presenceFormat, presencePackage } from './packages/presence.ts';
import { watcherinfoOf, watcherinfoPackages } from './packages/presence-winfo.ts';
import { publishedStates } from './packages/published-states.ts';
import { regPackage } from './packages/reg.ts';
import { xcapDiffPackage } from './packages/xcap-diff.ts';
import { activitiesOf } from './presence/composition.ts';
import { HardState } from './presence/hard-state.ts';
import { PRESENCE_RULES, PresencePolicy } from './presence/policy.ts';
import { registeredPresence } from './presence/registered-presence.ts';
import { addressesIn } from './rls/list-addresses.ts';
import { BROUGHT_LIST_TAG } from './rls/list-terms.ts';
import { resourceLists } from './rls/resource-lists.ts';
import { documentedServices } from './services/call-services.ts';
import { createMessages } from './services/messages.ts';
import { LIST_OPTION_TAG } from './services/recipient-list-message.ts';
import type { WaitingMessages } from './services/waiting-messages.ts';
import { TransactionLayer } from './transaction/transaction-layer.ts';
import { Locator } from './transport/locate.ts';
import { NameService } from './transport/name-service.ts';
import { NextHops } from './transport/next-hops.ts';
import { TimerWheel } from './transport/timer-wheel.ts';
import { type Destination, type Flow, type ListeningPoint, type Protocol, TransportLayer } from './transport/transport.ts';

export interface SipNode {
  readonly notifier: Notifier;
  /** For those who administer. */
  readonly subscriptions: SubscriptionControl;
  readonly registrar: Registrar;
  readonly mailboxes: Mailboxes;
  readonly waitingMessages: WaitingMessages;
  /** To be told when accounts have changed: what those who are gone have published goes, and so does what they watch. */
  usersChanged(): void;
  /** Do the presentity's rules let the watcher (both canonical addresses) see the presentity's presence now? */
  mayWatch(watcher: string, presentity: string): boolean | Promise<boolean>;
  /** What the watcher may see of the presentity, and why; undefined for a package without rules. Throws SipError when there is no such user. */
  sightOf(packageName: string, watcher: string, presentity: string, aliases: readonly string[]): Promise<Sight | undefined>;
  /** How much of what comes and goes there is now, by name: for metrics, and for whoever looks for leaks. */
  readonly counts: Readonly<Record<string, number>>;
  /** Listens, and takes up the state of an earlier run. Rejects with the socket's error. */
  start(): Promise<ListeningPoint[]>;
  stop(): Promise<void>;
}

const WAITING_LIMIT = 200;
const MAX_SUBSCRIPTIONS_PER_WATCHER = 10_000;
const MAX_SUBSCRIPTIONS = 500_000;
const MAX_PUBLICATIONS_PER_USER = 50;
/** Tries to find a port that is free for UDP and TCP alike. */
const PORT_TRIES = 20;

export function createSipNode(options: SipNodeOptions): SipNode {
  const { users, documents, lists, state, log, minExpires } = options;
  const now = Date.now;
  const onError = (error: unknown): void => log.error({ err: error }, 'SIP stack');
  const wheel = new TimerWheel(onError);
  const transport = new TransportLayer(wheel, {
    tls: options.tls,
    servesDomain: (host) => users.servesDomain(host),
    maxConnections: options.maxConnections,
    maxConnectionsPerSource: options.maxConnectionsPerAddress,
    onError: (err) => log.warn({ err }, 'SIP transport'),
    onShutOut: (fields, message) => log.warn(fields, message),
  });
  const { isTrustedPeer: isUnlimited, udpLimit, t1 } = options;
  const transactions = new TransactionLayer(transport, wheel, { onError, udpLimit, t1, isUnlimited });
  transactions.trace = messageTrace(log);
  const names = new NameService({ servers: options.dnsServers });
  const speaks = (protocol: Protocol, family: 4 | 6): boolean => transport.speaks(protocol, family);
  const locator = new Locator({ names, speaks, isForbidden: options.isForbiddenTarget });
  const uac = new UserAgentClient(transactions, locator, transport);

  const watchers = new WatcherLists({ state, wheel, waitingTime: options.undecidedTime * 1000, waitingLimit: WAITING_LIMIT, now });
  const isUser = (address: string): boolean => users.hasUser(address);
  const mayWatch = (address: string): boolean => isUser(address) || !users.servesDomain(addressHost(address) ?? '');
  const sendAll = (): void => transport.flush();
  const notifier = new Notifier({
    uac,
    // What has been stored for good is told before all else that the turn has to do; the rest once the turn has been committed.
    told: () => state.afterCommit(sendAll),
    wheel,
    state,
    watchers,
    log,
    now,
    isUser,
    mayWatch,
    forcedInterval: options.pacing.forced,
    undecidedTime: options.undecidedTime * 1000,
  });
  watchers.onChange((packageName, resource) => notifier.stateChanged(watcherinfoOf(packageName), resource));

  const compositorOptions = {
    state,
    wheel,
    now,
    hasUser: isUser,
    minExpires,
    defaultExpires: 3600,
    maxExpires: 86_400,
    maxPerUser: MAX_PUBLICATIONS_PER_USER,
  };
  const compositor = new EventStateCompositor<PresenceDocument>(presenceFormat, compositorOptions);
  const membersOf = (uri: string, owner: string): Promise<Iterable<string> | undefined> => addressesIn(uri, owner, lists);
  const presence = presencePackage({
    interval: options.pacing.presence,
    users,
    policy: new PresencePolicy(documents, options.defaultDecision, membersOf, PRESENCE_RULES, log),
    hardState: new HardState(documents),
    compositor,
    wheel,
    now,
    moved: (user) => notifier.stateChanged(presence.key, user),
    unpublished: (user) => (options.presenceFromRegistrations ? registeredPresence(user, registrar.bindings(user)) : undefined),
    // Who may see a user's presence may read what the user shares.
    changed: (user) => documentDiffs.accessChanged(user),
  });
  compositor.onChange((resource) => {
    presence.forget(resource);
    notifier.stateChanged(presence.key, resource);
  });

  const servesDomain = (host: string): boolean => users.servesDomain(host);
  notifier.register(presence);
  const watcherinfo = { lists: watchers, now, interval: options.pacing.winfo, ownShown: options.ownWatcherinfo };
  for (const each of watcherinfoPackages(presence, watcherinfo)) notifier.register(each);
  const touch = (watch: Watch): void => notifier.touch(watch as WatchBase);
  const documentDiffs = xcapDiffPackage({ resources: options.resources, wheel, now, interval: options.diffInterval * 1000, touch });
  notifier.register(documentDiffs);
  const published = publishedStates({
    users,
    notifier,
    state,
    documents,
    membersOf,
    compositor: compositorOptions,
    watcherinfo,
    log,
  });
  const compositors = [compositor, ...published.compositors];
  const nextHops = new NextHops(options.nextHops);
  const backEnd = {
    uac,
    locate: async (uri: string, watcher: string) => transport.onBehalfOf({ from: { uri: watcher } }, await locator.locate(uri)),
    nextHops,
    wheel,
    log,
    now,
    isTrustedPeer: options.isTrustedPeer,
    flowTo: (destination: Destination) => transport.flowTo(destination),
    reachedAt: (flow: Flow) => transport.reachedAt(flow),
  };
  const listsOfResources = resourceLists({
    directory: lists,
    notifier,
    now,
    settings: options.listSettings,
    servesDomain,
    isUser,
    backEnd,
  });
  const userServices = documentedServices({
    servesDomain,
    documents,
    membersOf,
    presence: {
      ready: (user) => presence.ready?.(user) ?? undefined,
      activities: (user) => activitiesOf(presence.state(user).components, now()),
      sphere: (user) => presence.state(user).sphere,
    },
    isUser,
    now,
    log,
    open: options.authenticator === undefined,
    settings: options.calls,
  });
  const stopFollowing = documents.onChange((change) => {
    userServices.changed(change);
    notifier.documentChanged(change);
  });

  const presenceHandling = (watcher: string, presentity: string, aliases?: readonly string[]): SubHandling | Promise<SubHandling> => {
    // A document may have changed while the documents were read.
    const loading = presence.ready?.(presentity);
    if (loading) return loading.then(() => presenceHandling(watcher, presentity, aliases));
    return presence.authorize(watcher, presentity, now(), aliases).handling;
  };

  const registrar = new Registrar({ users, stateStore: state, wheel, log, minExpires, maxContacts: options.maxContacts });
  const reg = regPackage({ users, registrar, now, interval: options.diffInterval * 1000 });
  notifier.register(reg);
  registrar.onChange((aor, ended) => {
    reg.noteEnded(aor, ended);
    notifier.stateChanged(reg.key, aor);
    if (!options.presenceFromRegistrations || compositor.hasPublications(aor)) return;
    presence.forget(aor);
    notifier.stateChanged(presence.key, aor);
  });
  const { authenticator, isTrustedPeer, ownFromOnly } = options;
  const identifier = new Identifier({ users, authenticator, isTrustedPeer, ownFromOnly });
  const messages = createMessages({
    settings: options.messages,
    users,
    state,
    wheel,
    log,
    now,
    registrar,
    uac,
    barring: userServices.barring,
    open: authenticator === undefined,
    isLocal: (host, port) => transport.isLocal(host, port),
    nextHops,
    presenceHandling,
  });
  const proxy = new SipProxy({
    users,
    identifier,
    isTrustedPeer,
    registrar,
    transactions,
    transport,
    wheel,
    state,
    log,
    locator,
    nextHops,
    services: [userServices.barring, messages.service, ...(options.callServices ?? []), userServices.diversion],
    calls: published.calls,
    timerC: options.timerC,
  });
  const router = new MethodRouter({
    users,
    identifier,
    forwarder: proxy,
    log,
    acceptEncoding: ACCEPTED_CODINGS,
    supported: ['eventlist', 'path', 'outbound', LIST_OPTION_TAG, BROUGHT_LIST_TAG],
    allowEvents: () => notifier.eventNames,
    accept: () => [...compositors.flatMap(({ contentTypes }) => contentTypes), SIMPLE_FILTER_TYPE],
    isLocalAddress: (host, port) => transport.isLocal(host, port),
  });
  router.handle('REGISTER', registrar.handler);
  router.handle('MESSAGE', messages.service.handler);
  const large = new LargeRequests();
  router.handle('NOTIFY', large.inTurn(listsOfResources.notifyHandler));
  router.handle('PUBLISH', large.inTurn(publishHandler(new Map(compositors.map((each) => [each.eventName, each])))));
  router.handle(
    'SUBSCRIBE',
    large.inTurn(
      subscribeHandler({
        notifier,
        state,
        now,
        minExpires,
        maxPerWatcher: MAX_SUBSCRIPTIONS_PER_WATCHER,
        maxInAll: MAX_SUBSCRIPTIONS,
        maxPerSource: options.maxSubscriptionsPerAddress,
        reachedAt: (flow) => transport.reachedAt(flow),
        listPackage: (asked, resource, request) => listsOfResources.packageFor(asked, resource, request),
      }),
    ),
  );
  transactions.onRequest = (transaction) => router.route(transaction);

  return {
    notifier,
    subscriptions: new SubscriptionControl(notifier, wheel),
    registrar,
    mailboxes: published.mailboxes,
    waitingMessages: messages.waiting,
    get counts() {
      const { client, server, ...transactionParts } = transactions.counts;
      const { messages: storedMessages, bytes: storedMessageBytes } = messages.queue.counts;
      return {
        clientTransactions: client,
        serverTransactions: server,
        ...transactionParts,
        ...transport.counts,
        ...proxy.counts,
        ...registrar.counts,
        ...notifier.index.counts,
        watchers: watchers.size,
        publications: compositors.reduce((sum, { size }) => sum + size, 0),
        followedDocuments: documentDiffs.followed,
        backEndSubscriptions: listsOfResources.backEndSubscriptions,
        observedCalls: published.calls.size,
        deliveries: messages.deliveries,
        storedMessages,
        storedMessageBytes,
        timers: wheel.size,
      };
    },
    usersChanged() {
      void registrar.usersChanged().catch(onError);
      for (const each of compositors) each.usersChanged();
      notifier.usersChanged();
      messages.usersChanged();
    },
    mayWatch(watcher, presentity) {
      if (!users.hasUser(presentity)) return false;
      const handling = presenceHandling(watcher, presentity);
      return handling instanceof Promise ? handling.then((settled) => settled === 'allow') : handling === 'allow';
    },
    sightOf: (packageName, watcher, presentity, aliases) => sightOf(notifier, packageName, watcher, presentity, now, aliases),
    async start() {
      const points: ListeningPoint[] = [];
      for (const endpoint of options.listen) points.push(...(await listenAt(transport, endpoint)));
      for (const each of compositors) each.restore();
      published.calls.restore();
      registrar.reconnect((source) => transport.flowTo(source));
      watchers.restore();
      await notifier.restore();
      messages.restore();
      return points;
    },
    async stop() {
      if (options.deactivateOnStop > 0) await notifier.deactivate(options.deactivateOnStop * 1000);
      stopFollowing();
      names.close();
      registrar.stop();
      await transport.close();
      wheel.close();
    },
  };
}

const LISTENED: Readonly<Record<NonNullable<SipEndpoint['transport']>, Protocol>> = { tls: 'TLS', ws: 'WS', wss: 'WSS' };

async function listenAt(transport: TransportLayer, { host, port, transport: only }: SipEndpoint): Promise<ListeningPoint[]> {
  if (only !== undefined) return [await transport.listen(LISTENED[only], host, port)];
  for (let tries = PORT_TRIES; ; tries--) {
    const udp = await transport.listen('UDP', host, port);
    try {
      return [udp, await transport.listen('TCP', host, udp.port)];
    } catch (error) {
      if (port !== 0 || tries === 1) throw error;
    }
  }
}
