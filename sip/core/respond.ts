import type { SipRequest, SipResponse } from '../message/message.ts';
import { responseTo } from '../message/response.ts';

export type HeaderField = readonly [name: string, value: string];

export interface ResponseOptions {
  readonly reason?: string | undefined;
  readonly headers?: readonly HeaderField[] | undefined;
  readonly body?: Buffer | undefined;
  readonly contentType?: string | undefined;
  /** The To tag of the response where the request has none; random without it. */
  readonly toTag?: string | undefined;
}

/** RFC 3261 12.1, RFC 6665 4.1.2.1, RFC 3515: a 2xx to these makes a dialog. */
const DIALOG_FORMING: ReadonlySet<string> = new Set(['INVITE', 'SUBSCRIBE', 'REFER', 'NOTIFY']);

/**
 * The response to a request: Via, From, To (with a tag above 100), Call-ID and CSeq copied (RFC 3261 8.2.6), Record-Route too in a
 * response to a request that makes a dialog (RFC 3261 12.1.1).
 */
export function createResponse(request: SipRequest, status: number, options: ResponseOptions = {}): SipResponse {
  const response = responseTo(request, status, options.reason, options.toTag);
  if (status > 100 && status < 300 && DIALOG_FORMING.has(request.method)) {
    for (const route of request.headers.all('Record-Route')) response.headers.add('Record-Route', route);
  }
  if (options.headers !== undefined) for (const [name, value] of options.headers) response.headers.add(name, value);
  if (options.body !== undefined) response.body = options.body;
  if (options.contentType !== undefined) response.headers.add('Content-Type', options.contentType);
  return response;
}
