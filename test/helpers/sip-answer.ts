import { parseNameAddress, parseVia } from './sip-headers.ts';
import { header, headerList, type SipMessage, serialise } from './sip-message.ts';
import type { HeaderField } from './sip-peer-options.ts';
import type { SipAddress } from './sip-socket.ts';

/** A response to a request that was received (RFC 3261 8.2.6). `source` is where the request came from. */
export function composeAnswer(status: number, request: SipMessage, source: SipAddress, more: readonly HeaderField[] = []): Buffer {
  const [top = '', ...rest] = headerList(request, 'via');
  const via = parseVia(top);
  const filled = via.params.has('rport') ? top.replace(/;rport(?=;|$)/, `;rport=${source.port}`) : top;
  const received = via.host !== source.address || via.params.has('rport') ? `;received=${source.address}` : '';
  const to = header(request, 'to') ?? '';
  const tagged = parseNameAddress(to).params.has('tag') || status === 100 ? to : `${to};tag=${Math.random().toString(36).slice(2)}`;
  const fields: HeaderField[] = [
    ...[`${filled}${received}`, ...rest].map((value): HeaderField => ['Via', value]),
    ['From', header(request, 'from') ?? ''],
    ['To', tagged],
    ['Call-ID', header(request, 'call-id') ?? ''],
    ['CSeq', header(request, 'cseq') ?? ''],
    ...more,
  ];
  return serialise(`SIP/2.0 ${status} ${status === 200 ? 'OK' : 'Answer of a test'}`, fields);
}

/** The port a response goes to over UDP: the source port when rport asks for it (RFC 3581 4), else the Via's (RFC 3261 18.2.2). */
export function answerPort(request: SipMessage, sourcePort: number): number {
  const via = parseVia(headerList(request, 'via')[0] ?? '');
  return via.params.has('rport') ? sourcePort : (via.port ?? 5060);
}
