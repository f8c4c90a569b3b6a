import type { SipRequest, SipResponse } from '../message/message.ts';

export type HeaderField = readonly [name: string, value: string];

export interface ResponseOptions {
  readonly reason?: string | undefined;
  readonly headers?: readonly HeaderField[] | undefined;
  readonly body?: Buffer | undefined;
  readonly contentType?: string | undefined;
  /** The To tag of the response where the request has none; random without it. */
  readonly toTag?: string | undefined;
}

/**
 * The response to a request: Via, From, To (with a tag above 100), Call-ID and CSeq copied (RFC 3261 8.2.6), Record-Route too in a
 * 2xx to a request that makes a dialog (RFC 3261 12.1.1).
 */
export declare function createResponse(request: SipRequest, status: number, options?: ResponseOptions): SipResponse;
