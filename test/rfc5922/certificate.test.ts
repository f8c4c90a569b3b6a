import { describe, expect, it } from 'vitest';
import { namesDomain, sipDomains, speaksFor } from '../../sip/transport/peer-certificate.ts';

/** RFC 5922 7.1 and 7.2. */

const certificate = (subjectaltname: string | undefined, CN?: string | string[]) => ({ subject: { CN }, subjectaltname });

describe('RFC 5922 7.1: the SIP domains of a certificate', () => {
  it.each([
    ['sip URIs without a user, whatever their scheme is spelled like', 'URI:SIP:Example.com, URI:sip:example.net:5061;transport=tls', ['example.com', 'example.net']],
    ['no sip URI that names a user', 'URI:sip:alice@example.com', []],
    ['no sips or other URI', 'URI:sips:example.com, URI:xmpp:example.net, URI:https://example.org/', []],
    ['DNS names where there is no sip URI', 'DNS:Example.com, URI:sips:example.net, DNS:b.example.com', ['example.com', 'b.example.com']],
    ['no DNS name beside a sip URI', 'DNS:www.example.com, URI:sip:example.com', ['example.com']],
    ['no addresses and mailboxes', 'IP Address:192.0.2.1, email:alice@example.com', []],
    ['nothing that had to be quoted', 'DNS:"a.example, DNS:evil.example", DNS:b.example', ['b.example']],
  ])('%s', (_, names, expected) => expect(sipDomains(certificate(names, 'cn.example'))).toEqual(expected)); // biome-ignore format: a table

  it.each([
    ['the common name where there are no alternative names', 'Sip.Example.com', ['sip.example.com']],
    ['the last of several', ['a.example', 'b.example'], ['b.example']],
    ['none that is no DNS name', 'Rollcall Test (CA)', []],
    ['none that is an address', '192.0.2.1', []],
    ['none', undefined, []],
  ])('%s', (_, name, expected) => expect(sipDomains(certificate(undefined, name))).toEqual(expected));

  it('no common name where there are alternative names, even if none of them is a domain', () => {
    expect(sipDomains(certificate('IP Address:192.0.2.1', 'cn.example'))).toEqual([]);
  });
});

describe('RFC 5922 7.2: comparing', () => {
  it('is of whole names, in any case, and wildcards are no more than text', () => {
    const wild = certificate('DNS:*.example.com, DNS:example.org');
    expect(speaksFor(wild, 'EXAMPLE.org')).toBe(true);
    expect(speaksFor(wild, 'a.example.com')).toBe(false);
    expect(speaksFor(wild, 'example.com')).toBe(false);
    expect(speaksFor(wild, 'sip.example.org')).toBe(false);
    expect(speaksFor(wild, 'ample.org')).toBe(false);
  });

  it('is of international names in their ASCII form', () => {
    expect(namesDomain(['xn--bcher-kva.example'], 'Bücher.example')).toBe(true);
    expect(namesDomain(['xn--bcher-kva.example'], 'bucher.example')).toBe(false);
  });

  it('is of addresses where no domain was asked for, however they are written', () => {
    const addresses = certificate('IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1, DNS:192.0.2.9');
    expect(speaksFor(addresses, '192.0.2.1')).toBe(true);
    expect(speaksFor(addresses, '2001:db8::1')).toBe(true);
    expect(speaksFor(addresses, '192.0.2.9')).toBe(false);
    expect(speaksFor(addresses, '2001:db8::2')).toBe(false);
  });
});
