import type { SipRequest, SipResponse } from '../message/message.ts';
import { indexOutsideQuotes } from '../message/params.ts';
import { SipError } from '../message/sip-error.ts';
import { isSecureUri } from '../message/uri.ts';
import type { FailureKind } from '../transaction/client-transaction.ts';
import type { ClientTransaction, TransactionLayer } from '../transaction/transaction-layer.ts';
import { isSecure, whereFrom } from '../transport/flow.ts';
import type { Timer, TimerWheel } from '../transport/timer-wheel.ts';
import type { Destination, Flow, TransportLayer } from '../transport/transport.ts';
import type { Failure } from './best-response.ts';
import type { RoutedRequest } from './request-context.ts';
import { createResponse, type HeaderField } from './respond.ts';
import { locatedAs, postprocessRoutes } from './route-processing.ts';
import { aim, type Target, type Way } from './target-set.ts';

/** What all branches of the proxy share. */
export interface BranchHost {
  readonly transactions: TransactionLayer;
  readonly transport: TransportLayer;
  readonly wheel: TimerWheel;
  /** Timer C, in milliseconds (RFC 3261 16.6 step 11). */
  readonly timerC: number;
  /**
   * The last touch on a request that will go over the flow.
   * @param isRegistrants whether the flow is that of a registration
   * @throws SipError to be answered with
   */
  finish(request: SipRequest, owner: BranchOwner, flow: Flow, isRegistrants: boolean): void;
  /**
   * Where a request to the URI goes, best first.
   * @param near as of `Locator.locate`
   * @param provedName what a server at an IP address has to prove to be by TLS
   * @throws SipError for what is no SIP URI
   */
  locate(uri: string, near: readonly (string | undefined)[], provedName?: string): readonly Destination[] | Promise<readonly Destination[]>;
}

/** Whom a branch tells. Responses have lost our Via. */
export interface BranchOwner {
  readonly context: RoutedRequest;
  /** The request as it leaves us but for what depends on the branch. */
  readonly outgoing: SipRequest;
  /** The second part of our Via's branch. */
  readonly mark: string;
  /** Is it for a user of ours, rather than for another domain? */
  readonly isForUser: boolean;
  /** 101 to 199. */
  rang(branch: ProxyBranch, response: SipResponse): void;
  /** The first, and for INVITE each further one. */
  succeeded(branch: ProxyBranch, response: SipResponse): void;
  /** Called once, and nothing after it. */
  failed(branch: ProxyBranch, failure: Failure): void;
}

/** One target of a forwarded request: its client transactions, one way after the other, and Timer C. */
export class ProxyBranch {
  /** Has it its final response? */
  finished = false;
  /** Has it answered 101 to 199? */
  hasRung = false;
  /** Of the Max-Breadth of the request (RFC 5393 5.3.3). */
  readonly breadth: number;
  private readonly host: BranchHost;
  private readonly owner: BranchOwner;
  private readonly ways: readonly Way[];
  private next = 0;
  private transaction: ClientTransaction | undefined;
  /** Of what may have arrived over a connection that has ended. */
  private sentAs: string | undefined;
  private cancelled = false;
  private expired = false;
  private timer: Timer | undefined;

  constructor(host: BranchHost, owner: BranchOwner, target: Target, breadth: number) {
    this.host = host;
    this.owner = owner;
    this.ways = target.ways;
    this.breadth = breadth;
    this.transaction = undefined;
    this.sentAs = undefined;
    this.timer = undefined;
  }

  /** Failures are told after the caller's turn. */
  start(): void {
    this.tryNext();
  }

  /** RFC 3261 9.1 and 16.10; other requests than INVITE cannot be cancelled. */
  cancel(headers: readonly HeaderField[] = []): void {
    if (this.finished || this.cancelled || this.owner.outgoing.method !== 'INVITE') return;
    this.cancelled = true;
    if (this.transaction !== undefined) this.transaction.cancel(headers);
  }

  private tryNext(): void {
    const way = this.ways[this.next++];
    if (way === undefined) return void this.fail({ status: 480, response: undefined });
    try {
      const request = aim(this.owner.outgoing, way);
      request.headers.set('Max-Breadth', String(this.breadth));
      request.branchSuffix = this.owner.mark;
      request.branch = this.sentAs;
      this.sentAs = undefined;
      const nextHop = postprocessRoutes(request);
      if (way.flow !== undefined && !way.flow.closed && (!isSecureUri(way.uri) || isSecure(way.flow)))
        return void this.dispatch(request, way.flow);
      if (way.flowOnly) return void this.wayFailed({ status: 430, response: undefined });
      const located = locatedAs(way.uri, request.headers.has('Route') ? nextHop : (way.nextHop ?? nextHop));
      const destinations = this.host.locate(located, [way.source, whereFrom(this.owner.context.flow)], way.provedName);
      const { transport } = this.host;
      if (isList(destinations)) return void this.dispatch(request, transport.onBehalfOf(request, destinations));
      destinations.then(
        (found) => this.dispatch(request, transport.onBehalfOf(request, found)),
        () => this.dispatch(request, []),
      );
    } catch (error) {
      if (!(error instanceof SipError)) throw error;
      this.wayFailed({ status: error.status, response: undefined });
    }
  }

  private dispatch(request: SipRequest, target: Flow | readonly Destination[]): void {
    if (this.cancelled) return void this.fail({ status: 487, response: undefined });
    const first = isList(target) ? target[0] : undefined;
    const flow = isList(target) ? first && this.host.transport.flowTo(first) : target;
    // No such host, or no way of ours to speak to it.
    if (flow === undefined) return void this.wayFailed({ status: first === undefined ? 502 : 503, response: undefined });
    try {
      this.host.finish(request, this.owner, flow, !isList(target));
    } catch (error) {
      if (!(error instanceof SipError)) throw error;
      const { status, reason, headers } = error;
      return void this.fail({ status, response: createResponse(this.owner.context.request, status, { reason, headers }) });
    }
    this.transaction = this.host.transactions.send(request, target, {
      onResponse: (response) => this.receive(response),
      onFailure: (kind) => this.transactionFailed(kind, isList(target)),
    });
    if (request.method === 'INVITE') this.runTimerC();
  }

  private receive(response: SipResponse): void {
    const { status } = response;
    if (status === 100 || !isReadable(response) || !removeTopVia(response)) {
      // Without our sender's Via a final response cannot be one to this request, and one that we cannot read nobody else can.
      if (status >= 200 && !this.finished) this.wayFailed({ status: 502, response: undefined });
      return;
    }
    if (status < 200) {
      if (this.finished) return;
      this.hasRung = true;
      if (this.timer !== undefined) this.host.wheel.reschedule(this.timer, this.host.timerC);
      this.owner.rang(this, response);
    } else if (status < 300) {
      this.finish();
      this.owner.succeeded(this, response);
    } else if (!this.finished) this.wayFailed({ status, response });
  }

  private transactionFailed(kind: FailureKind, located: boolean): void {
    if (this.finished) return;
    const way = this.ways[this.next - 1];
    if (kind === 'transport' && !located && way?.flow?.closed && !way.flowOnly && !this.cancelled) {
      // As if the connection had ended before, for of what was sent over it last nothing is known (RFC 5923 8.1).
      this.sentAs = this.transaction?.request.via.branch;
      this.next--;
      return void this.tryNext();
    }
    if (kind === 'too-large') this.fail({ status: 513, response: undefined });
    // Nobody is left to answer; the sender has what it wanted.
    else if (this.cancelled && !this.expired) this.wayFailed({ status: 487, response: undefined });
    else if (kind === 'timeout') this.wayFailed({ status: 408, response: undefined });
    else this.wayFailed({ status: located ? 503 : 430, response: undefined });
  }

  /** RFC 5626 7: after 408 and 430 another flow of the instance may do; any other answer is the instance's. */
  private wayFailed(failure: Failure): void {
    this.transaction = undefined;
    const mayGoOn = failure.status === 430 || failure.status === 408 || failure.response === undefined;
    if (mayGoOn && !this.cancelled && this.next < this.ways.length) this.tryNext();
    else this.fail(failure);
  }

  private fail(failure: Failure): void {
    if (this.finished) return;
    this.finish();
    queueMicrotask(() => this.owner.failed(this, failure));
  }

  private finish(): void {
    this.finished = true;
    if (this.timer !== undefined) this.host.wheel.cancel(this.timer);
    this.timer = undefined;
  }

  private runTimerC(): void {
    const { wheel, timerC } = this.host;
    if (this.timer === undefined) this.timer = wheel.schedule(timerC, expire, this);
    else wheel.reschedule(this.timer, timerC);
  }

  /** Timer C has fired (RFC 3261 16.8). */
  expire(): void {
    this.expired = true;
    this.cancel();
  }
}

function expire(branch: ProxyBranch): void {
  branch.expire();
}

function isList(value: unknown): value is readonly Destination[] {
  return Array.isArray(value);
}

const SINGLE_FIELDS = ['From', 'To', 'Call-ID', 'CSeq'];

/** Has it what every response has, and once (RFC 3261 7.3.1, 8.2.6.2), so that who is told of it can look at that? */
function isReadable(response: SipResponse): boolean {
  if (SINGLE_FIELDS.some((name) => response.headers.count(name) !== 1)) return false;
  try {
    return response.from.uri !== '' && response.to.uri !== '' && response.callId !== '';
  } catch (error) {
    if (error instanceof SipError) return false;
    throw error;
  }
}

/** RFC 3261 16.7 step 3; false where none is left, for then the response is not for our sender. */
function removeTopVia(response: SipResponse): boolean {
  const { headers } = response;
  const field = headers.get('Via') ?? '';
  const comma = indexOutsideQuotes(field, ',');
  if (comma < 0) headers.deleteFirst('Via');
  else headers.setFirst('Via', field.slice(comma + 1).trimStart());
  return headers.has('Via');
}
