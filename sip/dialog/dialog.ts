import type { SipRequest } from '../message/message.ts';

/** A dialog as plain JSON, for the state store. */
export interface DialogState {
  readonly callId: string;
  readonly localTag: string;
  readonly remoteTag: string;
  /** The header values as they came (From of our requests carries the local one with its tag). */
  readonly local: string;
  readonly remote: string;
  readonly remoteTarget: string;
  readonly routeSet: readonly string[];
  readonly localContact: string;
  readonly localCSeq: number;
  readonly remoteCSeq: number;
}

/** A dialog of a subscription, seen from the side that was subscribed to (RFC 3261 12, RFC 6665 4.4). */
export declare class Dialog {
  /** Call-ID, local tag and remote tag. */
  readonly id: string;
  readonly callId: string;
  readonly localTag: string;
  readonly remoteTag: string;
  /** URI the peer named in Contact. */
  remoteTarget: string;
  localCSeq: number;
  remoteCSeq: number;
  /** The dialog that a request without To tag makes. @throws SipError 400 without a usable Contact. */
  static accept(request: SipRequest, localTag: string, localContact: string): Dialog;
  static restore(state: DialogState): Dialog;
  readonly state: DialogState;
  /** The id of the dialog a received request belongs to; undefined without To tag. */
  static idOf(request: SipRequest): string | undefined;
  /** The next request in the dialog: CSeq one higher, Route and Request-URI by the route set. */
  createRequest(method: string): SipRequest;
  /** Takes note of a request in the dialog. @throws SipError 500 when its CSeq is older than the last one's. */
  receive(request: SipRequest): void;
}
