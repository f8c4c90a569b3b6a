import type { SipRequest, SipResponse } from '../message/message.ts';
import type { TransactionLayer } from '../transaction/transaction-layer.ts';
import type { Destination, Flow, TransportLayer } from '../transport/transport.ts';

export interface UacTarget {
  /** Used while it is an open connection, or UDP. */
  readonly flow?: Flow | undefined;
  readonly destinations?: readonly Destination[] | undefined;
}

export interface UacCallbacks {
  /** The final response. */
  onResponse(response: SipResponse): void;
  onProvisional?(response: SipResponse): void;
  /** No answer ('timeout'), no way there ('transport'), or a target that cannot be resolved ('unresolved'). */
  onFailure(kind: 'timeout' | 'transport' | 'unresolved'): void;
}

/** Sends requests: over the given live flow, else to the next hop from Route or Request-URI (RFC 3261 8.1.2). */
export declare class UserAgentClient {
  constructor(transactions: TransactionLayer, transport: TransportLayer);
  send(request: SipRequest, target: UacTarget, callbacks: UacCallbacks): void;
}
