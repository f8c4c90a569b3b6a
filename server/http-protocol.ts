/** What HTTP itself asks of every server, whatever its resources are. */
import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** By what Node's parser calls them; anything else is 400. */
const PARSER_ERRORS: Readonly<Record<string, readonly [status: number, text: string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'The header fields are too large.'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'The chunk extensions are too large.'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request was not complete in time.'],
};

/** Answers what is no HTTP request and ends the connection (RFC 9112 2.2, RFC 6585 5): where the next one would begin is not known. */
export function refuseUnreadable(error: Error & { code?: string }, socket: Socket): void {
  // Nobody is there any more, or an answer is under way whose bytes this would go among.
  const { _httpMessage: underWay } = socket as Socket & { _httpMessage?: ServerResponse | null };
  if (error.code === 'ECONNRESET' || !socket.writable || underWay?.headersSent) {
    socket.destroy();
    return;
  }
  const [status, text] = PARSER_ERRORS[error.code ?? ''] ?? [400, 'This is no HTTP/1.1 request.'];
  const body = `${text}\n`;
  const head = [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...endOf(body)];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}

/** RFC 9112 6.1, 6.3: what is wrong with a request's transfer coding, and its status; undefined where there is none, or chunked alone. */
export function transferCodingFault({ raw }: FastifyRequest): readonly [status: number, text: string] | undefined {
  const coding = raw.headers['transfer-encoding']?.trim().toLowerCase();
  if (coding === undefined || coding === 'chunked') return undefined;
  if (!/(?:^|[\s,])chunked$/.test(coding)) return [400, 'Where the body ends is not known: its last transfer coding must be chunked.'];
  return [501, `The transfer coding ${coding.slice(0, 100)} is not understood.`];
}

/** RFC 9112 3.2: a request that names two hosts, of which every party on its way could choose another one. */
export function namesTwoHosts({ raw }: FastifyRequest): boolean {
  let hosts = 0;
  for (let i = 0; i < raw.rawHeaders.length; i += 2)
    if (raw.rawHeaders[i]?.length === 4 && raw.rawHeaders[i]?.toLowerCase() === 'host') hosts++;
  return hosts > 1;
}

/**
 * RFC 9112 9.3.2: requests of one connection that are sent without waiting for the answers may not overtake each other, unless all are safe;
 * none does here. Calls back when all before it on its connection are answered.
 */
export function inTurn({ raw }: FastifyReply, go: () => void): void {
  // Node gives a response its connection when those before it have ended.
  if (raw.socket === null) raw.once('socket', () => go());
  else go();
}

/** RFC 9110 9.3.6: this server is no tunnel. Without a listener of its own Node closes the connection without a word. */
export function refuseTunnel(_request: unknown, socket: Duplex): void {
  const body = 'There are no tunnels here.\n';
  const head = ['HTTP/1.1 405 Method Not Allowed', 'Allow: GET, HEAD, PUT, DELETE, OPTIONS', ...endOf(body)];
  socket.on('error', () => socket.destroy());
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}

function endOf(body: string): string[] {
  return [
    `Date: ${new Date().toUTCString()}`,
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${body.length}`,
    'Connection: close',
  ];
}

/** RFC 9110 9.3.7: `OPTIONS *` asks what the server can at all. */
export function answersForAll({ raw }: FastifyRequest, reply: FastifyReply): boolean {
  if (raw.method !== 'OPTIONS' || raw.url !== '*') return false;
  reply.code(204).header('allow', 'GET, HEAD, PUT, DELETE, OPTIONS').send();
  return true;
}
