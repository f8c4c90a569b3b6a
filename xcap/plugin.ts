import { type IncomingMessage, METHODS, type ServerResponse } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { writeXcapError, XCAP_ERROR_TYPE } from '../schemas/xcap-error.ts';
import type { HttpAuthenticator, Requester } from './access.ts';
import { decodeBody, encodeContent } from './content-coding.ts';
import type { DocumentService } from './document-service.ts';
import { ALLOW_READ } from './document-steps.ts';
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
  isLevelEnabled?(level: string): boolean;
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
/** RFC 4825 9: a cache cannot know that a change of another resource changed this one. RFC 9110 12.5.5: what was negotiated. */
const REVALIDATE: HeaderFields = { 'cache-control': 'no-cache', vary: 'accept-encoding' };
const AS_IT_IS = Object.entries(REVALIDATE).flat() as readonly string[];
const UNAUTHENTICATED = 'who asks must log in';
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
    fastify.route({
      method: UNDERSTOOD,
      url,
      bodyLimit: service.documentBytes,
      exposeHeadRoute: false,
      onRequest: beforeBody,
      handler: handle,
    });
    // A hook, so that the body, whatever it is, is not looked at.
    fastify.route({ method: others, url, onRequest: refuseMethod, handler: () => undefined });
  }

  // Without a listener of its own Node asks for every body at once.
  fastify.server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    // Where the body is never asked for, a client may still send it or not: the connection cannot go on.
    response.setHeader('connection', 'close');
    fastify.routing(request, response);
  });

  /** RFC 9110 10.1.1: a client that waits with its body is refused what it would send in vain. */
  function beforeBody(request: FastifyRequest, reply: FastifyReply, done: () => void): void {
    const { headers, url, httpVersionMinor } = request.raw;
    if (headers.expect === undefined || httpVersionMinor === 0) {
      done();
      return;
    }
    const call: Call = { request, reply, requester: undefined };
    try {
      if (Number(headers['content-length']) > service.documentBytes) {
        throw new XcapRefusal(413, `the document would be longer than ${service.documentBytes} bytes`);
      }
      const { key } = service.identify(url ?? '');
      // Credentials are looked at with the body, which they may be for, and once.
      if (headers.authorization === undefined) authenticate(call, NO_BODY, key.xui);
    } catch (error) {
      refuse(call, error, log);
      return;
    }
    reply.raw.removeHeader('connection');
    reply.raw.writeContinue();
    done();
  }

  /** RFC 4825 8.1: POST and the like have no meaning here. RFC 9110 10.2.1: what has, depends on what is asked for. */
  function refuseMethod(request: FastifyRequest, reply: FastifyReply): void {
    const call: Call = { request, reply, requester: undefined };
    try {
      const allow = service.isChangeable(service.identify(request.raw.url ?? '')) ? ALLOW : ALLOW_READ;
      throw new XcapRefusal(405, `${request.method} has no meaning for XCAP resources (RFC 4825 8.1)`, allow);
    } catch (error) {
      refuse(call, error, log);
    }
  }

  /** Not async: what is answered from memory is sent without a turn of the event loop. */
  function handle(request: FastifyRequest, reply: FastifyReply): void {
    const call: Call = { request, reply, requester: undefined };
    try {
      if (request.method === 'OPTIONS') {
        respond(call, 204, service.isChangeable(service.identify(request.raw.url ?? '')) ? ALLOW : ALLOW_READ, undefined, log);
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
    const target = service.identify(raw.url ?? '');
    const bytes = body instanceof Uint8Array ? body : NO_BODY;
    call.requester = authenticate(call, bytes, target.key.xui);
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
    if (coding === undefined) return service.put(request);
    // RFC 4825 8: who may not write is told so first, and nothing is unpacked for strangers.
    return Promise.resolve(service.checkWriter(request))
      .then(() => decodeBody(bytes, coding, service.documentBytes))
      .then((body) => service.put({ ...request, body }));
  }

  function authenticate({ request: { raw }, reply }: Call, body: Uint8Array, owner: string | undefined): Requester {
    const result = authenticator.authenticate({
      method: raw.method ?? '',
      target: raw.url ?? '',
      authorization: raw.headers.authorization,
      body,
      remoteAddress: raw.socket.remoteAddress ?? '',
      owner,
      fields: (name) => raw.headersDistinct[name] ?? [],
    });
    // The reason is for the log alone: it would tell who has an account.
    if (result.kind === 'challenge') throw new XcapRefusal(401, UNAUTHENTICATED, { 'www-authenticate': result.challenges }, result.reason);
    if (result.kind === 'slowed') throw new XcapRefusal(429, result.reason, { 'retry-after': String(result.seconds) });
    if (result.kind === 'malformed') throw new XcapRefusal(400, result.reason);
    if (result.info !== undefined) reply.header('authentication-info', result.info);
    return result.requester;
  }
}

function send(call: Call, { status, etag, content }: XcapAnswer, log: XcapLog): void {
  const tag = etag === undefined ? [] : ['etag', `"${etag}"`];
  if (!content) {
    sendAsItIs(call, status, status === 304 ? [...tag, ...AS_IT_IS] : [...tag, 'content-length', '0'], log);
    return;
  }
  const { type, lastModified, body, bytes } = content;
  const accepted = call.request.raw.headers['accept-encoding'];
  const coded = encodeContent(content, accepted);
  if (!coded) {
    const fields = [...tag, 'content-type', type, 'last-modified', lastModified, ...AS_IT_IS, 'content-length', String(bytes)];
    // Text that is ASCII alone is copied into the answer as it is.
    sendAsItIs(call, status, fields, log, body, bytes === body.length ? 'latin1' : 'utf8');
    return;
  }
  if (etag !== undefined) call.reply.header('etag', `"${etag}"`);
  const headers = { 'content-type': type, 'last-modified': lastModified, ...REVALIDATE };
  if (!(coded instanceof Promise)) respond(call, status, { ...headers, 'content-encoding': coded.coding }, coded.body, log);
  else
    coded.then(
      (ready) => respond(call, status, { ...headers, 'content-encoding': ready.coding }, ready.body, log),
      (error: unknown) => refuse(call, error, log),
    );
}

/** The most frequent answers, past all that Fastify could still do with them. */
function sendAsItIs(
  { request, reply, requester }: Call,
  status: number,
  fields: string[],
  log: XcapLog,
  body?: string,
  encoding: BufferEncoding = 'latin1',
): void {
  const { raw } = reply;
  const info = reply.getHeader('authentication-info');
  if (typeof info === 'string') fields.push('authentication-info', info);
  raw.writeHead(status, fields);
  reply.hijack();
  if (body === undefined) raw.end();
  else raw.end(body, encoding);
  if (log.isLevelEnabled?.('debug') ?? true) {
    log.debug({ method: request.method, url: request.raw.url?.slice(0, LOGGED), status, user: requester?.address }, 'xcap');
  }
}

/** The one place where an error becomes a response. */
function refuse(call: Call, error: unknown, log: XcapLog): void {
  if (error instanceof XcapConflict) {
    const body = writeXcapError(error.condition);
    respond(call, 409, { 'content-type': XCAP_ERROR_TYPE }, body, log, error.message);
    return;
  }
  if (error instanceof XcapRefusal) {
    respond(call, error.status, { ...error.headers, 'content-type': TEXT }, `${error.message}\n`, log, error.reason);
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
  // A challenge is the usual beginning of a client's visit.
  const isUsual = reason === undefined || status === 401;
  if (!(log.isLevelEnabled?.(isUsual ? 'debug' : 'info') ?? true)) return;
  const fields = { method: request.method, url: request.raw.url?.slice(0, LOGGED), status, user: requester?.address, reason };
  if (isUsual) log.debug(fields, 'xcap');
  else log.info(fields, 'xcap: refused');
}
