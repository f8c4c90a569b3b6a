import type { SipRequest, SipResponse } from '../message/message.ts';
import { parseNameAddr } from '../message/name-addr.ts';
import { SipError } from '../message/sip-error.ts';
import { parseVia } from '../message/via.ts';
import type { FailureKind } from '../transaction/client-transaction.ts';
import type { TransactionLayer } from '../transaction/transaction-layer.ts';
import { whereFrom } from '../transport/flow.ts';
import { type Locator, provedBefore } from '../transport/locate.ts';
import type { Destination, Flow, TransportLayer } from '../transport/transport.ts';
import { locatedAs } from './route-processing.ts';

export interface UacTarget {
  /** Used while it is an open connection; a UDP flow only where the next hop cannot be located. */
  readonly flow?: Flow | undefined;
  /** The textual address that the peer has come from, where that is not the flow's. */
  readonly source?: string | undefined;
  /** Used instead of locating the next hop. */
  readonly destinations?: readonly Destination[] | undefined;
  /** What a next hop at a bare address has to prove to be by TLS. */
  readonly provedName?: string | undefined;
}

export interface UacCallbacks {
  /** The final response. */
  onResponse(response: SipResponse): void;
  onProvisional?(response: SipResponse): void;
  /** As of a transaction, or 'unresolved' for a next hop that cannot be located. */
  onFailure(kind: FailureKind | 'unresolved'): void;
}

/** Sends requests: over the given live connection, else to the next hop from Route or Request-URI (RFC 3261 8.1.2). */
export class UserAgentClient {
  private readonly transactions: TransactionLayer;
  private readonly locator: Locator;
  private readonly transport: TransportLayer;

  constructor(transactions: TransactionLayer, locator: Locator, transport: TransportLayer) {
    this.transactions = transactions;
    this.locator = locator;
    this.transport = transport;
  }

  /** Never throws for what the peer said or where it lives; failures come to `callbacks`, after the caller's turn. */
  send(request: SipRequest, target: UacTarget, callbacks: UacCallbacks): void {
    const { flow } = target;
    if (!flow?.reliable || flow.closed) return void this.sendLocated(request, target, callbacks);
    this.dispatch(request, flow, callbacks, () => {
      // What is sent next goes where the peer says to be, and so does this, of which the connection's end tells nothing (RFC 5923 8.1).
      request.branch = parseVia(request.headers.get('Via') ?? '').branch;
      request.headers.deleteFirst('Via');
      this.sendLocated(request, target, callbacks);
    });
  }

  private sendLocated(request: SipRequest, target: UacTarget, callbacks: UacCallbacks): void {
    const { flow } = target;
    const destinations =
      target.destinations ?? provedBefore(this.locateNextHop(request, [target.source ?? whereFrom(flow)]), target.provedName);
    if (isList(destinations)) this.dispatch(request, destinations.length > 0 ? destinations : (flow ?? []), callbacks);
    else void destinations.then((found) => this.dispatch(request, found.length > 0 ? found : (flow ?? []), callbacks));
  }

  /** Where the request goes; an empty list where that cannot be said. */
  private locateNextHop(
    request: SipRequest,
    near: readonly (string | undefined)[],
  ): readonly Destination[] | Promise<readonly Destination[]> {
    try {
      if (request.nextHop !== undefined) return this.locator.locate(locatedAs(request.uri, request.nextHop), near);
      const [route] = request.headers.list('Route');
      return this.locator.locate(route === undefined ? request.uri : locatedAs(request.uri, parseNameAddr(route).uri), near);
    } catch (error) {
      if (error instanceof SipError) return [];
      throw error;
    }
  }

  /** @param onLost told instead of the callbacks when the way there ends before an answer */
  private dispatch(request: SipRequest, target: Flow | readonly Destination[], callbacks: UacCallbacks, onLost?: () => void): void {
    if (isList(target) && target.length === 0) {
      queueMicrotask(() => callbacks.onFailure('unresolved'));
      return;
    }
    const way = isList(target) ? this.transport.onBehalfOf(request, target) : target;
    this.transactions.send(request, way, {
      onResponse: (response) => {
        if (response.status >= 200) callbacks.onResponse(response);
        else callbacks.onProvisional?.(response);
      },
      onFailure: (kind) => (kind === 'transport' && onLost !== undefined ? onLost() : callbacks.onFailure(kind)),
    });
  }
}

function isList(value: unknown): value is readonly Destination[] {
  return Array.isArray(value);
}
