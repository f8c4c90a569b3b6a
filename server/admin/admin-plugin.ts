import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { HttpAuthenticator } from '../../xcap/access.ts';
import type { Logger } from '../logger.ts';
import { ADMIN_ROOT } from './admin-address.ts';
import { AdminRefusal, type AdminRoute } from './admin-route.ts';

export interface AdminPluginOptions {
  readonly routes: readonly AdminRoute[];
  readonly authenticator: HttpAuthenticator;
  readonly log: Logger;
}

const METHODS = ['GET', 'PUT', 'DELETE', 'POST', 'PATCH', 'OPTIONS'];
const BODY_LIMIT = 65_536;
/** Characters of a request target in the log. */
const LOGGED_TARGET = 500;

/** The routes of admins over HTTP, JSON in and out: each request is authenticated, must be an admin's, and leaves a line in the log. */
export async function adminPlugin(fastify: FastifyInstance, { routes, authenticator, log }: AdminPluginOptions): Promise<void> {
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: BODY_LIMIT }, (_request, body, done) => done(null, body));
  fastify.setErrorHandler((error, request, reply) => refuse(error, request, reply, log));
  // RFC 9110 10.1.1: nothing else asks for a body that waits for it.
  fastify.addHook('preParsing', ({ raw }, reply, _payload, done) => {
    if (raw.headers.expect !== undefined && raw.httpVersionMinor > 0) {
      reply.raw.removeHeader('connection');
      reply.raw.writeContinue();
    }
    done();
  });
  for (const path of new Set(routes.map((route) => route.path))) {
    const known = routes.filter((route) => route.path === path);
    const allow = known.map(({ method }) => (method === 'GET' ? 'GET, HEAD' : method)).join(', ');
    for (const { method, answer } of known) {
      fastify.route({
        method,
        url: ADMIN_ROOT + path,
        handler: async (request, reply) => {
          const admin = authenticate(request, reply, authenticator);
          const { status, body } = await answer({
            parameters: request.params as Readonly<Record<string, string | undefined>>,
            query: new URLSearchParams((request.raw.url ?? '').split('?', 2)[1] ?? ''),
            body: readJson(request),
            log,
          });
          if (method !== 'GET') log.info({ admin, method, target: targetOf(request), status }, 'changed by an admin');
          if (body === undefined) return reply.code(status).send();
          return reply
            .code(status)
            .header('content-type', 'application/json; charset=utf-8')
            .send(`${JSON.stringify(body, null, 2)}\n`);
        },
      });
    }
    const others = METHODS.filter((method) => !known.some((route) => route.method === method));
    fastify.route({
      method: others,
      url: ADMIN_ROOT + path,
      onRequest: async () => {
        throw new AdminRefusal(405, `only ${allow} can be asked for here`, { allow });
      },
      handler: async (_request, reply) => reply,
    });
  }
}

/** Who asks; throws AdminRefusal for everyone but admins. */
function authenticate({ raw, body }: FastifyRequest, reply: FastifyReply, authenticator: HttpAuthenticator): string | undefined {
  const result = authenticator.authenticate({
    method: raw.method ?? '',
    target: raw.url ?? '',
    authorization: raw.headers.authorization,
    body: body instanceof Uint8Array ? body : Buffer.alloc(0),
    remoteAddress: raw.socket.remoteAddress ?? '',
    fields: (name) => raw.headersDistinct[name] ?? [],
  });
  if (result.kind === 'challenge') throw new AdminRefusal(401, 'an admin must log in', { 'www-authenticate': result.challenges });
  if (result.kind === 'slowed') throw new AdminRefusal(429, result.reason, { 'retry-after': String(result.seconds) });
  if (result.kind === 'malformed') throw new AdminRefusal(400, result.reason);
  if (!result.requester.admin) throw new AdminRefusal(403, 'this is for admins');
  if (result.info !== undefined) reply.header('authentication-info', result.info);
  return result.requester.address;
}

function readJson({ raw, body }: FastifyRequest): unknown {
  if (!(body instanceof Uint8Array) || body.length === 0) return undefined;
  const type = /^\s*([^;\s]*)/.exec(raw.headers['content-type'] ?? '')?.[1]?.toLowerCase();
  if (type !== 'application/json' || raw.headers['content-encoding'] !== undefined) {
    throw new AdminRefusal(415, 'the body must be application/json, as it is', { accept: 'application/json' });
  }
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    throw new AdminRefusal(400, 'the body is not JSON in UTF-8');
  }
}

function targetOf({ raw }: FastifyRequest): string {
  return (raw.url ?? '').slice(0, LOGGED_TARGET);
}

/** The one place where an error becomes a response. */
function refuse(error: unknown, request: FastifyRequest, reply: FastifyReply, log: Logger): void {
  const given = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
  let status = typeof given === 'number' && given >= 400 && given < 500 ? given : 500;
  let message = status === 500 || !(error instanceof Error) ? 'the server failed' : error.message;
  if (error instanceof AdminRefusal) {
    ({ status, message } = error);
    for (const [name, value] of Object.entries(error.headers)) reply.header(name, value);
  }
  if (status === 500) log.error({ err: error, method: request.method, target: targetOf(request) }, 'an admin could not be answered');
  reply
    .code(status)
    .header('content-type', 'application/json; charset=utf-8')
    .send(`${JSON.stringify({ error: message })}\n`);
}
