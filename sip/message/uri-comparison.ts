import { SipError } from './sip-error.ts';
import { parseSipUri, type SipUri } from './uri.ts';

/** RFC 3261 19.1.4: these never match when only one of the URIs has them. */
const NEVER_IGNORED = ['user', 'ttl', 'method', 'maddr'];

/** Do two URIs mean the same (RFC 3261 19.1.4)? Others than SIP URIs must be equal as they are written. */
export function sameUri(a: string, b: string): boolean {
  if (a === b) return true;
  const one = parsed(a);
  const other = parsed(b);
  if (one === undefined || other === undefined) return false;
  if (one.scheme !== other.scheme || one.host !== other.host || one.port !== other.port) return false;
  if (unescaped(one.user) !== unescaped(other.user) || unescaped(one.password) !== unescaped(other.password)) return false;
  for (const [name, value] of one.params) {
    const counterpart = other.params.get(name);
    if (other.params.has(name) && fold(value) !== fold(counterpart)) return false;
  }
  if (NEVER_IGNORED.some((name) => one.params.has(name) !== other.params.has(name))) return false;
  return headerSet(one) === headerSet(other);
}

function parsed(text: string): SipUri | undefined {
  try {
    return parseSipUri(text);
  } catch (error) {
    if (error instanceof SipError) return undefined;
    throw error;
  }
}

function fold(value: string | undefined): string {
  return (unescaped(value) ?? '').toLowerCase();
}

/** Escapes of characters that need none are undone, the others brought into one form. */
function unescaped(text: string | undefined): string | undefined {
  return text?.replace(/%([0-9A-Fa-f]{2})/g, (escaped, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return /[A-Za-z0-9\-_.!~*'()]/.test(character) ? character : escaped.toUpperCase();
  });
}

function headerSet(uri: SipUri): string {
  return (unescaped(uri.headers) ?? '').toLowerCase().split('&').sort().join('&');
}
