import { domainToASCII } from 'node:url';

/**
 * The canonical form of a user's address, by which documents, rules, subscriptions and registrations name one user alike.
 *
 * `sip:`, `sips:`, `pres:` and `im:` addresses of one user become `sip:user@host`: the scheme and the host in lower case, the user
 * part with its needless escapes undone, and port, parameters and headers dropped (RFC 3261 10.3 step 5; RFC 3859 3.2).
 * A user part that is a telephone number (`user=phone`) and `tel:` numbers lose their visual separators, the latter their parameters (RFC 3966 4).
 * Anything else (and what is no address at all) comes back trimmed but otherwise as it is.
 */
export function canonicalAddress(address: string): string {
  const cached = cache.get(address);
  if (cached !== undefined) return cached;
  const result = canonicalise(address.trim());
  if (cache.size >= CACHE_LIMIT) cache.clear();
  // The key is copied: cut from a message, it would keep the whole message in memory.
  if (address.length <= 256) cache.set(Buffer.from(address, 'utf8').toString('utf8'), result);
  return result;
}

const ASCII = /^[\x21-\x7e]*$/;
const CACHE_LIMIT = 20_000;
const cache = new Map<string, string>();

function canonicalise(address: string): string {
  const colon = address.indexOf(':');
  if (colon < 0) return address;
  const scheme = address.slice(0, colon).toLowerCase();
  if (scheme === 'tel') {
    const rest = address.slice(colon + 1);
    const end = rest.indexOf(';');
    return `tel:${(end < 0 ? rest : rest.slice(0, end)).replace(/[-.()]/g, '').toLowerCase()}`;
  }
  if (scheme !== 'sip' && scheme !== 'sips' && scheme !== 'pres' && scheme !== 'im') return address;
  let rest = address.slice(colon + 1);
  // A user part may itself hold ';' and '?' (RFC 3261 25.1), so it is cut off before the parameters are.
  const at = rest.indexOf('@');
  let user = '';
  if (at >= 0) {
    user = rest.slice(0, at);
    rest = rest.slice(at + 1);
    const password = user.indexOf(':');
    if (password >= 0) user = user.slice(0, password);
  }
  const tail = rest.search(/[;?]/);
  let host = (tail < 0 ? rest : rest.slice(0, tail)).toLowerCase();
  if (host.startsWith('[')) {
    const close = host.indexOf(']');
    if (close >= 0) host = host.slice(0, close + 1);
  } else {
    const port = host.indexOf(':');
    if (port >= 0) host = host.slice(0, port);
    // A fully qualified name may be written with its final dot.
    if (host.endsWith('.')) host = host.slice(0, -1);
  }
  // Documents may write a domain in its own script; on the wire it is always ASCII.
  if (!ASCII.test(host)) host = domainToASCII(host) || host;
  if (tail >= 0 && /^\+?\d/.test(user) && /;user=phone(?:[;?]|$)/i.test(rest.slice(tail))) user = user.replace(/[-.()]/g, '');
  return at < 0 ? `sip:${host}` : `sip:${unescapeUser(user)}@${host}`;
}

/** Characters that stand for themselves in a user part (RFC 3261 25.1: unreserved and user-unreserved). */
const USER_CHARACTER = /^[A-Za-z0-9\-_.!~*'()&=+$,;?/]$/;

function unescapeUser(user: string): string {
  if (!user.includes('%')) return user;
  return user.replace(/%([0-9A-Fa-f]{2})/g, (escaped, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return USER_CHARACTER.test(character) ? character : escaped.toUpperCase();
  });
}

/** The host of a canonical `sip:` address, or undefined for any other. */
export function addressHost(canonical: string): string | undefined {
  if (!canonical.startsWith('sip:')) return undefined;
  return canonical.slice(canonical.indexOf('@') + 1 || 4);
}
