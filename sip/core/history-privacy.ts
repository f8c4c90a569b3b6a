/** Who of our users a request has been aimed at, as far as another domain may not learn it (RFC 7044 10.1.2, RFC 3323 4.2, RFC 5806). */
import { canonicalAddress } from '../../schemas/address.ts';
import type { SipRequest } from '../message/message.ts';
import { type NameAddr, parseNameAddr } from '../message/name-addr.ts';
import { formatParams } from '../message/params.ts';
import { SipError } from '../message/sip-error.ts';
import { ANONYMOUS } from './identity.ts';

/** Of Privacy, in the request or in an entry: what asks that the fields of a request which its sender cannot clear tell nothing. */
const HIDING: ReadonlySet<string> = new Set(['header', 'session', 'history']);
/** Of the parameter `privacy` of a Diversion (RFC 5806): what keeps the address from being told. */
const HIDDEN: ReadonlySet<string> = new Set(['full', 'uri']);

/**
 * Makes the entries of History-Info and Diversion anonymous that name a user of ours: all of them where the request asks for it, else each
 * that asks for it itself. For requests that leave the domains for which we are responsible; the entries of others are theirs to judge.
 * @param isOurs is the canonical address in one of these domains?
 */
export function hideHistory({ headers }: SipRequest, isOurs: (address: string) => boolean): void {
  const hasHistory = headers.has('History-Info');
  const hasDiversion = headers.has('Diversion');
  if (!hasHistory && !hasDiversion) return;
  const wanted = asksToHide(headers.all('Privacy').join(';'));
  const rewrite = (name: string, asks: (entry: NameAddr) => boolean, hidden: (entry: NameAddr) => string): void => {
    const before = headers.list(name);
    const after = before.map((text) => {
      const entry = readEntry(text);
      return entry !== undefined && isOurs(canonicalAddress(entry.uri)) && (wanted || asks(entry)) ? hidden(entry) : text;
    });
    if (after.some((text, i) => text !== before[i])) headers.set(name, after.join(', '));
  };
  if (hasHistory) rewrite('History-Info', ({ uri }) => asksToHide(uriHeader(uri, 'Privacy') ?? ''), hiddenEntry);
  if (hasDiversion) rewrite('Diversion', ({ params }) => HIDDEN.has(params.get('privacy')?.toLowerCase() ?? ''), hiddenDiversion);
}

/** RFC 3323 4.2: values are separated by semicolons. */
function asksToHide(privacy: string): boolean {
  return privacy !== '' && privacy.split(/[;,]|%3b/i).some((value) => HIDING.has(value.trim().toLowerCase()));
}

/** Why the request did not stay there, and where in the history that was, says nothing about who it was. */
function hiddenEntry({ uri, params }: NameAddr): string {
  const cause = /;cause=\d{3}(?=[;?]|$)/i.exec(uri)?.[0] ?? '';
  const reason = uriHeader(uri, 'Reason');
  return `<${ANONYMOUS}${cause}${reason === undefined ? '' : `?Reason=${reason}`}>${formatParams(params)}`;
}

function hiddenDiversion({ params }: NameAddr): string {
  return `<${ANONYMOUS}>${formatParams(new Map([...params, ['privacy', 'full']]))}`;
}

/** The value of a header field in a URI (RFC 3261 19.1.1), escaped as it is. */
function uriHeader(uri: string, name: string): string | undefined {
  const query = uri.indexOf('?');
  if (query < 0) return undefined;
  const field = uri
    .slice(query + 1)
    .split('&')
    .find((one) => one.slice(0, name.length + 1).toLowerCase() === `${name.toLowerCase()}=`);
  return field?.slice(name.length + 1);
}

/** Undefined for what is no address: nobody is named by it. */
function readEntry(text: string): NameAddr | undefined {
  try {
    return parseNameAddr(text);
  } catch (error) {
    if (error instanceof SipError) return undefined;
    throw error;
  }
}
