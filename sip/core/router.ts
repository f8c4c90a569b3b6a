import type { SipRequest } from '../message/message.ts';
import type { ServerTransaction } from '../transaction/transaction-layer.ts';
import type { Flow } from '../transport/transport.ts';
import type { Authenticator, UserDirectory } from './authenticator.ts';
import type { Logger } from './log.ts';
import type { ResponseOptions } from './respond.ts';

export interface RequestContext {
  readonly request: SipRequest;
  readonly flow: Flow;
  /** Canonical address of the authenticated user; with authentication off, that of From. */
  readonly identity: string | undefined;
  readonly isAdmin: boolean;
  /** Authentication is off: `identity` is only what From says. */
  readonly trustedWithoutAuth: boolean;
  /** Sends the response; a second final one is dropped and logged. */
  respond(status: number, options?: ResponseOptions): void;
  readonly responded: boolean;
  readonly log: Logger;
}

/** Throws SipError to answer with it; anything else it throws is logged as our bug and answered 500. */
export type RequestHandler = (context: RequestContext) => void | Promise<void>;

export interface RouterOptions {
  readonly users: UserDirectory;
  /** Absent: authentication is off. */
  readonly authenticator?: Authenticator | undefined;
  readonly log?: Logger | undefined;
  /** Option tags for Supported, and allowed in Require. */
  readonly supported?: readonly string[];
  /** Event packages for Allow-Events, asked whenever it is written. */
  readonly allowEvents?: () => readonly string[];
  /** MIME types for Accept. */
  readonly accept?: () => readonly string[];
  /** Value of the Server header field. */
  readonly server?: string;
  /** Is the host and port one this server listens at (beside the served domains)? */
  readonly isLocalAddress?: (host: string, port: number | undefined) => boolean;
}

export declare class MethodRouter {
  constructor(options: RouterOptions);
  /** Sets the handler of a method (upper case). */
  handle(method: string, handler: RequestHandler): void;
  /** For the transaction layer's `onRequest`. */
  route(transaction: ServerTransaction): void;
}
