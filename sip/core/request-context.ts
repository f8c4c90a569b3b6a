import type { SipRequest, SipResponse } from '../message/message.ts';
import { SipError } from '../message/sip-error.ts';
import type { ServerTransaction } from '../transaction/transaction-layer.ts';
import type { Flow } from '../transport/transport.ts';
import type { Identity, IdentitySource } from './identity.ts';
import type { Logger } from './log.ts';
import { withoutPassword } from './message-trace.ts';
import { createResponse, type ResponseOptions } from './respond.ts';

/** A request as its handler gets it, and the way to answer it. */
export interface RequestContext {
  readonly request: SipRequest;
  readonly flow: Flow;
  /** Canonical address of the sender; with authentication off, that of From. */
  readonly identity: string | undefined;
  /** What else is asserted to be the sender, as canonical addresses. */
  readonly aliases: readonly string[] | undefined;
  /** What vouches for it. */
  readonly identitySource: IdentitySource | undefined;
  readonly isAdmin: boolean;
  /** Has a final response been given? */
  readonly responded: boolean;
  readonly log: Logger;
  /** What decided, for the log line where the status does not say it. */
  because: string | undefined;
  /** Sends the response; one after the final response is dropped and logged. */
  respond(status: number, options?: ResponseOptions): void;
}

/** A request on its way through the router. */
export class RoutedRequest implements RequestContext {
  readonly log: Logger;
  because: string | undefined;
  /** Of the final response; 0 before it. */
  status: number;
  readonly transaction: ServerTransaction;
  /** It came by a Route that the proxy recorded for its dialog. */
  isOfOwnRoute = false;
  private readonly server: string | undefined;
  private readonly startedAt: number;
  private sender: Identity | undefined;

  constructor(transaction: ServerTransaction, log: Logger, server: string | undefined) {
    this.transaction = transaction;
    this.log = log;
    this.server = server;
    this.because = undefined;
    this.status = 0;
    this.sender = undefined;
    this.startedAt = performance.now();
  }

  get request(): SipRequest {
    return this.transaction.request;
  }

  get flow(): Flow {
    return this.transaction.flow;
  }

  get identity(): string | undefined {
    return this.sender?.address;
  }

  get aliases(): readonly string[] | undefined {
    return this.sender?.aliases;
  }

  get identitySource(): IdentitySource | undefined {
    return this.sender?.source;
  }

  get isAdmin(): boolean {
    return this.sender?.admin === true;
  }

  get responded(): boolean {
    return this.transaction.completed;
  }

  /** The router says who it is from. */
  identify(sender: Identity): void {
    this.sender = sender;
  }

  respond(status: number, options?: ResponseOptions): void {
    if (this.transaction.completed) {
      this.log.warn({ method: this.request.method, status }, 'second final response dropped');
      return;
    }
    const response = createResponse(this.request, status, options);
    if (this.server !== undefined) response.headers.add('Server', this.server);
    if (status === 401 || status === 407) this.transaction.challenge(response);
    else this.transaction.respond(response);
    if (status >= 200) this.status = status;
    if (status >= 200 && this.log.isLevelEnabled('info')) this.writeLog(status, status >= 300 ? response.reason : undefined);
  }

  /** Sends a response that another element has made, as it is; one after a final response other than 2xx is dropped. */
  relay(response: SipResponse): void {
    const { status } = response;
    this.transaction.respond(response);
    if (status >= 200) this.status = status;
    if (status >= 200 && this.log.isLevelEnabled('info')) this.writeLog(status, status >= 300 ? response.reason : undefined);
  }

  /** The one place where an error becomes a response. */
  fail(error: unknown): void {
    if (error instanceof SipError) {
      this.respond(error.status, { reason: error.reason, headers: error.headers });
      return;
    }
    this.log.error({ err: error, method: this.request.method, uri: withoutPassword(this.request.uri) }, 'request handler failed');
    if (!this.responded) this.respond(500);
  }

  private writeLog(status: number, reason: string | undefined): void {
    const { request, flow } = this;
    const ms = Math.round((performance.now() - this.startedAt) * 1000) / 1000;
    const line = {
      method: request.method,
      uri: withoutPassword(request.uri),
      from: withoutPassword(request.headers.get('From') ?? ''),
      source: `${flow.remoteAddress}:${flow.remotePort}`,
      status,
      ms,
      ...(reason === undefined ? {} : { reason }),
      ...(this.because === undefined ? {} : { because: this.because }),
    };
    this.log.info(line, 'SIP request');
  }
}
