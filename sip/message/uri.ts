import { isIPv6 } from 'node:net';
import { formatParams, type Params, parseParams } from './params.ts';
import { SipError } from './sip-error.ts';

/** A sip: or sips: URI (RFC 3261 19.1). */
export interface SipUri {
  scheme: 'sip' | 'sips';
  /** As written, escapes kept; undefined when the URI names a host only. */
  user: string | undefined;
  password: string | undefined;
  /** Lower case; an IPv6 address stands in brackets. */
  host: string;
  port: number | undefined;
  params: Params;
  /** What stands behind `?`, as written. */
  headers: string | undefined;
  toString(): string;
}

const URI = /^(sips?):(?:([^@\s<>"]+)@)?(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?((?:;[^\s<>"?]*)?)(?:\?([^\s<>"]*))?$/i;

class ParsedSipUri implements SipUri {
  scheme: 'sip' | 'sips';
  user: string | undefined;
  password: string | undefined;
  host: string;
  port: number | undefined;
  params: Params;
  headers: string | undefined;

  constructor(match: RegExpExecArray) {
    this.scheme = match[1]?.toLowerCase() === 'sips' ? 'sips' : 'sip';
    const userinfo = match[2];
    const colon = userinfo?.indexOf(':') ?? -1;
    this.user = colon < 0 ? userinfo : userinfo?.slice(0, colon);
    this.password = colon < 0 ? undefined : userinfo?.slice(colon + 1);
    this.host = hostOf(match[3] ?? '');
    this.port = match[4] === undefined ? undefined : Number(match[4]);
    this.params = parseParams(match[5] ?? '');
    this.headers = match[6];
  }

  toString(): string {
    const password = this.password === undefined ? '' : `:${this.password}`;
    const user = this.user === undefined ? '' : `${this.user}${password}@`;
    const port = this.port === undefined ? '' : `:${this.port}`;
    const headers = this.headers === undefined ? '' : `?${this.headers}`;
    return `${this.scheme}:${user}${this.host}${port}${formatParams(this.params)}${headers}`;
  }
}

/**
 * Parses a sip: or sips: URI.
 * @throws SipError 416 for another scheme, 400 for what is no URI (RFC 3261 8.2.2.1, 19.1.1).
 */
export function parseSipUri(text: string): SipUri {
  const match = URI.exec(text);
  if (match === null) {
    if (/^(?!sips?:)[A-Za-z][A-Za-z0-9+.-]*:/i.test(text)) throw new SipError(416);
    throw new SipError(400, `Malformed URI ${printable(text)}`);
  }
  const uri = new ParsedSipUri(match);
  if (uri.port !== undefined && (uri.port === 0 || uri.port > 65535))
    throw new SipError(400, `Port out of range in URI ${printable(text)}`);
  if (!isHost(uri.host)) throw new SipError(400, `Malformed IPv6 address in URI ${printable(text)}`);
  return uri;
}

/** Is it a sips: URI, which goes over TLS on every hop (RFC 3261 26.2.2)? */
export function isSecureUri(text: string): boolean {
  return /^sips:/i.test(text);
}

/** RFC 5118 4.10: RFC 3261's grammar lets a colon too many into an IPv6 address; it is taken out. */
export function hostOf(text: string): string {
  const host = text.toLowerCase();
  return host.startsWith('[') ? host.replace(':::', '::') : host;
}

/** Does a host in brackets hold an IPv6 address? */
export function isHost(host: string): boolean {
  return !host.startsWith('[') || isIPv6(host.slice(1, -1));
}

/** A piece of a bad message, short and safe to put into a reason phrase. */
export function printable(text: string): string {
  const safe = text.replace(/[^\x21-\x7e]/g, '.');
  return safe.length > 60 ? `${safe.slice(0, 60)}...` : safe;
}
