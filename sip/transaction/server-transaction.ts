import type { SipRequest, SipResponse } from '../message/message.ts';
import { responseTo } from '../message/response.ts';
import type { Flow } from '../transport/flow.ts';
import type { Timer, TimerWheel } from '../transport/timer-wheel.ts';
import { MAX_DATAGRAM_BYTES } from '../transport/udp.ts';
import type { TimerValues, Transition } from './machine.ts';
import { INVITE_SERVER, NON_INVITE_SERVER, type ServerAction, type ServerInput, type ServerState } from './server-machines.ts';
import type { Keyed } from './transaction-table.ts';

export interface ServerTransaction {
  readonly request: SipRequest;
  /** What it is matched by (RFC 3261 17.2.3). */
  readonly key: string;
  /** Where the request came from. */
  readonly flow: Flow;
  /** For a CANCEL: the transaction of the INVITE it is about, if there is one. */
  readonly cancels: ServerTransaction | undefined;
  /** Has a final response been given? */
  readonly completed: boolean;
  /** Sends a response; one after the final response is dropped. */
  respond(response: SipResponse): void;
  /** Asks for credentials with our own 401 or 407, as the first and last response: an INVITE over UDP gets it only once. */
  challenge(response: SipResponse): void;
}

/** What a server transaction needs of the layer it lives in. */
export interface ServerTransactionHost {
  readonly wheel: TimerWheel;
  readonly timers: TimerValues;
  /** The way for responses (RFC 3261 18.2.2). */
  replyFlow(request: SipRequest, flow: Flow): Flow | undefined;
  transmit(bytes: Buffer, flow: Flow): boolean;
  /** A final response has been given. */
  answered(transaction: ServerTransactionRunner): void;
  /** Answer copies of the request with these bytes for Timer J, without the transaction. */
  keepResponse(key: string, bytes: Buffer, flow: Flow): void;
  /** Forget the transaction. */
  ended(key: string): void;
  deliverAck(ack: SipRequest, flow: Flow): void;
}

/** RFC 3261 17.2.1: how long the user may take with its first response to an INVITE before a 100 goes out. */
const INVITE_SLOW_MS = 200;
const NOTHING_SENT = Buffer.alloc(0);

type Table = Readonly<Partial<Record<ServerState, Readonly<Partial<Record<ServerInput, Transition<ServerState, ServerAction>>>>>>>;

/** Runs a server machine. */
export class ServerTransactionRunner implements ServerTransaction, Keyed<ServerTransactionRunner> {
  readonly request: SipRequest;
  readonly flow: Flow;
  readonly key: string;
  readonly cancels: ServerTransaction | undefined;
  /** Is it in the count of its source's open transactions? */
  counted = false;
  private readonly host: ServerTransactionHost;
  private readonly table: Table;
  private readonly isInvite: boolean;
  private state: ServerState;
  private reply: Flow | undefined;
  private bytes: Buffer = NOTHING_SENT;
  private timer: Timer | undefined;
  /** @internal */
  hash = 0;
  /** @internal */
  next: ServerTransactionRunner | undefined;
  private interval = 0;
  private deadline = 0;

  constructor(request: SipRequest, flow: Flow, key: string, host: ServerTransactionHost, cancels?: ServerTransaction) {
    this.request = request;
    this.flow = flow;
    this.key = key;
    this.host = host;
    this.cancels = cancels;
    this.isInvite = request.method === 'INVITE';
    this.table = this.isInvite ? INVITE_SERVER : NON_INVITE_SERVER;
    this.state = 'trying';
    this.timer = undefined;
    this.reply = undefined;
    this.next = undefined;
  }

  get completed(): boolean {
    return this.state !== 'trying' && this.state !== 'proceeding';
  }

  /** The user has not answered at once: the client will be told before it gives up (RFC 3261 17.2.1, RFC 4320 4.1). */
  awaitUser(): void {
    if (this.state === 'trying') this.wakeIn(this.slowMs);
  }

  respond(response: SipResponse): void {
    const { status } = response;
    const wasCompleted = this.completed;
    if (status === 408) this.run('requestTimeout', response);
    else if (status >= 300) this.run('failure', response);
    else if (status >= 200) this.run('success', response);
    else this.run(status === 100 ? 'trying' : 'provisional', response);
    if (!wasCompleted && this.completed) this.host.answered(this);
  }

  challenge(response: SipResponse): void {
    if (!this.isInvite || this.flow.reliable || this.state !== 'trying') {
      this.respond(response);
      return;
    }
    this.run('challenge', response);
    this.host.answered(this);
  }

  /** The request came again, or an ACK for its response. */
  receive(request: SipRequest): void {
    if (request.method === 'ACK') this.run('ack', undefined, request);
    else this.run('request');
  }

  /** The timer's turn. */
  expire(): void {
    if (this.state === 'trying') this.run('slow');
    else if (this.state !== 'completed') this.run('lingered');
    else if (performance.now() >= this.deadline) this.run('timeout');
    else this.run('retransmit');
  }

  private run(input: ServerInput, response?: SipResponse, ack?: SipRequest): void {
    const transition = this.table[this.state]?.[input];
    if (transition === undefined) return;
    this.state = transition.next;
    for (const action of transition.actions) this.perform(action, response, ack);
    if (transition.next === 'terminated') {
      this.stopTimer();
      this.host.ended(this.key);
    }
  }

  private perform(action: ServerAction, response: SipResponse | undefined, ack: SipRequest | undefined): void {
    const { t1, t2, t4 } = this.host.timers;
    switch (action) {
      case 'respond':
        if (response !== undefined) this.bytes = this.fitting(response);
        this.transmit();
        return;
      case 'sendTrying':
        this.bytes = this.tryingResponse().toBuffer();
        this.transmit();
        return;
      case 'transmit':
        this.transmit();
        return;
      case 'awaitAck':
        this.interval = t1;
        this.deadline = performance.now() + 64 * t1;
        // RFC 3261 17.2.1: Timer G does not run over a reliable transport, H does.
        this.wakeIn(this.flow.reliable ? 64 * t1 : t1);
        return;
      case 'retransmitDoubled':
        this.interval = Math.min(this.interval * 2, t2);
        this.wakeIn(Math.min(this.interval, this.deadline - performance.now()));
        return;
      case 'stopTimers':
        this.stopTimer();
        return;
      case 'linger':
        this.linger(t1, t4);
        return;
      case 'deliverAck':
        if (ack !== undefined) this.host.deliverAck(ack, this.flow);
    }
  }

  /** For others than INVITE: when the client's Timer E is reset to T2, having doubled from T1 (RFC 4320 4.1). */
  private get slowMs(): number {
    if (this.isInvite) return INVITE_SLOW_MS;
    const { t1, t2 } = this.host.timers;
    let elapsed = t1;
    for (let interval = t1; interval * 2 < t2; interval *= 2) elapsed += interval * 2;
    return elapsed;
  }

  private tryingResponse(): SipResponse {
    const response = responseTo(this.request, 100);
    const timestamp = response.headers.get('Timestamp');
    // RFC 3261 8.2.6.1, 20.38: with the seconds that it took to answer.
    if (timestamp !== undefined && !timestamp.includes(' ')) response.headers.set('Timestamp', `${timestamp} ${this.slowMs / 1000}`);
    return response;
  }

  /** What no datagram holds cannot be said; that it cannot, can. */
  private fitting(response: SipResponse): Buffer {
    const bytes = response.toBuffer();
    if (this.flow.reliable || bytes.length <= MAX_DATAGRAM_BYTES) return bytes;
    const { tag } = response.to;
    return responseTo(this.request, 513, 'Response does not fit into a datagram', tag).toBuffer();
  }

  private linger(t1: number, t4: number): void {
    if (!this.isInvite) {
      // The timer would keep the request alive that nobody needs any more.
      this.stopTimer();
      if (this.flow.reliable || this.reply === undefined) this.host.ended(this.key);
      else this.host.keepResponse(this.key, this.bytes, this.reply);
    } else if (this.state === 'accepted') this.wakeIn(64 * t1);
    else if (this.flow.reliable) this.run('lingered');
    else this.wakeIn(t4);
  }

  private transmit(): void {
    if (this.bytes.length === 0) return;
    if (this.reply === undefined || this.reply.closed) this.reply = this.host.replyFlow(this.request, this.flow);
    if (this.reply !== undefined) this.host.transmit(this.bytes, this.reply);
  }

  private wakeIn(delayMs: number): void {
    if (this.timer === undefined) this.timer = this.host.wheel.schedule(delayMs, wake, this);
    else this.host.wheel.reschedule(this.timer, delayMs);
  }

  private stopTimer(): void {
    if (this.timer !== undefined) this.host.wheel.cancel(this.timer);
  }
}

function wake(transaction: ServerTransactionRunner): void {
  transaction.expire();
}
