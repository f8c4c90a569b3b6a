import { METHODS } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { writeXcapError, XCAP_ERROR_TYPE } from '../schemas/xcap-error.ts';
import type { HttpAuthenticator, Requester } from './access.ts';
import type { DocumentService } from './document-service.ts';
import type { MaybePromise } from './document-store.ts';
import { type HeaderFields, XcapConflict, XcapRefusal } from './errors.ts';
import type { XcapAnswer, XcapRequest } from './exchange.ts';

export interface XcapPluginOptions {
  /** Paths of the XCAP roots, the same that the service has. */
  readonly roots: readonly string[];
  readonly service: DocumentService;
  readonly authenticator: HttpAuthenticator;
  /** Gets a line per refusal with its reason; at level debug, one per answer. */
  readonly log: XcapLog;
}

/** As pino has it. */
export interface XcapLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** A request being answered. */
interface Call {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  /** Undefined until authenticated. */
  requester: Requester | undefined;
}

const UNDERSTOOD = ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS'];
const ALLOW: HeaderFields = { allow: UNDERSTOOD.join(', ') };
const NO_BODY = Buffer.alloc(0);
const TEXT = 'text/plain; charset=utf-8';
/** Characters of a request target in the log. */
const LOGGED = 500;

/** XCAP over HTTP (RFC 4825) below every root: a Fastify plugin, and the only file here that knows HTTP. */
export async function xcapPlugin(fastify: FastifyInstance, { roots, service, authenticator, log }: XcapPluginOptions): Promise<void> {
  // RFC 4825 8.2.2: what the media type must be follows from the URI, so any body is taken as it comes.
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  fastify.setErrorHandler((error, request, reply) => refuse({ request, reply, requester: undefined }, error, log));

  // Node's parser knows many more methods; without a route Fastify would answer 404 for most of them.
  const others = METHODS.filter((method) => method !== 'CONNECT' && !UNDERSTOOD.includes(method));
  for (const method of others) if (!fastify.supportedMethods.includes(method)) fastify.addHttpMethod(method);
  for (const root of roots) {
    // A colon would begin a parameter's name.
    const url = `${root.endsWith('/') ? root : `${root}/`}*`.replaceAll(':', '::');
    fastify.route({ method: UNDERSTOOD, url, bodyLimit: service.documentBytes, exposeHeadRoute: false, handler: handle });
    // A hook, so that the body, whatever it is, is not looked at.
    fastify.route({ method: others, url, onRequest: (request, reply) => refuseMethod(request, reply, log), handler: () => undefined });
  }

  /** Not async: what is answered from memory is sent without a turn of the event loop. */
  function handle(request: FastifyRequest, reply: FastifyReply): void {
    const call: Call = { request, reply, requester: undefined };
    try {
      if (request.method === 'OPTIONS') {
        respond(call, 204, ALLOW, undefined, log);
        return;
      }
      const answer = perform(call);
      if (!(answer instanceof Promise)) send(call, answer, log);
      else
        answer.then(
          (ready) => send(call, ready, log),
          (error: unknown) => refuse(call, error, log),
        );
    } catch (error) {
      refuse(call, error, log);
    }
  }

  /** The order of RFC 4825 8: what is unknown, then who asks, then the method's own (see `document-service.ts`). */
  function perform(call: Call): MaybePromise<XcapAnswer> {
    const { raw, body } = call.request;
    const { headers } = raw;
    const target = service.locate(raw.url ?? '');
    const bytes = body instanceof Uint8Array ? body : NO_BODY;
    call.requester = authenticate(call, bytes);
    const request: XcapRequest = {
      target,
      requester: call.requester,
      conditions: {
        ifMatch: headers['if-match'],
        ifNoneMatch: headers['if-none-match'],
        ifModifiedSince: headers['if-modified-since'],
        ifUnmodifiedSince: headers['if-unmodified-since'],
      },
      contentType: headers['content-type'],
      body: bytes,
    };
    if (raw.method === 'DELETE') return service.delete(request);
    if (raw.method !== 'PUT') return service.get(request);
    const coding = headers['content-encoding'];
    if (coding !== undefined && coding.toLowerCase() !== 'identity') {
      throw new XcapRefusal(415, `the content coding ${coding} is not understood`, { 'accept-encoding': 'identity' });
    }
    return service.put(request);
  }

  function authenticate({ request: { raw }, reply }: Call, body: Uint8Array): Requester {
    const result = authenticator.authenticate({
      method: raw.method ?? '',
      target: raw.url ?? '',
      authorization: raw.headers.authorization,
      body,
      remoteAddress: raw.socket.remoteAddress ?? '',
    });
    if (result.kind === 'challenge') throw new XcapRefusal(401, result.reason, { 'www-authenticate': result.challenges });
    if (result.kind === 'malformed') throw new XcapRefusal(400, result.reason);
    if (result.info !== undefined) reply.header('authentication-info', result.info);
    return result.requester;
  }
}

function send(call: Call, { status, etag, content }: XcapAnswer, log: XcapLog): void {
  const { reply } = call;
  if (etag !== undefined) reply.header('etag', `"${etag}"`);
  if (!content) {
    respond(call, status, {}, undefined, log);
    return;
  }
  // RFC 4825 9: a cache cannot know that a change of another resource changed this one.
  const headers = { 'content-type': content.type, 'last-modified': content.lastModified, 'cache-control': 'no-cache' };
  respond(call, status, headers, content.body, log);
}

/** RFC 4825 8.1: POST and the like have no meaning here. */
function refuseMethod(request: FastifyRequest, reply: FastifyReply, log: XcapLog): void {
  const error = new XcapRefusal(405, `${request.method} has no meaning for XCAP resources (RFC 4825 8.1)`, ALLOW);
  refuse({ request, reply, requester: undefined }, error, log);
}

/** The one place where an error becomes a response. */
function refuse(call: Call, error: unknown, log: XcapLog): void {
  if (error instanceof XcapConflict) {
    const body = writeXcapError(error.condition);
    respond(call, 409, { 'content-type': XCAP_ERROR_TYPE }, body, log, error.message);
    return;
  }
  if (error instanceof XcapRefusal) {
    respond(call, error.status, { ...error.headers, 'content-type': TEXT }, `${error.message}\n`, log, error.message);
    return;
  }
  const status = frameworkStatus(error);
  if (status === 500) log.error({ err: error }, 'xcap: a request could not be answered');
  const reason = status === 500 || !(error instanceof Error) ? 'the server could not answer the request' : error.message;
  respond(call, status, { 'content-type': TEXT }, `${reason}\n`, log, reason);
}

/** The status that Fastify gives its own errors, such as 413 for a body too large; 500 for any other. */
function frameworkStatus(error: unknown): number {
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
  return typeof status === 'number' && status >= 400 ? status : 500;
}

function respond(
  { request, reply, requester }: Call,
  status: number,
  headers: HeaderFields,
  body: Buffer | string | undefined,
  log: XcapLog,
  reason?: string,
): void {
  reply.code(status);
  for (const name in headers) reply.header(name, headers[name]);
  reply.send(body);
  const fields = { method: request.method, url: request.raw.url?.slice(0, LOGGED), status, user: requester?.address, reason };
  // A challenge is the usual beginning of a client's visit.
  if (reason === undefined || status === 401) log.debug(fields, 'xcap');
  else log.info(fields, 'xcap: refused');
}
