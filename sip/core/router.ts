import type { SipRequest } from '../message/message.ts';
import { SipError } from '../message/sip-error.ts';
import { printable } from '../message/uri.ts';
import type { ServerTransaction } from '../transaction/transaction-layer.ts';
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
}

/** Methods we know by name; one without a handler is not allowed (405), any other not implemented (501). */
const KNOWN_METHODS: ReadonlySet<string> = new Set(
  'INVITE ACK CANCEL BYE REGISTER OPTIONS SUBSCRIBE NOTIFY PUBLISH MESSAGE INFO PRACK UPDATE REFER'.split(' '),
);
/** These make sense only inside a dialog or subscription, and there is none of ours they could be in. */
const IN_DIALOG_METHODS: ReadonlySet<string> = new Set(['BYE', 'NOTIFY', 'INFO', 'PRACK', 'UPDATE']);
const WITHOUT_AUTHENTICATION: ReadonlySet<string> = new Set(['OPTIONS']);
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
    if (transaction.request.method === 'ACK') return;
    const context = new RoutedRequest(transaction, this.log, this.options.server);
    try {
      const running = this.process(context, transaction);
      if (running !== undefined) running.catch((error: unknown) => this.fail(context, error));
    } catch (error) {
      this.fail(context, error);
    }
  }

  private process(context: RoutedRequest, transaction: ServerTransaction): Promise<void> | undefined {
    const { request } = context;
    checkVersion(request);
    checkFields(request);
    if (request.method === 'CANCEL') {
      // RFC 3261 9.2. What it cancels has been answered by now, for no INVITE waits here.
      context.respond(transaction.cancels === undefined ? 481 : 200);
      return undefined;
    }
    const handler = this.handlerFor(request);
    this.checkTarget(context);
    this.authenticate(context);
    if (this.merged.isMerged(request, transaction.key)) throw new SipError(482, 'The same request has come before on another way');
    checkRequire(request, this.supported);
    return handler(context) ?? undefined;
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
    const address = host.startsWith('[') ? host.slice(1, -1) : host;
    if (address === flow.localAddress && (port ?? DEFAULT_PORT) === flow.localPort) return;
    if (this.options.isLocalAddress?.(host, port)) return;
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

  /** The one place where an error becomes a response. */
  private fail(context: RequestContext, error: unknown): void {
    if (error instanceof SipError) {
      context.respond(error.status, { reason: error.reason, headers: error.headers });
      return;
    }
    this.log.error({ err: error, method: context.request.method, uri: context.request.uri }, 'request handler failed');
    if (!context.responded) context.respond(500);
  }
}
