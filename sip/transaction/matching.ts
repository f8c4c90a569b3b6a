import type { SipMessage, SipRequest } from '../message/message.ts';
import { BRANCH_COOKIE } from '../message/via.ts';

/**
 * The key under which a request's server transaction is found (RFC 3261 17.2.3): branch, sent-by and method; for a branch of
 * RFC 2543 times Request-URI, From tag, Call-ID, CSeq number and the Via itself. `method` may be given to find the INVITE of a CANCEL.
 * An ACK has the key of its INVITE.
 * @throws SipError 400 for fields that cannot be read
 */
export function serverKey(request: SipRequest, method = request.method): string {
  const { via } = request;
  const machine = method === 'ACK' ? 'INVITE' : method;
  if (via.branch?.startsWith(BRANCH_COOKIE) && via.branch.length > BRANCH_COOKIE.length) {
    return `${via.branch} ${via.host}:${via.port ?? ''} ${machine}`;
  }
  const { from, cseq, callId, uri } = request;
  return `${callId} ${from.tag ?? from.uri} ${cseq.sequence} ${uri} ${request.headers.get('Via')} ${machine}`;
}

/** The key under which a response's client transaction is found (RFC 3261 17.1.3). @throws SipError 400 */
export function clientKey(response: SipMessage): string {
  return `${response.via.branch ?? ''} ${response.cseq.method}`;
}
