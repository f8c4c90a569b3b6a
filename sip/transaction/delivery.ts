import type { SipRequest, SipResponse } from '../message/message.ts';
import type { FailureMemory } from '../transport/failure-memory.ts';
import type { Destination, Flow } from '../transport/flow.ts';
import type { CancelFields, ClientTransaction, ClientTransactionHandler, FailureKind } from './client-transaction.ts';

/** What a delivery needs of the layer it lives in. */
export interface DeliveryHost {
  /** Where sending failed lately, by `destinationKey`. */
  readonly dead: FailureMemory;
  /** Peers that take no TCP, by `destinationKey` of what they take. */
  readonly withoutTcp: FailureMemory;
  flowTo(destination: Destination, connectTimeoutMs?: number): Flow | undefined;
  /** Adds the top Via and starts a transaction. */
  begin(
    request: SipRequest,
    flow: Flow,
    handler: ClientTransactionHandler,
    destination: Destination,
    isOverTcpForSize?: boolean,
  ): ClientTransaction;
}

/** How long a server that failed comes last, in milliseconds; one that says so in Retry-After within bounds. */
const DEAD_MS = 60_000;
const LONGEST_DEAD_MS = 600_000;
/** How long a peer that refused TCP gets large requests over UDP. */
const WITHOUT_TCP_MS = 300_000;

export function destinationKey({ protocol, address, port }: Destination): string {
  return `${protocol} ${address} ${port}`;
}

/** The destinations, those that failed lately behind the others. */
export function livingFirst(destinations: readonly Destination[], dead: FailureMemory): readonly Destination[] {
  const living = destinations.filter((one) => !dead.has(destinationKey(one)));
  if (living.length === 0 || living.length === destinations.length) return destinations;
  return [...living, ...destinations.filter((one) => !living.includes(one))];
}

/** One request to the first of several servers that takes it, in a transaction for each (RFC 3263 4.3). */
export class Failover implements ClientTransaction, ClientTransactionHandler {
  readonly request: SipRequest;
  private readonly host: DeliveryHost;
  private readonly handler: ClientTransactionHandler;
  private readonly destinations: readonly Destination[];
  private tried = 0;
  private current: ClientTransaction | undefined;
  private cancelled = false;
  /** Has the server that was tried last said anything? */
  private heard = false;

  constructor(request: SipRequest, destinations: readonly Destination[], host: DeliveryHost, handler: ClientTransactionHandler) {
    this.request = request;
    this.destinations = livingFirst(destinations, host.dead);
    this.host = host;
    this.handler = handler;
    this.current = undefined;
    if (!this.next()) queueMicrotask(() => handler.onFailure('transport'));
  }

  cancel(fields?: CancelFields): void {
    this.cancelled = true;
    this.current?.cancel(fields);
  }

  onResponse(response: SipResponse): void {
    this.heard = true;
    if (response.status === 503 && !this.cancelled) {
      this.noteDead(Number(/^\d+/.exec(response.headers.get('Retry-After') ?? '')?.[0]) * 1000);
      if (this.next()) return;
    } else if (response.status >= 200) {
      const used = this.destinations[this.tried - 1];
      if (used !== undefined) this.host.dead.forget(destinationKey(used));
    }
    this.handler.onResponse(response);
  }

  onFailure(kind: FailureKind): void {
    // A server that says it is at work and no more has not failed.
    if (!this.cancelled && kind !== 'too-large' && !(kind === 'timeout' && this.heard)) {
      this.noteDead();
      if (this.next()) return;
    }
    this.handler.onFailure(kind);
  }

  private next(): boolean {
    while (this.tried < this.destinations.length) {
      const destination = this.destinations[this.tried++];
      const flow = destination && this.host.flowTo(destination);
      if (destination === undefined || flow === undefined) continue;
      if (this.current !== undefined) this.request.headers.deleteFirst('Via');
      this.heard = false;
      this.current = this.host.begin(this.request, flow, this, destination);
      return true;
    }
    return false;
  }

  private noteDead(durationMs = DEAD_MS): void {
    const failed = this.destinations[this.tried - 1];
    if (failed !== undefined) this.host.dead.note(destinationKey(failed), Math.min(durationMs || DEAD_MS, LONGEST_DEAD_MS));
  }
}

/** A request that is too large for a datagram goes over TCP, and over UDP after all where nobody takes the connection (RFC 3261 18.1.1). */
export class LargeRequest implements ClientTransaction, ClientTransactionHandler {
  readonly request: SipRequest;
  private readonly host: DeliveryHost;
  private readonly handler: ClientTransactionHandler;
  private readonly datagrams: Flow;
  private readonly destination: Destination;
  private readonly connection: Flow;
  private current: ClientTransaction;
  private fallenBack = false;
  private cancelled = false;
  private heard = false;

  /** @param destination that of the datagrams */
  constructor(
    request: SipRequest,
    datagrams: Flow,
    destination: Destination,
    connection: Flow,
    host: DeliveryHost,
    handler: ClientTransactionHandler,
  ) {
    this.request = request;
    this.host = host;
    this.handler = handler;
    this.datagrams = datagrams;
    this.destination = destination;
    this.connection = connection;
    this.current = host.begin(request, connection, this, { ...destination, protocol: 'TCP' }, true);
  }

  cancel(fields?: CancelFields): void {
    this.cancelled = true;
    this.current.cancel(fields);
  }

  onResponse(response: SipResponse): void {
    this.heard = true;
    this.handler.onResponse(response);
  }

  onFailure(kind: FailureKind): void {
    // Who takes the connection and then says nothing at all may be anybody, such as a box between us and an agent that speaks UDP alone.
    const isDeaf = kind === 'timeout' && !this.heard;
    if (this.fallenBack || !(isDeaf || (kind === 'transport' && !this.connection.opened))) {
      this.handler.onFailure(kind);
      return;
    }
    this.fallenBack = true;
    this.host.withoutTcp.note(destinationKey(this.destination), WITHOUT_TCP_MS);
    if (this.cancelled) {
      this.handler.onFailure(kind);
      return;
    }
    this.request.headers.deleteFirst('Via');
    // Sized again: what must not go over UDP at all goes nowhere.
    this.current = this.host.begin(this.request, this.datagrams, this, this.destination);
  }
}
