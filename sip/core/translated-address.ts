import type { SipRequest } from '../message/message.ts';
import { parseNameAddr } from '../message/name-addr.ts';
import { parseSipUri } from '../message/uri.ts';
import type { Flow } from '../transport/flow.ts';

/**
 * Has an address translator made a contact unreachable? It names the host of the sender's Via, and that is not where the datagrams come
 * from (RFC 3581 4): nothing but the way back leads there. A contact with a host of its own is believed, and what comes over a connection
 * or from another proxy has its own way.
 * @param contact a Contact value of the request; false for one that is no SIP URI
 */
export function isTranslated(contact: string, request: SipRequest, flow: Flow): boolean {
  if (flow.reliable || request.headers.has('Record-Route') || request.headers.has('Path')) return false;
  const { host } = request.via;
  if (plain(host) === flow.remoteAddress) return false;
  const { uri } = parseNameAddr(contact);
  return /^sips?:/i.test(uri) && parseSipUri(uri).host.toLowerCase() === host;
}

function plain(host: string): string {
  return host.startsWith('[') ? host.slice(1, -1) : host;
}
