import { createBranch } from '../message/identifiers.ts';
import { SipRequest, type SipResponse } from '../message/message.ts';
import { needsCongestionControl } from '../message/page-mode.ts';
import type { SipParseError } from '../message/parse.ts';
import { responseTo } from '../message/response.ts';
import { SipError } from '../message/sip-error.ts';
import { FailureMemory } from '../transport/failure-memory.ts';
import type { TimerWheel } from '../transport/timer-wheel.ts';
import type { Destination, Flow, TransportLayer } from '../transport/transport.ts';
import { MAX_DATAGRAM_BYTES } from '../transport/udp.ts';
import {
  type CancelFields,
  type ClientTransaction,
  type ClientTransactionHandler,
  type ClientTransactionHost,
  ClientTransactionRunner,
} from './client-transaction.ts';
import { type DeliveryHost, destinationKey, Failover, LargeRequest } from './delivery.ts';
import { cancelFor } from './hop-requests.ts';
import { KeptResponses } from './kept-responses.ts';
import { DEFAULT_TIMER_VALUES, type TimerValues } from './machine.ts';
import { clientKey, serverKey } from './matching.ts';
import { type ServerTransaction, type ServerTransactionHost, ServerTransactionRunner } from './server-transaction.ts';
import { TransactionTable } from './transaction-table.ts';

export type { CancelFields, ClientTransaction, ClientTransactionHandler } from './client-transaction.ts';
export type { ServerTransaction } from './server-transaction.ts';

export interface TransactionOptions {
  /** Milliseconds (RFC 3261 17.1.1.1). Defaults 500, 4000, 5000. */
  readonly t1?: number | undefined;
  readonly t2?: number | undefined;
  readonly t4?: number | undefined;
  /** Requests of one source address that may wait for their final response; beyond it 503. Default 10 000. */
  readonly maxOpenPerSource?: number | undefined;
  /** Sources to which that does not apply: servers whose calls are those of many. */
  readonly isUnlimited?: ((address: string) => boolean) | undefined;
  /** Requests of more bytes go over TCP rather than UDP, to peers that take it. Default 1300. */
  readonly udpLimit?: number | undefined;
  /** Hears of what a user of the layer threw while it was given a message; by default a process warning. */
  readonly onError?: ((error: unknown) => void) | undefined;
  /** Responses kept for copies of their requests, of all sources; beyond it the oldest go before their time. Default 250 000. */
  readonly maxKeptResponses?: number | undefined;
}

/** A message on its way in or out, for the log. */
export type MessageTrace = (direction: 'in' | 'out', message: Buffer | SipRequest | SipResponse, flow: Flow) => void;

/** Of a CANCEL, whose answers say nothing. */
const NOBODY: ClientTransactionHandler = { onResponse() {}, onFailure() {} };
const RETRY_AFTER_SECONDS = '5';
/** Bytes of all kept responses; beyond it the oldest are given up. */
export const MAX_KEPT_BYTES = 32 * 1024 * 1024;
/** RFC 3261 18.1.1: the largest request for UDP where the path's MTU is not known, in bytes. */
const UDP_LIMIT = 1300;
/** Transactions that hear in one turn of the event loop that their connection has ended. */
const ORPHANS_AT_ONCE = 100;
/** How long a peer that spoke UDP may take to accept a connection for what is too large for that. */
const TCP_PATIENCE_MS = 2000;

/** The transactions between the transport and the core (RFC 3261 17). A response that belongs to none is dropped (RFC 4320 4.2). */
export class TransactionLayer implements ClientTransactionHost, ServerTransactionHost, DeliveryHost {
  /** A new request (not a copy); an ACK to a 2xx too, whose transaction answers nothing. */
  onRequest: ((transaction: ServerTransaction) => void) | undefined;
  /** Hears of every message. */
  trace: MessageTrace | undefined;
  /** @internal */
  readonly wheel: TimerWheel;
  /** @internal */
  readonly timers: TimerValues;
  private readonly transport: TransportLayer;
  private readonly maxOpenPerSource: number;
  private readonly isUnlimited: (address: string) => boolean;
  /** @internal */
  readonly dead = new FailureMemory();
  /** @internal */
  readonly withoutTcp = new FailureMemory(100_000);
  private readonly udpLimit: number;
  private readonly onError: (error: unknown) => void;
  private readonly clientsByConnection = new Map<Flow, Set<ClientTransactionRunner>>();
  private readonly clients = new TransactionTable<ClientTransactionRunner>();
  private readonly servers = new TransactionTable<ServerTransactionRunner>();
  private readonly kept: KeptResponses;
  private readonly openBySource = new Map<string, number>();

  constructor(transport: TransportLayer, wheel: TimerWheel, options: TransactionOptions = {}) {
    this.transport = transport;
    this.wheel = wheel;
    this.timers = {
      t1: options.t1 ?? DEFAULT_TIMER_VALUES.t1,
      t2: options.t2 ?? DEFAULT_TIMER_VALUES.t2,
      t4: options.t4 ?? DEFAULT_TIMER_VALUES.t4,
    };
    this.maxOpenPerSource = options.maxOpenPerSource ?? 10_000;
    this.isUnlimited = options.isUnlimited ?? (() => false);
    this.udpLimit = Math.min(options.udpLimit ?? UDP_LIMIT, MAX_DATAGRAM_BYTES);
    this.onError = options.onError ?? ((error) => process.emitWarning(error instanceof Error ? error : String(error)));
    const count = options.maxKeptResponses ?? 250_000;
    this.kept = new KeptResponses(wheel, { lifetime: 64 * this.timers.t1, count, bytes: MAX_KEPT_BYTES });
    transport.onMessage = (message, flow) => this.receive(message, flow);
    transport.onMalformed = (error, flow) => this.rejectMalformed(error, flow);
  }

  /** Numbers of live transactions and kept responses, and the bytes of these, for metrics and tests. */
  get counts(): Readonly<Record<'client' | 'server' | 'openSources' | 'waitingConnections' | 'keptResponses' | 'keptBytes', number>> {
    const { clients, servers, openBySource, clientsByConnection, kept } = this;
    const open = {
      client: clients.size,
      server: servers.size,
      openSources: openBySource.size,
      waitingConnections: clientsByConnection.size,
    };
    return { ...open, keptResponses: kept.size, keptBytes: kept.bytes };
  }

  /**
   * Adds the top Via and sends the request; destinations are tried in order until one answers (RFC 3263 4.3). Failures are reported
   * after the caller's turn.
   * @param target a flow is the only way there is (RFC 5626 5.3): over UDP no connection is tried for what is large
   */
  send(request: SipRequest, target: Flow | readonly Destination[], handler: ClientTransactionHandler): ClientTransaction {
    if (!isList(target)) return this.begin(request, target, handler, undefined);
    const [only] = target;
    const flow = target.length === 1 && only !== undefined ? this.transport.flowTo(only) : undefined;
    // Nearly all go to one destination; there is nothing to remember about it.
    return flow === undefined ? new Failover(request, target, this, handler) : this.begin(request, flow, handler, only);
  }

  /**
   * Sends a request that makes no transaction here, with a top Via of ours (RFC 3261 16.11): the ACK to a 2xx.
   * @param branch equal for copies of one request
   */
  forwardStateless(request: SipRequest, target: Flow | readonly Destination[], branch: string): void {
    const [first] = isList(target) ? target : [];
    const flow = isList(target) ? first && this.transport.flowTo(first) : target;
    if (flow === undefined) return;
    this.addVia(request, flow, branch);
    this.transmit(request.toBuffer(), flow);
  }

  /** @internal */
  flowTo(destination: Destination, connectTimeoutMs?: number): Flow | undefined {
    return this.transport.flowTo(destination, connectTimeoutMs);
  }

  /** @internal */
  begin(
    request: SipRequest,
    flow: Flow,
    handler: ClientTransactionHandler,
    destination: Destination | undefined,
    isSized = false,
  ): ClientTransaction {
    const branch = request.branch ?? createBranch() + (request.branchSuffix ?? '');
    // RFC 3263 4.3: another server gets another.
    request.branch = undefined;
    this.addVia(request, flow, branch);
    const transaction = new ClientTransactionRunner(request, `${branch} ${request.method}`, flow, this, handler, destination);
    if (transaction.size > this.udpLimit && !isSized && flow.protocol === 'UDP') {
      const connection = destination === undefined ? undefined : this.connectionFor(destination);
      if (destination !== undefined && connection !== undefined) {
        request.headers.deleteFirst('Via');
        return new LargeRequest(request, flow, destination, connection, this, handler);
      }
      if (needsCongestionControl(request, transaction.size)) {
        queueMicrotask(() => handler.onFailure('too-large'));
        return { request, cancel() {} };
      }
    }
    this.clients.add(transaction);
    if (flow.reliable) this.watch(flow, transaction);
    transaction.start();
    return transaction;
  }

  private addVia(request: SipRequest, flow: Flow, branch: string): void {
    const { transport } = this;
    const via = `SIP/2.0/${flow.protocol} ${transport.sentBy(flow)};branch=${branch}${transport.viaParameters(flow)}`;
    request.headers.addFirst('Via', via);
  }

  /** RFC 3261 18.1.1: the way over TCP to where a large request would have gone over UDP; undefined where nobody took it lately. */
  private connectionFor(destination: Destination): Flow | undefined {
    if (this.withoutTcp.has(destinationKey(destination))) return undefined;
    return this.transport.flowTo({ ...destination, protocol: 'TCP' }, TCP_PATIENCE_MS);
  }

  /** When a connection ends, so do the transactions that wait for an answer over it. */
  private watch(flow: Flow, transaction: ClientTransactionRunner): void {
    let waiting = this.clientsByConnection.get(flow);
    if (waiting === undefined) {
      waiting = new Set();
      this.clientsByConnection.set(flow, waiting);
      flow.onClose(() => {
        const orphans = [...(this.clientsByConnection.get(flow) ?? [])];
        this.clientsByConnection.delete(flow);
        queueMicrotask(() => tellOrphans(orphans));
      });
    }
    waiting.add(transaction);
  }

  private receive(message: SipRequest | SipResponse, flow: Flow): void {
    this.trace?.('in', message, flow);
    try {
      if (message instanceof SipRequest) this.receiveRequest(message, flow);
      else this.clients.get(clientKey(message))?.receive(message);
    } catch (error) {
      if (!(error instanceof SipError)) this.onError(error);
      else if (message instanceof SipRequest) this.rejectStateless(message, error.status, error.reason, flow);
    }
  }

  private receiveRequest(request: SipRequest, flow: Flow): void {
    const key = serverKey(request);
    const kept = this.kept.get(key);
    if (kept !== undefined) {
      const reply = this.transport.flowBeside(flow, kept.address, kept.port);
      if (reply !== undefined) this.transmit(kept.bytes, reply);
      return;
    }
    const existing = this.servers.get(key);
    if (existing !== undefined) {
      existing.receive(request);
      return;
    }
    if (request.method === 'ACK') {
      // RFC 3261 17.2.1: an ACK that belongs to no transaction acknowledges a 2xx; nothing answers it.
      this.deliverAck(request, flow);
      return;
    }
    const open = this.openBySource.size === 0 ? 0 : (this.openBySource.get(flow.remoteAddress) ?? 0);
    if (open >= this.maxOpenPerSource && !this.isUnlimited(flow.remoteAddress)) {
      this.rejectStateless(request, 503, 'Too many open requests from your address', flow, [['Retry-After', RETRY_AFTER_SECONDS]]);
      return;
    }
    const cancels = request.method === 'CANCEL' ? this.servers.get(serverKey(request, 'INVITE')) : undefined;
    const transaction = new ServerTransactionRunner(request, flow, key, this, cancels);
    this.servers.add(transaction);
    this.onRequest?.(transaction);
    // Most are answered by now; only those that are not count as open.
    if (!transaction.completed) {
      transaction.counted = true;
      transaction.awaitUser();
      this.openBySource.set(flow.remoteAddress, open + 1);
    }
  }

  private rejectMalformed(error: SipParseError, flow: Flow): void {
    const { partial } = error;
    if (!(partial instanceof SipRequest)) return;
    this.trace?.('in', partial, flow);
    this.rejectStateless(partial, error.status, error.reason, flow);
  }

  /** Answers without a transaction what cannot have one. Silent where a response could not find its way or answers an ACK. */
  private rejectStateless(request: SipRequest, status: number, reason: string, flow: Flow, headers: [string, string][] = []): void {
    if (request.method === 'ACK') return;
    try {
      const reply = this.transport.replyFlow(request, flow);
      const response = responseTo(request, status, reason);
      for (const [name, value] of headers) response.headers.add(name, value);
      if (reply !== undefined) this.transmit(response.toBuffer(), reply);
    } catch (error) {
      if (!(error instanceof SipError)) throw error;
    }
  }

  /** @internal */
  cancel(invite: ClientTransactionRunner, fields: CancelFields): void {
    const request = cancelFor(invite.request, fields);
    const key = `${request.via.branch} CANCEL`;
    const transaction = new ClientTransactionRunner(request, key, invite.flow, this, NOBODY, invite.destination);
    this.clients.add(transaction);
    if (invite.flow.reliable) this.watch(invite.flow, transaction);
    transaction.start();
  }

  /** @internal */
  transmit(bytes: Buffer, flow: Flow): boolean {
    this.trace?.('out', bytes, flow);
    return flow.send(bytes);
  }

  /** @internal */
  reconnect(transaction: ClientTransactionRunner, destination: Destination): Flow | undefined {
    const flow = this.transport.flowTo(destination);
    if (flow?.reliable) this.watch(flow, transaction);
    return flow;
  }

  /** @internal */
  replyFlow(request: SipRequest, flow: Flow): Flow | undefined {
    return this.transport.replyFlow(request, flow);
  }

  /** @internal */
  finished(transaction: ClientTransactionRunner): void {
    const { key, flow } = transaction;
    if (flow.reliable) this.clientsByConnection.get(flow)?.delete(transaction);
    this.clients.delete(key);
  }

  /** @internal */
  answered(transaction: ServerTransactionRunner): void {
    if (!transaction.counted) return;
    transaction.counted = false;
    const source = transaction.flow.remoteAddress;
    const left = (this.openBySource.get(source) ?? 1) - 1;
    if (left === 0) this.openBySource.delete(source);
    else this.openBySource.set(source, left);
  }

  /** @internal */
  keepResponse(key: string, bytes: Buffer, flow: Flow): void {
    this.servers.delete(key);
    this.kept.add(key, bytes, flow.remoteAddress, flow.remotePort);
  }

  /** @internal */
  ended(key: string): void {
    this.servers.delete(key);
  }

  /** @internal */
  deliverAck(ack: SipRequest, flow: Flow): void {
    this.onRequest?.({ request: ack, key: serverKey(ack), flow, cancels: undefined, completed: true, respond() {}, challenge() {} });
  }
}

/** In turns: thousands may have waited for one peer, and each becomes a response, or is sent again. */
function tellOrphans(orphans: readonly ClientTransactionRunner[]): void {
  for (const orphan of orphans.slice(0, ORPHANS_AT_ONCE)) orphan.transportError();
  if (orphans.length > ORPHANS_AT_ONCE) setImmediate(() => tellOrphans(orphans.slice(ORPHANS_AT_ONCE)));
}

function isList(target: Flow | readonly Destination[]): target is readonly Destination[] {
  return Array.isArray(target);
}
