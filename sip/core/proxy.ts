import { hash } from 'node:crypto';
import { addressHost, canonicalAddress } from '../../schemas/address.ts';
import type { SipRequest } from '../message/message.ts';
import { parseNameAddr } from '../message/name-addr.ts';
import { SipError } from '../message/sip-error.ts';
import { printable, type SipUri } from '../message/uri.ts';
import { BRANCH_COOKIE } from '../message/via.ts';
import type { ServerTransaction, TransactionLayer } from '../transaction/transaction-layer.ts';
import { whereFrom } from '../transport/flow.ts';
import { type Locator, provedBefore } from '../transport/locate.ts';
import type { NextHops } from '../transport/next-hops.ts';
import type { TimerWheel } from '../transport/timer-wheel.ts';
import type { Destination, Flow, TransportLayer } from '../transport/transport.ts';
import { assertIdentity } from './asserted-identity.ts';
import type { UserDirectory } from './authenticator.ts';
import type { Binding } from './binding.ts';
import type { CallObserver } from './call-observer.ts';
import type { CallService } from './call-service.ts';
import { hideHistory } from './history-privacy.ts';
import { ANONYMOUS, type Identifier } from './identity.ts';
import type { Logger } from './log.ts';
import { checkLoop, incomingBreadth, loopMark } from './loop-detection.ts';
import type { BranchOwner } from './proxy-branch.ts';
import { RecordRoutes } from './record-route.ts';
import { requestTarget } from './request-checks.ts';
import type { RoutedRequest } from './request-context.ts';
import { type ContextHost, type Leg, type Resolution, ResponseContext } from './response-context.ts';
import { locatedAs, type OwnAddresses, postprocessRoutes, preprocessRoutes } from './route-processing.ts';
import type { OwnRoute, RequestForwarder } from './router.ts';
import type { StateStore } from './state-store.ts';
import { requestUri, type Target, targetGroups } from './target-set.ts';

export interface ProxyOptions {
  readonly users: UserDirectory;
  readonly identifier: Identifier;
  readonly registrar: { bindings(aor: string): readonly Binding[] };
  readonly transactions: TransactionLayer;
  readonly transport: TransportLayer;
  readonly wheel: TimerWheel;
  readonly state: StateStore;
  readonly log: Logger;
  /** Is the textual address that of an element whose word counts, and that may be told who the sender is (RFC 3325)? */
  readonly isTrustedPeer?: ((address: string) => boolean) | undefined;
  readonly locator: Locator;
  readonly nextHops: NextHops;
  /** In the order in which they are asked. */
  readonly services: readonly CallService[];
  /** Is told of calls. */
  readonly calls?: CallObserver | undefined;
  /** Timer C in milliseconds: more than three minutes (RFC 3261 16.6 step 11). */
  readonly timerC: number;
  /** Requests under way at once; beyond it 503. Default 100 000. */
  readonly maxOpen?: number | undefined;
}

const CREDENTIALS = ['Proxy-Authorization', 'Authorization'];
const INITIAL_MAX_FORWARDS = 70;
/** The other side answers these by who they are from, which our certificate (RFC 5922) or P-Asserted-Identity tells it. */
const VOUCHED_FOR: ReadonlySet<string> = new Set(['SUBSCRIBE', 'PUBLISH', 'MESSAGE', 'REFER', 'INVITE']);
const RETRY_AFTER: [string, string][] = [['Retry-After', '5']];

/** Forwards requests to users and other domains, statefully (RFC 3261 16). */
export class SipProxy implements RequestForwarder, ContextHost {
  readonly transactions: TransactionLayer;
  readonly transport: TransportLayer;
  readonly wheel: TimerWheel;
  readonly services: readonly CallService[];
  readonly calls: CallObserver | undefined;
  readonly timerC: number;
  private readonly options: ProxyOptions;
  private readonly own: OwnAddresses;
  private readonly recordRoutes: RecordRoutes;
  /** Requests under way. */
  private open = 0;
  /** Those among them that can be cancelled. */
  private readonly invites = new Map<ServerTransaction, ResponseContext>();

  constructor(options: ProxyOptions) {
    const { transport, users } = options;
    this.options = options;
    this.transactions = options.transactions;
    this.transport = transport;
    this.wheel = options.wheel;
    this.services = options.services;
    this.calls = options.calls;
    this.timerC = options.timerC;
    this.recordRoutes = new RecordRoutes(options.state, transport);
    this.own = {
      isLocal: (host, port) => transport.isLocal(host, port),
      servesDomain: (host) => users.servesDomain(host),
    };
  }

  /** Requests under way, and connections that Record-Route values name. */
  get counts(): Readonly<Record<'forwarding' | 'namedConnections', number>> {
    return { forwarding: this.open, namedConnections: this.recordRoutes.named };
  }

  preprocess(request: SipRequest): OwnRoute | undefined {
    const uri = preprocessRoutes(request, this.own);
    if (uri === undefined) return undefined;
    return { uri, isOfDialog: request.to.tag !== undefined && this.recordRoutes.isGenuine(uri, request) };
  }

  forward(context: RoutedRequest, route: OwnRoute | undefined): void {
    const { request } = context;
    // RFC 3261 16.3, in its order.
    if (request.headers.get('Max-Forwards')?.replace(/^0+(?=\d)/, '') === '0') throw new SipError(483);
    const mark = loopMark(request, this.calleeOf(request));
    const isSpiral = checkLoop(request, mark, this.own.isLocal);
    const breadth = incomingBreadth(request, isSpiral);
    checkProxyRequire(request);
    const inDialog = (route?.isOfDialog ?? false) && !this.isForUser(request);
    context.isOfOwnRoute = inDialog;
    this.admit(context, inDialog);
    if (inDialog && request.method === 'BYE') this.calls?.byeForwarded(request);
    if (this.open >= (this.options.maxOpen ?? 100_000)) throw new SipError(503, 'Too many requests are under way', RETRY_AFTER);
    const recorded = inDialog ? route?.uri : undefined;
    const forwarded = new ResponseContext(this, context, inDialog ? [] : this.services, mark, breadth, recorded);
    this.open++;
    if (request.method === 'INVITE') this.invites.set(context.transaction, forwarded);
    forwarded.start();
  }

  cancel(invite: ServerTransaction, cancel: SipRequest): void {
    const reasons = cancel.headers.all('Reason').map((reason): [string, string] => ['Reason', reason]);
    this.invites.get(invite)?.cancel(reasons);
  }

  /** RFC 3261 16.11 and 13.2.2.4: only by the route that the INVITE recorded, for there is nobody to tell of a refusal. */
  acknowledge(ack: SipRequest, flow: Flow): void {
    try {
      const route = this.preprocess(ack);
      if (!route?.isOfDialog) return;
      const hops = Number(ack.headers.get('Max-Forwards') ?? INITIAL_MAX_FORWARDS + 1);
      if (!(hops > 0)) return;
      const branch = BRANCH_COOKIE + hash('sha1', `${ack.via.branch} ${ack.via.host}:${ack.via.port} ${ack.uri}`, 'hex');
      const outgoing = ack.copy(ack.uri);
      outgoing.headers.set('Max-Forwards', String(hops - 1));
      const [group] = this.resolveUri(ack.uri, ack.headers.has('Route'), route.uri).groups;
      const [way] = group?.[0]?.ways ?? [];
      if (way === undefined) return;
      outgoing.uri = way.uri;
      const nextHop = postprocessRoutes(outgoing);
      if (way.flow !== undefined) return void this.transactions.forwardStateless(outgoing, way.flow, branch);
      const destinations = this.locate(locatedAs(way.uri, nextHop), [whereFrom(flow)], way.provedName);
      const pass = (found: readonly Destination[]): void =>
        this.transactions.forwardStateless(outgoing, this.transport.onBehalfOf(ack, found), branch);
      if (isList(destinations)) pass(destinations);
      else void destinations.then(pass, (error: unknown) => this.options.log.warn({ err: error }, 'ACK has nowhere to go'));
    } catch (error) {
      if (!(error instanceof SipError)) throw error;
    }
  }

  locate(
    uri: string,
    near: readonly (string | undefined)[],
    provedName?: string,
  ): readonly Destination[] | Promise<readonly Destination[]> {
    return provedBefore(this.options.locator.locate(uri, near), provedName);
  }

  calleeOf({ uri }: { readonly uri: string }): string | undefined {
    if (!/^(?:sips?|pres|im):/i.test(uri)) return undefined;
    const address = canonicalAddress(uri);
    return address.includes('@') && this.own.servesDomain(addressHost(address) ?? '') ? address : undefined;
  }

  unverifiedCaller(request: SipRequest): string {
    const from = canonicalAddress(request.from.uri);
    return this.own.servesDomain(addressHost(from) ?? '') ? ANONYMOUS : from;
  }

  resolve(leg: Leg, isRouted: boolean, route?: SipUri): Resolution {
    return this.resolveUri(leg.uri, isRouted, route);
  }

  leadsHere({ ways }: Target): boolean {
    return ways.some(({ uri, routes, flow }) => {
      if (flow !== undefined) return false;
      const { host, port } = requestTarget({ uri: routes[0] === undefined ? uri : parseNameAddr(routes[0]).uri });
      return this.own.isLocal(host, port) || this.own.servesDomain(host);
    });
  }

  outgoing(context: RoutedRequest, leg: Leg): SipRequest {
    const outgoing = context.request.copy(leg.uri);
    const { headers } = outgoing;
    const hops = headers.get('Max-Forwards');
    headers.set('Max-Forwards', String(hops === undefined ? INITIAL_MAX_FORWARDS : Number(hops) - 1));
    this.removeCredentials(outgoing);
    for (const [name] of leg.headers) headers.delete(name);
    for (const [name, value] of leg.headers) headers.add(name, value);
    return outgoing;
  }

  finish(request: SipRequest, { context, isForUser }: BranchOwner, flow: Flow, isRegistrants: boolean): void {
    this.vouch(context, flow, isRegistrants);
    this.recordRoutes.record(request, context.request, context.flow, flow, isRegistrants, context.isOfOwnRoute);
    const user = context.identitySource === 'digest' ? context.identity : undefined;
    const isTrusted = this.options.isTrustedPeer?.(flow.remoteAddress) ?? false;
    assertIdentity(request, user, isTrusted);
    if (!isForUser && !isTrusted) hideHistory(request, (address) => this.isOurs(address));
  }

  private isOurs(address: string): boolean {
    const { users } = this.options;
    return users.servesDomain(addressHost(address) ?? '') || users.hasUser(address);
  }

  /**
   * A server that has our certificate (RFC 5922), or trusts our address (RFC 3325), takes our users' names at our word: whoever was let
   * through as one of a dialog has to show who it is before.
   * @throws SipError 407
   */
  private vouch(context: RoutedRequest, flow: Flow, isRegistrants: boolean): void {
    const { request } = context;
    if (context.identity !== undefined || request.to.tag === undefined || !VOUCHED_FOR.has(request.method)) return;
    const { users, identifier, isTrustedPeer } = this.options;
    const knowsUs = (flow.protocol === 'TLS' && !isRegistrants) || flow.peerDomains.length > 0 || isTrustedPeer?.(flow.remoteAddress);
    if (!knowsUs) return;
    if (!users.servesDomain(addressHost(canonicalAddress(request.from.uri)) ?? '')) return;
    const identity = identifier.identify(context, 'proxy');
    if (identity !== undefined) context.identify(identity);
  }

  ended({ context: { request, transaction } }: ResponseContext): void {
    this.open--;
    if (request.method === 'INVITE') this.invites.delete(transaction);
  }

  /** Who may have what forwarded: whoever is vouched for here to everywhere, everybody to users of ours, nobody else anything (RFC 3261 26.3.1). */
  private admit(context: RoutedRequest, inDialog: boolean): void {
    const { request } = context;
    const { users, identifier, isTrustedPeer } = this.options;
    const fromPeer = isTrustedPeer?.(context.flow.remoteAddress) ?? false;
    const from = canonicalAddress(request.from.uri);
    const claimsOurs = users.servesDomain(addressHost(from) ?? '');
    const { host } = requestTarget(request);
    const isAbroad = request.headers.has('Route') || !users.servesDomain(host);
    // RFC 3323 4.1.1.3: a user of ours may hide from whoever is called, not from us.
    const mayBeOurs = claimsOurs || (isAbroad && from === ANONYMOUS);
    // What a trusted peer does not vouch for comes from somebody unknown; it has nobody to answer a challenge.
    const identity = identifier.identify(context, 'proxy', mayBeOurs && !inDialog && !fromPeer);
    if (identity !== undefined) context.identify(identity);
    // What was admitted when the dialog began.
    if (inDialog) return;
    if (!isAbroad || identity?.source === 'digest' || identity?.source === 'peer') return;
    throw new SipError(403, `Nothing is forwarded to ${printable(host)} for you`);
  }

  /**
   * Is it for whatever agents a user of ours has? In a dialog it would be for the Contact of one of them; what only says to be in one gets
   * no further than any other request.
   */
  private isForUser(request: SipRequest): boolean {
    return !request.headers.has('Route') && this.own.servesDomain(requestTarget(request).host);
  }

  /**
   * RFC 3261 22.3: those for us are for nobody else. What agents send on their own as Authorization, too: who gets it could try passwords
   * on it, or use it here.
   */
  private removeCredentials({ headers }: SipRequest): void {
    for (const name of CREDENTIALS) {
      if (!headers.has(name)) continue;
      const forOthers = headers.all(name).filter((value) => {
        const realm = /realm\s*=\s*"([^"]*)"/i.exec(value)?.[1];
        return realm === undefined ? name === 'Authorization' : !this.own.servesDomain(realm.toLowerCase());
      });
      headers.delete(name);
      for (const value of forOthers) headers.append(name, value);
    }
  }

  /**
   * @param isRouted whether a Route past us is left: the sender has said where the request goes, and gets to know nothing of where our
   * users are. It may come back to us, and is for the user then.
   */
  private resolveUri(text: string, isRouted: boolean, route?: SipUri): Resolution {
    const { user, host } = requestTarget({ uri: text });
    const { users, registrar } = this.options;
    if (isRouted || !users.servesDomain(host)) {
      // Where the connection has ended, the Contact may still lead there.
      const flow = route === undefined || isRouted ? undefined : this.recordRoutes.flowOf(route);
      const provedName = route && this.recordRoutes.provedName(route);
      // What is in a dialog goes to the peer's own Contact.
      const nextHop = route === undefined && !isRouted ? this.options.nextHops.find(host) : undefined;
      const way = { uri: requestUri(text), routes: [], nextHop, flow, provedName, flowOnly: false };
      return { callee: undefined, groups: [[{ ways: [way] }]], status: 404 };
    }
    const callee = canonicalAddress(text);
    if (user === undefined || !users.hasUser(callee)) return { callee, groups: [], status: 404 };
    return { callee, groups: targetGroups(registrar.bindings(callee), /^sips:/i.test(text)), status: 480 };
  }
}

function isList(value: unknown): value is readonly Destination[] {
  return Array.isArray(value);
}

/** RFC 3261 16.3 step 5: we support no extension that a proxy must know of. */
function checkProxyRequire(request: SipRequest): void {
  if (!request.headers.has('Proxy-Require')) return;
  throw new SipError(420, undefined, [['Unsupported', request.headers.list('Proxy-Require').join(', ')]]);
}
