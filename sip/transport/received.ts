import type { SipRequest } from '../message/message.ts';
import { formatParams, indexOutsideQuotes } from '../message/params.ts';
import type { Flow } from './flow.ts';

/**
 * Writes down in the top Via where the request really came from: `received` when sent-by is another address (RFC 3261 18.2.1) or the
 * peer asked with `rport`, which then gets its port (RFC 3581 4).
 * @throws SipError 400 for a Via that cannot be read
 */
export function stampVia(request: SipRequest, flow: Flow): void {
  const { via } = request;
  const wantsPort = via.params.has('rport');
  const host = via.host.startsWith('[') ? via.host.slice(1, -1) : via.host;
  // Only we may say where a request came from.
  const spoofed = via.params.delete('received');
  if (!wantsPort && !spoofed && host === flow.remoteAddress) return;
  if (wantsPort) via.params.set('rport', String(flow.remotePort));
  if (wantsPort || host !== flow.remoteAddress) via.params.set('received', flow.remoteAddress);
  const field = request.headers.get('Via') ?? '';
  const comma = indexOutsideQuotes(field, ',');
  const semicolon = field.indexOf(';');
  const sentBy = field.slice(0, semicolon >= 0 && (comma < 0 || semicolon < comma) ? semicolon : comma >= 0 ? comma : undefined).trimEnd();
  request.headers.setFirst('Via', sentBy + formatParams(via.params) + (comma < 0 ? '' : field.slice(comma)));
}
