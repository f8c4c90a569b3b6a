/** The requests that follow an INVITE hop by hop: they share its branch and its way (RFC 3261 17.1.1.3, 9.1). */
import { Headers } from '../message/headers.ts';
import { SipRequest, type SipResponse } from '../message/message.ts';

/** The ACK to a failure: same branch, Request-URI and Route as the INVITE, the To of the response (RFC 3261 17.1.1.3). */
export function acknowledgeFailure(invite: SipRequest, response: SipResponse): SipRequest {
  return follow(invite, 'ACK', response.headers.get('To') ?? '');
}

/** The CANCEL of a request: its own To, without a tag that a response gave (RFC 3261 9.1). */
export function cancelFor(invite: SipRequest, fields: readonly (readonly [name: string, value: string])[]): SipRequest {
  const cancel = follow(invite, 'CANCEL', invite.headers.get('To') ?? '');
  for (const [name, value] of fields) cancel.headers.add(name, value);
  return cancel;
}

function follow(invite: SipRequest, method: string, to: string): SipRequest {
  const headers = new Headers();
  // Only the top Via, which is ours.
  for (const name of ['Via', 'From', 'Call-ID', 'Max-Forwards']) {
    const value = invite.headers.get(name);
    if (value !== undefined) headers.add(name, value);
  }
  headers.add('To', to);
  headers.add('CSeq', `${invite.cseq.sequence} ${method}`);
  for (const route of invite.headers.all('Route')) headers.add('Route', route);
  return new SipRequest(method, invite.uri, headers);
}
