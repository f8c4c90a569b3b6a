import { isIP, isIPv6 } from 'node:net';
import { parseSipUri } from '../sip/message/uri.ts';
import type { NextHop } from '../sip/transport/next-hops.ts';

export type { NextHop } from '../sip/transport/next-hops.ts';

const DOMAIN = /^(?:\*|(?:\*\.)?[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:.]+\])$/;

/** `DOMAIN=URI`, or a mapping with `domain` and `uri`. Throws an Error that says what is expected. */
export function readNextHop(value: unknown): NextHop {
  const isObject = typeof value === 'object' && value !== null && 'domain' in value && 'uri' in value;
  const text = isObject ? `${value.domain}=${value.uri}` : String(value);
  const equals = text.indexOf('=');
  const domain = text.slice(0, Math.max(0, equals)).toLowerCase();
  const uri = text.slice(equals + 1);
  try {
    if (!DOMAIN.test(domain) || parseSipUri(uri).headers !== undefined) throw new Error('not a next hop');
  } catch {
    throw new Error(`"${text}" is not DOMAIN=URI (such as example.org=sip:192.0.2.1;transport=tcp)`);
  }
  return Object.freeze({ domain, uri });
}

/** `IP` or `IP:PORT`, an IPv6 address with a port in brackets. Throws an Error that says what is expected. */
export function readNameServer(value: unknown): string {
  const text = String(value);
  const [, six, four, port] = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(text) ?? [];
  const isServer = isIP(text) !== 0 || ((isIPv6(six ?? '') || isIP(four ?? '') === 4) && Number(port) > 0 && Number(port) <= 65_535);
  if (!isServer) throw new Error(`"${text}" is not the address of a name server (such as 192.0.2.53 or [2001:db8::53]:5353)`);
  return text;
}
