import { Server as HttpsServer } from 'node:https';
import Fastify, { type FastifyInstance, type FastifyPluginAsync, type FastifyReply, type FastifyRequest } from 'fastify';
import { chooseByName } from '../sip/transport/tls.ts';
import { type AdminPluginOptions, adminPlugin } from './admin/admin-plugin.ts';
import type { Endpoint } from './config.ts';
import type { HttpConnections } from './http-connections.ts';
import { answersForAll, inTurn, namesTwoHosts, refuseTunnel, refuseUnreadable, transferCodingFault } from './http-protocol.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import type { TlsCertificate } from './tls-certificate.ts';

/** A head that is not complete by then is given up, in milliseconds. */
const REQUEST_TIMEOUT = 30_000;
/** A connection on which nothing moves for so long is closed: a client that does not read its answer keeps it in memory. In milliseconds. */
const IDLE_TIMEOUT = 120_000;
/** A TLS handshake that is not done by then is given up, in milliseconds. */
const HANDSHAKE_TIMEOUT = 10_000;
/** How long requests under way may take to end when the server stops, in milliseconds. */
const STOP_TIMEOUT = 2000;
/** Characters of a request target in the log. */
const LOGGED_TARGET = 500;

export interface HttpOptions {
  readonly endpoint: Endpoint;
  /** For a secure endpoint. */
  readonly certificate?: TlsCertificate | undefined;
  /** What admins ask for. */
  readonly admin: AdminPluginOptions;
  /** Everything that is not the server's own housekeeping. */
  readonly xcap: FastifyPluginAsync;
  readonly metrics: Metrics;
  /** May a peer of this address read the metrics? */
  readonly mayReadMetrics: (address: string) => boolean;
  /** All there are, of every endpoint. */
  readonly connections: HttpConnections;
  readonly log: Logger;
  /** Largest body accepted, in bytes. */
  readonly bodyLimit: number;
}

export interface HttpListener {
  readonly address: string;
  readonly port: number;
  stop(): Promise<void>;
}

/** Listens for HTTP or HTTPS at one endpoint; rejects with the system's error when that cannot be done. */
export async function listenHttp(options: HttpOptions): Promise<HttpListener> {
  const { endpoint, certificate } = options;
  const app = createApp(options);
  const user = certificate && app.server instanceof HttpsServer ? app.server : undefined;
  if (user) certificate?.add(user);
  try {
    await app.listen({ host: endpoint.host, port: endpoint.port });
  } catch (error) {
    await app.close();
    throw error;
  }
  const bound = app.server.address();
  if (bound === null || typeof bound === 'string') throw new Error('the HTTP listener has no address');
  return {
    address: bound.address,
    port: bound.port,
    stop: async () => {
      const deadline = setTimeout(() => app.server.closeAllConnections(), STOP_TIMEOUT);
      await app.close();
      clearTimeout(deadline);
      if (user) certificate?.remove(user);
    },
  };
}

function createApp({
  endpoint,
  certificate,
  admin,
  xcap,
  metrics,
  mayReadMetrics,
  connections,
  log,
  bodyLimit,
}: HttpOptions): FastifyInstance {
  const https =
    endpoint.secure && certificate ? { ...certificate.pair, ...chooseByName(certificate), handshakeTimeout: HANDSHAKE_TIMEOUT } : null;
  const app = Fastify({
    // Fastify's types tell apart what differs in nothing that is used here.
    ...({ https } as object),
    logger: false,
    bodyLimit,
    requestTimeout: REQUEST_TIMEOUT,
    connectionTimeout: IDLE_TIMEOUT,
    routerOptions: { ignoreTrailingSlash: false, caseSensitive: true },
    clientErrorHandler: refuseUnreadable,
    // A target whose escapes cannot be decoded never reaches a route.
    frameworkErrors: (error, _request, reply) => {
      plain(reply, error.statusCode ?? 400, 'The request target cannot be read.');
    },
  });
  app.server.prependListener('connection', connections.admit);
  app.server.on('connect', refuseTunnel);
  app.addHook('onRequest', (request, reply, done) => {
    const fault = transferCodingFault(request);
    if (fault) plain(reply.header('connection', 'close'), ...fault);
    else if (namesTwoHosts(request)) plain(reply.header('connection', 'close'), 400, 'There must be one Host.');
    else inTurn(reply, done);
  });
  app.addHook('onResponse', (request, reply, done) => {
    const { method, raw } = request;
    const { statusCode: status, elapsedTime } = reply;
    metrics.countRequest(method, status, elapsedTime);
    if (log.isLevelEnabled('info')) {
      const target = (raw.url ?? '').slice(0, LOGGED_TARGET);
      log.info({ method, target, status, ms: Math.round(elapsedTime * 1000) / 1000, remoteAddress: request.ip }, 'HTTP request');
    }
    done();
  });
  app.setNotFoundHandler((request, reply) => {
    if (!answersForAll(request, reply)) plain(reply, 404, 'There is nothing here.');
  });
  app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    const status = error.statusCode ?? 500;
    if (status < 500) return plain(reply, status, error.message);
    log.error({ err: error, method: request.method, target: (request.raw.url ?? '').slice(0, LOGGED_TARGET) }, 'HTTP request failed');
    return plain(reply, 500, 'The server failed.');
  });
  housekeeping(app, '/healthz', (_request, reply) => plain(reply, 200, 'ok'));
  housekeeping(app, '/metrics', async ({ raw }, reply) => {
    // Who is behind a proxy is not known by the proxy's address; such header fields only ever take a right away.
    const isPassedOn = PASSED_ON.some((name) => raw.headers[name] !== undefined);
    if (isPassedOn || !mayReadMetrics(raw.socket.remoteAddress ?? '')) {
      return plain(reply, 403, 'The metrics are not for everyone: see the setting metrics-from.');
    }
    reply.header('content-type', metrics.contentType);
    return reply.send(await metrics.text());
  });
  app.register(adminPlugin, admin);
  app.register(xcap);
  return app;
}

/** Header fields that proxies add. */
const PASSED_ON = ['forwarded', 'x-forwarded-for', 'via'] as const;

/** A path that can only be read. */
function housekeeping(app: FastifyInstance, url: string, answer: (request: FastifyRequest, reply: FastifyReply) => unknown): void {
  app.route({ method: 'GET', url, handler: async (request, reply) => answer(request, reply) });
  app.route({
    method: ['PUT', 'POST', 'DELETE', 'PATCH', 'OPTIONS'],
    url,
    // Before the body is looked at: whatever it is, it is not wanted.
    onRequest: async (_request, reply) => plain(reply.header('allow', 'GET, HEAD'), 405, 'This can only be read.'),
    handler: async (_request, reply) => reply,
  });
}

function plain(reply: FastifyReply, status: number, text: string): FastifyReply {
  return reply.code(status).header('content-type', 'text/plain; charset=utf-8').send(`${text}\n`);
}
