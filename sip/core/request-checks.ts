import { addressHost, canonicalAddress } from '../../schemas/address.ts';
import type { SipRequest } from '../message/message.ts';
import { indexOutsideQuotes } from '../message/params.ts';
import { SipError } from '../message/sip-error.ts';
import { parseSipUri, printable } from '../message/uri.ts';
import { parseVia } from '../message/via.ts';

/** Each may stand once only (RFC 3261 7.3.1); RFC 4475 3.3.8 wants a request with more refused. */
const SINGLE_FIELDS = ['From', 'To', 'Call-ID', 'CSeq', 'Max-Forwards'];

/** The fields without which no request can be processed (RFC 3261 8.1.1). @throws SipError 400 */
export function checkFields(request: SipRequest): void {
  for (const name of SINGLE_FIELDS) {
    if (request.headers.count(name) > 1) throw new SipError(400, `More than one ${name} header field`);
  }
  const { cseq, from, to, callId, via } = request;
  if (cseq.method !== request.method) throw new SipError(400, `CSeq names ${printable(cseq.method)}, the request line ${request.method}`);
  checkVias(request);
  // RFC 3261 10.2: only these name somebody whom a registrar can know.
  if (request.method === 'REGISTER' && !/^sips?:/i.test(to.uri)) throw new SipError(400, 'To of a REGISTER must be a SIP URI');
  if (from.uri === '' || to.uri === '' || callId === '' || via.host === '') throw new SipError(400);
  // RFC 3261 20.22: 0 to 255. Elements of RFC 2543 leave it out.
  const maxForwards = request.headers.get('Max-Forwards');
  if (maxForwards !== undefined && !(/^\d{1,10}$/.test(maxForwards) && Number(maxForwards) <= 255)) {
    throw new SipError(400, `Malformed Max-Forwards ${printable(maxForwards)}`);
  }
}

/** RFC 4475 3.1.2.1: where several Vias share a field, none of them is empty or unreadable. @throws SipError 400 */
function checkVias(request: SipRequest): void {
  for (const field of request.headers.all('Via')) {
    if (!field.includes(',')) continue;
    for (let start = 0, comma = 0; comma >= 0; start = comma + 1) {
      comma = indexOutsideQuotes(field, ',', start);
      parseVia(field.slice(start, comma < 0 ? undefined : comma).trim());
    }
  }
}

/** @throws SipError 505 */
export function checkVersion(request: SipRequest): void {
  if (request.version !== 'SIP/2.0') throw new SipError(505);
}

/**
 * Where the request is aimed (RFC 3261 8.2.2.1). `pres:` and `im:` name the same users (RFC 3859 3.2).
 * @returns host in lower case, and port and user where the URI has them
 * @throws SipError 400 or 416
 */
export function requestTarget({ uri }: { readonly uri: string }): { user: string | undefined; host: string; port: number | undefined } {
  if (/^(pres|im):/i.test(uri)) {
    const address = canonicalAddress(uri);
    return { user: address.slice(4, address.indexOf('@')), host: addressHost(address) ?? '', port: undefined };
  }
  return parseSipUri(uri);
}

/** RFC 3261 8.2.2.3. @throws SipError 420 with Unsupported */
export function checkRequire(request: SipRequest, supported: ReadonlySet<string>): void {
  if (!request.headers.has('Require')) return;
  const missing = request.headers.list('Require').filter((tag) => !supported.has(tag.toLowerCase()));
  if (missing.length > 0) throw new SipError(420, undefined, [['Unsupported', missing.join(', ')]]);
}
