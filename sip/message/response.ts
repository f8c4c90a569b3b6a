import { Headers } from './headers.ts';
import { createTag } from './identifiers.ts';
import { type SipRequest, SipResponse } from './message.ts';
import { dropEmptyParams } from './params.ts';
import { SipError } from './sip-error.ts';

/**
 * The response to a request with the fields every response copies: Via, From, To, Call-ID and CSeq (RFC 3261 8.2.6.2). Fields the
 * request lacks are left out, so that a bad request can be answered too.
 * @param toTag the tag for a To without one, in responses above 100; random if not given
 */
export function responseTo(request: SipRequest, status: number, reason?: string, toTag?: string): SipResponse {
  const headers = new Headers();
  const received = request.headers;
  for (const via of received.all('Via')) headers.append('Via', dropEmptyParams(via));
  const from = received.get('From');
  if (from !== undefined) headers.append('From', dropEmptyParams(from));
  const to = dropped(received.get('To'));
  if (to !== undefined) headers.add('To', status > 100 && !hasTag(request) ? `${to};tag=${toTag ?? createTag()}` : to);
  const callId = received.get('Call-ID');
  if (callId !== undefined) headers.append('Call-ID', callId);
  const cseq = received.get('CSeq');
  if (cseq !== undefined) headers.add('CSeq', cseqText(request, cseq));
  // RFC 3261 8.2.6.1: a 100 tells the client how long its request took.
  const timestamp = status === 100 ? received.get('Timestamp') : undefined;
  if (timestamp !== undefined) headers.append('Timestamp', timestamp);
  return new SipResponse(status, reason, headers);
}

function dropped(field: string | undefined): string | undefined {
  return field === undefined ? undefined : dropEmptyParams(field);
}

function hasTag(request: SipRequest): boolean {
  try {
    return request.to.tag !== undefined;
  } catch (error) {
    if (error instanceof SipError) return true;
    throw error;
  }
}

/** `1SUBSCRIBE` is understood but goes out with its space. */
function cseqText(request: SipRequest, field: string): string {
  if (field.includes(' ')) return field;
  try {
    return `${request.cseq.sequence} ${request.cseq.method}`;
  } catch (error) {
    if (error instanceof SipError) return field;
    throw error;
  }
}
