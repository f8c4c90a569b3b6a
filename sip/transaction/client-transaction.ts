import type { SipRequest, SipResponse } from '../message/message.ts';
import type { Destination, Flow } from '../transport/flow.ts';
import type { Timer, TimerWheel } from '../transport/timer-wheel.ts';
import { type ClientAction, type ClientInput, type ClientState, INVITE_CLIENT, NON_INVITE_CLIENT } from './client-machines.ts';
import { acknowledgeFailure } from './hop-requests.ts';
import type { TimerValues, Transition } from './machine.ts';
import type { Keyed } from './transaction-table.ts';

export interface ClientTransactionHandler {
  /** Every provisional response and the first final one (and each 2xx to an INVITE). */
  onResponse(response: SipResponse): void;
  /** Called once, and no response after it. */
  onFailure(kind: FailureKind): void;
}

/** Nobody answered (Timer B or F), the request could not be sent, or it is too large for the only way there (RFC 3428 8). */
export type FailureKind = 'timeout' | 'transport' | 'too-large';

/** Further fields of a CANCEL, such as Reason (RFC 3326). */
export type CancelFields = readonly (readonly [name: string, value: string])[];

export interface ClientTransaction {
  readonly request: SipRequest;
  /**
   * Asks for the end of an INVITE (RFC 3261 9.1): the CANCEL waits for the first provisional response. The final response comes as
   * ever, or a timeout when there is none within 64 T1. Does nothing for other requests and after the final response.
   */
  cancel(fields?: CancelFields): void;
}

/** What a client transaction needs of the layer it lives in. */
export interface ClientTransactionHost {
  readonly wheel: TimerWheel;
  readonly timers: TimerValues;
  transmit(bytes: Buffer, flow: Flow): boolean;
  /** A flow in the place of the transaction's, whose end is told to it as well. */
  reconnect(transaction: ClientTransactionRunner, destination: Destination): Flow | undefined;
  /** Sends a CANCEL for the transaction's request. */
  cancel(transaction: ClientTransactionRunner, fields: CancelFields): void;
  /** Forget the transaction. */
  finished(transaction: ClientTransactionRunner): void;
}

type Table = Readonly<Partial<Record<ClientState, Readonly<Partial<Record<ClientInput, Transition<ClientState, ClientAction>>>>>>>;

/** How often a transaction that has heard from its peer is moved to another connection. */
const MOST_MOVES = 3;

/** Runs a client machine: one timer, which either sends again, gives up, or ends the time for late responses. */
export class ClientTransactionRunner implements ClientTransaction, Keyed<ClientTransactionRunner> {
  readonly request: SipRequest;
  readonly key: string;
  flow: Flow;
  /** Where another connection could be opened to. */
  readonly destination: Destination | undefined;
  private readonly host: ClientTransactionHost;
  private readonly handler: ClientTransactionHandler;
  private readonly table: Table;
  private readonly isInvite: boolean;
  private readonly bytes: Buffer;
  private state: ClientState;
  private timer: Timer | undefined;
  /** @internal */
  hash = 0;
  /** @internal */
  next: ClientTransactionRunner | undefined;
  private interval: number;
  private deadline: number;
  private cancelFields: CancelFields = [];
  private moves = 0;
  /** Is it worth while to try another connection when this one ends? It has been one to the peer before, and not only for this request. */
  private mayMove: boolean;

  /**
   * The request has its Via already.
   * @param destination undefined where the flow is the only way
   */
  constructor(
    request: SipRequest,
    key: string,
    flow: Flow,
    host: ClientTransactionHost,
    handler: ClientTransactionHandler,
    destination: Destination | undefined,
  ) {
    this.request = request;
    this.key = key;
    this.flow = flow;
    this.destination = destination;
    this.mayMove = destination !== undefined && flow.reliable && flow.opened;
    this.host = host;
    this.handler = handler;
    this.isInvite = request.method === 'INVITE';
    this.table = this.isInvite ? INVITE_CLIENT : NON_INVITE_CLIENT;
    this.state = this.isInvite ? 'calling' : 'trying';
    this.bytes = request.toBuffer();
    this.interval = host.timers.t1;
    this.deadline = performance.now() + 64 * host.timers.t1;
    this.next = undefined;
  }

  /** Bytes of the request. */
  get size(): number {
    return this.bytes.length;
  }

  cancel(fields: CancelFields = []): void {
    this.cancelFields = fields;
    this.run('cancel');
  }

  /** Sends the request for the first time. A failure is reported after the caller's turn. */
  start(): void {
    const { host, flow } = this;
    this.timer = host.wheel.schedule(flow.reliable ? 64 * host.timers.t1 : this.interval, wake, this);
    if (!host.transmit(this.bytes, flow)) queueMicrotask(() => this.transportError());
  }

  receive(response: SipResponse): void {
    const { status } = response;
    if (status < 200) this.mayMove = this.destination !== undefined && this.flow.reliable && this.moves < MOST_MOVES;
    this.run(status < 200 ? 'provisional' : status < 300 ? 'success' : 'failure', response);
  }

  transportError(): void {
    this.run(this.mayMove ? 'connectionLost' : 'transportError');
  }

  /** The timer's turn. */
  expire(): void {
    if (this.state === 'completed' || this.state === 'accepted') this.run('lingered');
    else if (performance.now() >= this.deadline) this.run('timeout');
    else this.run('retransmit');
  }

  private run(input: ClientInput, response?: SipResponse): void {
    const transition = this.table[this.state]?.[input];
    if (transition === undefined) return;
    this.state = transition.next;
    // First: whoever hears of a failure may send the same again.
    if (transition.next === 'terminated') {
      this.stopTimer();
      this.host.finished(this);
    }
    for (const action of transition.actions) this.perform(action, response);
  }

  private perform(action: ClientAction, response: SipResponse | undefined): void {
    const { t1, t2 } = this.host.timers;
    switch (action) {
      case 'transmit':
        if (!this.host.transmit(this.bytes, this.flow)) queueMicrotask(() => this.transportError());
        return;
      case 'transmitAnew':
        this.move();
        return;
      case 'retransmitDoubled':
        this.interval = this.isInvite ? this.interval * 2 : Math.min(this.interval * 2, t2);
        this.wakeIn(this.interval);
        return;
      case 'retransmitAtT2':
        this.wakeIn(t2);
        return;
      case 'stopTimers':
        this.stopTimer();
        return;
      case 'sendCancel':
        this.host.cancel(this, this.cancelFields);
        return;
      case 'awaitEnd':
        this.deadline = performance.now() + 64 * t1;
        this.wakeIn(64 * t1);
        return;
      case 'linger':
        this.stopTimer();
        this.linger(t1);
        return;
      case 'deliver':
        if (response !== undefined) this.handler.onResponse(response);
        return;
      case 'acknowledge':
        if (response !== undefined) this.host.transmit(acknowledgeFailure(this.request, response).toBuffer(), this.flow);
        return;
      case 'reportTimeout':
        this.handler.onFailure('timeout');
        return;
      case 'reportTransport':
        this.handler.onFailure('transport');
    }
  }

  /**
   * A connection that ends says nothing about what was sent over it last: a peer may have closed it because nothing had come for long.
   * RFC 5923 8.1 has another one opened then, before the peer has failed (RFC 3261 18.4). Whoever has the request takes this one for a
   * copy, and answers over the new connection (RFC 3261 17.2, 18.2.2).
   */
  private move(): void {
    this.mayMove = false;
    this.moves++;
    const flow = this.destination && this.host.reconnect(this, this.destination);
    if (flow !== undefined) this.flow = flow;
    if (flow === undefined || !this.host.transmit(this.bytes, flow)) queueMicrotask(() => this.transportError());
  }

  private linger(t1: number): void {
    if (!this.isInvite) {
      // All that Timer K would be for is to drop copies of the response; the layer drops what belongs to no transaction.
      this.state = 'terminated';
      this.host.finished(this);
    } else if (this.state === 'accepted') this.wakeIn(64 * t1, false);
    else if (this.flow.reliable) this.run('lingered');
    else this.wakeIn(Math.max(32_000, 64 * t1), false);
  }

  private wakeIn(delayMs: number, untilDeadline = true): void {
    const delay = untilDeadline ? Math.min(delayMs, this.deadline - performance.now()) : delayMs;
    if (this.timer === undefined) this.timer = this.host.wheel.schedule(delay, wake, this);
    else this.host.wheel.reschedule(this.timer, delay);
  }

  private stopTimer(): void {
    if (this.timer !== undefined) this.host.wheel.cancel(this.timer);
  }
}

function wake(transaction: ClientTransactionRunner): void {
  transaction.expire();
}
