import {
  type Agent,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request,
} from 'node:http';
import { type RequestOptions, request as secureRequest } from 'node:https';

export interface SentAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** As UTF-8 text. */
  readonly body: string;
  readonly bytes: Buffer;
}

export interface Sending {
  readonly port: number;
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string | Buffer | undefined;
  /** The loopback address to send from. */
  readonly from?: string;
  readonly agent?: Agent;
  /** Over TLS: the certificate to trust. */
  readonly ca?: string;
}

/** Sends one request to 127.0.0.1 and resolves with the whole answer. */
export function send({ port, method = 'GET', path, headers = {}, body, from, agent, ca }: Sending): Promise<SentAnswer> {
  // Node sends no length of its own with the body of a GET or DELETE.
  const length = body === undefined || 'transfer-encoding' in headers ? {} : { 'content-length': String(Buffer.byteLength(body)) };
  const options = {
    host: '127.0.0.1',
    port,
    method,
    path,
    headers: { ...length, ...headers } as OutgoingHttpHeaders,
    agent: agent ?? false,
    ...(from !== undefined && { localAddress: from }),
  };
  return new Promise((resolve, reject) => {
    const make: (options: RequestOptions, answered: (response: IncomingMessage) => void) => ClientRequest =
      ca === undefined ? request : secureRequest;
    const sent = make({ ...options, ...(ca !== undefined && { ca }) }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const bytes = Buffer.concat(chunks);
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: bytes.toString(), bytes });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
