import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';

/** Of a certificate as node:tls gives it. */
export interface CertificateNames {
  readonly subject: { readonly CN?: string | string[] | undefined };
  /** As in `DNS:example.com, URI:sip:example.com, IP Address:192.0.2.1`, odd values in double quotes. */
  readonly subjectaltname?: string | undefined;
}

const ALTERNATIVE = /(?:^|, )([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,]*)/g;
const SIP_DOMAIN = /^sip:(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::\d+)?(?:[;?][^@]*)?$/i;
const DNS_NAME = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/i;

/**
 * The SIP domains that a valid certificate speaks for, in lower case (RFC 5922 7.1): the hosts of its sip URIs that name no user; its
 * DNS names if it has no such URI; its common name if it has no alternative names at all.
 */
export function sipDomains({ subject, subjectaltname }: CertificateNames): readonly string[] {
  if (subjectaltname === undefined) {
    const name = Array.isArray(subject.CN) ? subject.CN.at(-1) : subject.CN;
    return name !== undefined && DNS_NAME.test(name) && isIP(name) === 0 ? [name.toLowerCase()] : [];
  }
  const hosts: string[] = [];
  const names: string[] = [];
  for (const [type, value] of alternatives(subjectaltname)) {
    const host = type === 'URI' ? SIP_DOMAIN.exec(value)?.[1] : undefined;
    if (host !== undefined) hosts.push(host.toLowerCase());
    else if (type === 'DNS') names.push(value.toLowerCase());
  }
  return hosts.length > 0 ? hosts : names;
}

/**
 * Does the certificate speak for the domain (RFC 5922 7.2: as a whole, wildcards are no more than text) or, where an address was asked
 * for, for that address?
 * @param name a host name in any case, or an IP literal without brackets
 */
export function speaksFor(certificate: CertificateNames, name: string): boolean {
  if (isIP(name) === 0) return namesDomain(sipDomains(certificate), name);
  const wanted = normalAddress(name);
  return [...alternatives(certificate.subjectaltname ?? '')].some(
    ([type, value]) => type === 'IP Address' && isIP(value) !== 0 && normalAddress(value) === wanted,
  );
}

/** Is the domain among these (RFC 5922 7.2)? Internationalised ones compare in their ASCII form. */
export function namesDomain(domains: readonly string[], name: string): boolean {
  return domains.includes(domainToASCII(name) || name.toLowerCase());
}

/**
 * Every name that a certificate has for a host, in lower case, wildcards as they stand: to tell which one a client asks for. Whether it is
 * good for that name is the client's to say.
 */
export function hostNames({ subject, subjectaltname }: CertificateNames): readonly string[] {
  const names = [...alternatives(subjectaltname ?? '')].flatMap(([type, value]) => (type === 'DNS' ? [value.toLowerCase()] : []));
  return [...new Set([...sipDomains({ subject, subjectaltname }), ...names])];
}

function* alternatives(text: string): Iterable<readonly [type: string, value: string]> {
  for (const [, type = '', value = ''] of text.matchAll(ALTERNATIVE)) {
    if (!value.startsWith('"')) yield [type, value];
    // What had to be quoted is no name that anybody has.
  }
}

/** One spelling of each address. */
function normalAddress(address: string): string {
  return address.includes(':') ? new URL(`http://[${address}]`).hostname : address;
}
