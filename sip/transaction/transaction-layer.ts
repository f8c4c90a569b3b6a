import type { SipRequest, SipResponse } from '../message/message.ts';
import type { TimerWheel } from '../transport/timer-wheel.ts';
import type { Destination, Flow, TransportLayer } from '../transport/transport.ts';

export interface ClientTransactionHandler {
  /** Every provisional response and the first final one (and each 2xx to an INVITE). */
  onResponse(response: SipResponse): void;
  /** Called once, and no response after it: nobody answered (Timer B or F), or the request could not be sent. */
  onFailure(kind: 'timeout' | 'transport'): void;
}

export interface ClientTransaction {
  readonly request: SipRequest;
}

export interface ServerTransaction {
  readonly request: SipRequest;
  /** Where the request came from. */
  readonly flow: Flow;
  /** Sends a response; one after the final response is dropped. */
  respond(response: SipResponse): void;
}

export interface TransactionOptions {
  /** Milliseconds (RFC 3261 17.1.1.1). Defaults 500, 4000, 5000. */
  readonly t1?: number;
  readonly t2?: number;
  readonly t4?: number;
}

export declare class TransactionLayer {
  /** A new request (not a retransmission); an ACK to a 2xx too, whose transaction answers nothing. */
  onRequest: ((transaction: ServerTransaction) => void) | undefined;
  /** A response that belongs to no transaction. */
  onResponse: ((response: SipResponse, flow: Flow) => void) | undefined;
  constructor(transport: TransportLayer, wheel: TimerWheel, options?: TransactionOptions);
  /** Adds the top Via and sends the request; destinations are tried in order until one answers. */
  send(request: SipRequest, target: Flow | readonly Destination[], handler: ClientTransactionHandler): ClientTransaction;
}
