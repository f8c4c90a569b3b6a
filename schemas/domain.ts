import { domainToASCII } from 'node:url';

const PLAIN = /^[a-z0-9-]+(\.[a-z0-9-]+)*$/;

/**
 * A domain name in the form in which two are compared (RFC 4745 7.1.3): percent escapes undone, every label in its ASCII form and lower case,
 * without a final dot. Undefined if it has no such form, which equals nothing. An IP address stays as it is.
 */
export function canonicalDomain(domain: string): string | undefined {
  let name = domain.trim().toLowerCase();
  if (name.endsWith('.')) name = name.slice(0, -1);
  if (PLAIN.test(name)) return name;
  if (name.includes('%')) {
    try {
      name = decodeURIComponent(name);
    } catch {
      return undefined;
    }
  }
  return domainToASCII(name) || undefined;
}
