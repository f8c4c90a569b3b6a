/** When two URIs that people wrote mean the same (RFC 5025 3.3.1.1, 3.3.1.3: URI equivalence, which each scheme defines for itself). */
import { sameUri } from '../message/uri-comparison.ts';

/** Equal as written, or by the rules of their scheme: RFC 3261 19.1.4, RFC 3966 5, RFC 8141 3; RFC 3986 6.2.2 for the others. */
export function equivalentUris(a: string, b: string): boolean {
  if (a === b) return true;
  const scheme = schemeOf(a);
  if (scheme === undefined || scheme !== schemeOf(b)) return false;
  if (scheme === 'sip' || scheme === 'sips') return sameUri(a, b);
  return normalForm(a, scheme) === normalForm(b, scheme);
}

/** Lower case. */
function schemeOf(uri: string): string | undefined {
  const colon = uri.indexOf(':');
  return colon > 0 ? uri.slice(0, colon).toLowerCase() : undefined;
}

/** Two URIs are equivalent only if this is the same for both; it is cheap, and often enough says that they are not. */
export function equivalenceBucket(uri: string): string {
  const scheme = schemeOf(uri) ?? '';
  // RFC 3261 19.1.4: the user part counts in its case, escapes aside; hosts do not.
  if (scheme === 'sip' || scheme === 'sips') return `${scheme}:${/^[^:]*:(?:[^@]*@)?([^;?]*)/.exec(uri)?.[1]?.toLowerCase() ?? ''}`;
  return normalForm(uri, scheme);
}

function normalForm(uri: string, scheme: string): string {
  const rest = uri.slice(scheme.length + 1);
  if (scheme === 'tel') return telephone(rest);
  if (scheme === 'urn') return resourceName(rest);
  const [, authority = '', other = ''] = /^(\/\/[^/?#]*)?([\s\S]*)$/.exec(unescaped(rest)) ?? [];
  const at = authority.lastIndexOf('@') + 1;
  return `${scheme}:${authority.slice(0, at)}${authority.slice(at).toLowerCase()}${other}`;
}

/** RFC 3966 5: separators and the case do not count, nor does the order of the parameters. */
function telephone(rest: string): string {
  const [number = '', ...parameters] = unescaped(rest).toLowerCase().split(';');
  return `tel:${[number.replace(/[-.()]/g, ''), ...parameters.sort()].join(';')}`;
}

/** RFC 8141 3.1: the namespace's name has no case, its escapes neither; what is behind `?` or `#` does not count. RFC 9562 4: UUIDs have no case. */
function resourceName(rest: string): string {
  const [, namespace = '', name = ''] = /^([^:]*):([^?#]*)/.exec(rest) ?? [];
  const id = namespace.toLowerCase();
  const specific = id === 'uuid' ? name.toLowerCase() : name.replace(/%[0-9a-f]{2}/gi, (written) => written.toUpperCase());
  return id === '' ? `urn:${rest}` : `urn:${id}:${specific}`;
}

/** RFC 3986 6.2.2: escapes of characters that need none are undone, the others written in capitals. */
function unescaped(text: string): string {
  return text.replace(/%([0-9A-Fa-f]{2})/g, (written, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return /[A-Za-z0-9\-._~]/.test(character) ? character : written.toUpperCase();
  });
}
