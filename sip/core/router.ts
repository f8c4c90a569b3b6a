import type { SipRequest } from '../message/message.ts';
import { SipError } from '../message/sip-error.ts';
import { printable, type SipUri } from '../message/uri.ts';
import type { ServerTransaction } from '../transaction/transaction-layer.ts';
import type { Flow } from '../transport/transport.ts';
import type { UserDirectory } from './authenticator.ts';
import type { Identifier } from './identity.ts';
import { type Logger, silentLogger } from './log.ts';
import { MergedRequests } from './merged-requests.ts';
import { checkFields, checkRequire, checkVersion, requestTarget } from './request-checks.ts';
import { type RequestContext, RoutedRequest } from './request-context.ts';

export type { RequestContext } from './request-context.ts';

/** Throws SipError to answer with it; anything else it throws is logged as our bug and answered 500. */
export type RequestHandler = (context: RequestContext) => void | Promise<void>;

export interface RouterOptions {
  readonly users: UserDirectory;
  readonly identifier: Identifier;
  readonly log?: Logger | undefined;
  /** Option tags for Supported, and allowed in Require. */
  readonly supported?: readonly string[] | undefined;
  /** Event packages for Allow-Events, asked whenever it is written. */
  readonly allowEvents?: (() => readonly string[]) | undefined;
  /** MIME types for Accept. */
  readonly accept?: (() => readonly string[]) | undefined;
  /** Content codings for Accept-Encoding that handlers undo; `identity` by default. */
  readonly acceptEncoding?: readonly string[] | undefined;
  /** Value of the Server header field. */
  readonly server?: string | undefined;
  /** Does this server listen at host and port? The socket a request came to always counts. */
  readonly isLocalAddress?: ((host: string, port: number | undefined) => boolean) | undefined;
  /** Takes what is for users and for others than us; without one there are only requests to the server itself. */
  readonly forwarder?: RequestForwarder | undefined;
}

/** A Route value of ours by which a request came. */
export interface OwnRoute {
  readonly uri: SipUri;
  /** We recorded it for the dialog that the request is in. */
  readonly isOfDialog: boolean;
}

/** The proxy, as the router sees it. */
export interface RequestForwarder {
  /**
   * Takes what was written for us from the request (RFC 3261 16.4).
   * @returns the Route value of ours that it came by, if any
   */
  preprocess(request: SipRequest): OwnRoute | undefined;
  /**
   * Forwards a request.
   * @param route what `preprocess` gave
   * @throws SipError to be answered with
   */
  forward(context: RoutedRequest, route: OwnRoute | undefined): void;
  /** Cancels what was forwarded for the INVITE; the CANCEL itself has been answered. */
  cancel(invite: ServerTransaction, cancel: SipRequest): void;
  /** Passes on an ACK to a 2xx. */
  acknowledge(ack: SipRequest, flow: Flow): void;
}

/** Methods we know by name; one without a handler is not allowed (405), any other not implemented (501). */
const KNOWN_METHODS: ReadonlySet<string> = new Set(
  'INVITE ACK CANCEL BYE REGISTER OPTIONS SUBSCRIBE NOTIFY PUBLISH MESSAGE INFO PRACK UPDATE REFER'.split(' '),
);
/** These make sense only inside a dialog or subscription, and there is none of ours they could be in. */
const IN_DIALOG_METHODS: ReadonlySet<string> = new Set(['BYE', 'NOTIFY', 'INFO', 'PRACK', 'UPDATE']);
/** NOTIFY is of subscriptions of ours, which nobody knows but their notifiers. */
const WITHOUT_AUTHENTICATION: ReadonlySet<string> = new Set(['OPTIONS', 'NOTIFY']);
/** Addressed to a user, these are answered for it by the server. */
const OURS_FOR_USERS: ReadonlySet<string> = new Set(['REGISTER', 'SUBSCRIBE', 'PUBLISH']);
const DEFAULT_PORT = 5060;

/** Takes each request through the checks of RFC 3261 8.2 and gives it to the handler of its method. */
export class MethodRouter {
  private readonly options: RouterOptions;
  private readonly log: Logger;
  private readonly supported: ReadonlySet<string>;
  private readonly handlers = new Map<string, RequestHandler>();
  private readonly merged = new MergedRequests();

  constructor(options: RouterOptions) {
    this.options = options;
    this.log = options.log ?? silentLogger;
    this.supported = new Set(options.supported?.map((tag) => tag.toLowerCase()));
    this.handle('OPTIONS', (context) => this.answerOptions(context));
  }

  /** Sets the handler of a method (upper case). */
  handle(method: string, handler: RequestHandler): void {
    this.handlers.set(method, handler);
  }

  /** For the transaction layer's `onRequest`. Never throws. */
  route(transaction: ServerTransaction): void {
    const { request } = transaction;
    if (request.method === 'ACK') {
      this.options.forwarder?.acknowledge(request, transaction.flow);
      return;
    }
    const context = new RoutedRequest(transaction, this.log, this.options.server);
    try {
      const running = this.process(context, transaction);
      if (running !== undefined) running.catch((error: unknown) => context.fail(error));
    } catch (error) {
      context.fail(error);
    }
  }

  private process(context: RoutedRequest, transaction: ServerTransaction): Promise<void> | undefined {
    const { request } = context;
    checkVersion(request);
    checkFields(request);
    const { forwarder } = this.options;
    if (request.method === 'CANCEL') {
      // RFC 3261 9.2 and 16.10. What we know nothing of we have not forwarded, or before a restart and with other branches.
      context.respond(transaction.cancels === undefined ? 481 : 200);
      if (transaction.cancels !== undefined) forwarder?.cancel(transaction.cancels, request);
      return undefined;
    }
    const route = forwarder?.preprocess(request);
    if (forwarder !== undefined && !this.isForServer(context, route)) {
      forwarder.forward(context, route);
      return undefined;
    }
    const handler = this.handlerFor(request);
    this.checkTarget(context);
    this.authenticate(context);
    if (this.merged.isMerged(request, transaction.key)) throw new SipError(482, 'The same request has come before on another way');
    checkRequire(request, this.supported);
    return handler(context) ?? undefined;
  }

  /** Is the request for the server itself, or for the proxy to forward (RFC 3261 16.3)? */
  private isForServer(context: RequestContext, route: OwnRoute | undefined): boolean {
    const { request } = context;
    const { user, host, port } = requestTarget(request);
    if (this.options.users.servesDomain(host)) return user === undefined || OURS_FOR_USERS.has(request.method);
    if (this.isOwnAddress(host, port, context.flow)) return true;
    if (request.method === 'REGISTER') return true;
    // A request in a dialog with us is aimed at the Contact we gave, which an address translator may have rewritten, and some agents put
    // a Route to us before each. By the Route that we recorded come those of other dialogs.
    if (request.to.tag === undefined || route?.isOfDialog) return false;
    return route === undefined || request.method === 'SUBSCRIBE';
  }

  private isOwnAddress(host: string, port: number | undefined, flow: Flow): boolean {
    const address = host.startsWith('[') ? host.slice(1, -1) : host;
    if (address === flow.localAddress && (port ?? DEFAULT_PORT) === flow.localPort) return true;
    return this.options.isLocalAddress?.(host, port) ?? false;
  }

  private handlerFor(request: SipRequest): RequestHandler {
    const { method } = request;
    const handler = this.handlers.get(method);
    if (handler !== undefined) return handler;
    if (!KNOWN_METHODS.has(method)) throw new SipError(501, `Method ${printable(method)} is not implemented`, [['Allow', this.allow]]);
    // RFC 3261 12.2.2: in a dialog we know nothing of.
    if (IN_DIALOG_METHODS.has(method) || request.to.tag !== undefined) throw new SipError(481);
    throw new SipError(405, undefined, [['Allow', this.allow]]);
  }

  private checkTarget(context: RequestContext): void {
    const { request, flow } = context;
    const { host, port } = requestTarget(request);
    if (this.options.users.servesDomain(host)) return;
    if (this.isOwnAddress(host, port, flow)) return;
    // A request in a dialog is aimed at the Contact we gave, which an address translator may have rewritten.
    if (request.to.tag !== undefined) return;
    throw new SipError(404, `${printable(host)} is not served here`);
  }

  private authenticate(context: RoutedRequest): void {
    if (WITHOUT_AUTHENTICATION.has(context.request.method)) return;
    const identity = this.options.identifier.identify(context, 'server');
    if (identity !== undefined) context.identify(identity);
  }

  private answerOptions(context: RequestContext): void {
    const { options } = this;
    const { user, host } = requestTarget(context.request);
    if (user !== undefined && options.users.servesDomain(host)) throw new SipError(480, 'Requests to users are not forwarded');
    context.respond(200, {
      headers: [
        ['Allow', this.allow],
        ['Accept', options.accept?.().join(', ') || '*/*'],
        ['Accept-Encoding', options.acceptEncoding?.join(', ') ?? 'identity'],
        ['Accept-Language', 'en'],
        ['Supported', [...this.supported].join(', ')],
        ['Allow-Events', options.allowEvents?.().join(', ') ?? ''],
      ],
    });
  }

  private get allow(): string {
    return [...this.handlers.keys()].join(', ');
  }
}
