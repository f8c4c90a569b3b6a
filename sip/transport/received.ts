import type { SipRequest } from '../message/message.ts';
import { formatParams, indexOutsideQuotes } from '../message/params.ts';
import { type Flow, isWebSocket, keepAliveSeconds } from './flow.ts';

/**
 * Writes down in the top Via where the request really came from: `received` when sent-by is another address (RFC 3261 18.2.1) or the
 * peer asked with `rport`, which then gets its port (RFC 3581 4). A WebSocket client without `rport` is spared (RFC 7118 5.3): its
 * sent-by never is an address, and it needs none. `keep` gets the interval at which we want to see keep-alives (RFC 6223 4.4).
 * @throws SipError 400 for a Via that cannot be read
 */
export function stampVia(request: SipRequest, flow: Flow): void {
  const { via } = request;
  const wantsPort = via.params.has('rport');
  const host = via.host.startsWith('[') ? via.host.slice(1, -1) : via.host;
  // Only we may say where a request came from.
  const spoofed = via.params.delete('received');
  const atSource = isWebSocket(flow.protocol) || host === flow.remoteAddress;
  const keeps = via.params.has('keep') && via.params.get('keep') === undefined && mayKeepAlive(request);
  if (!wantsPort && !spoofed && !keeps && atSource) return;
  if (keeps) via.params.set('keep', String(keepAliveSeconds(flow.protocol)));
  if (wantsPort) via.params.set('rport', String(flow.remotePort));
  if (wantsPort || !atSource) via.params.set('received', flow.remoteAddress);
  const field = request.headers.get('Via') ?? '';
  const comma = indexOutsideQuotes(field, ',');
  const semicolon = field.indexOf(';');
  const sentBy = field.slice(0, semicolon >= 0 && (comma < 0 || semicolon < comma) ? semicolon : comma >= 0 ? comma : undefined).trimEnd();
  request.headers.setFirst('Via', sentBy + formatParams(via.params) + (comma < 0 ? '' : field.slice(comma)));
}

/** RFC 6223 4.2: keep-alives go with a registration or a dialog, and are agreed on once, when it begins. */
function mayKeepAlive({ method, to }: SipRequest): boolean {
  return method === 'REGISTER' || ((method === 'SUBSCRIBE' || method === 'INVITE') && to.tag === undefined);
}
