import { type Params, parseParams } from './params.ts';
import { SipError } from './sip-error.ts';
import { hostOf, isHost, printable } from './uri.ts';

/** RFC 3261 8.1.1.7: a branch that begins so is unique in space and time. */
export const BRANCH_COOKIE = 'z9hG4bK';

/** One Via value (RFC 3261 20.42). */
export interface Via {
  /** Upper case: UDP, TCP, TLS, WS ... */
  readonly transport: string;
  /** sent-by host as written, lower case; IPv6 in brackets. */
  readonly host: string;
  readonly port: number | undefined;
  readonly params: Params;
  readonly branch: string | undefined;
}

/** RFC 3261 25.1: name and version are any tokens; a request of another version can be answered with 505. */
const VIA =
  /^[A-Za-z0-9.!%*_+`'~-]+\s*\/\s*[A-Za-z0-9.!%*_+`'~-]+\s*\/\s*([A-Za-z0-9.!%*_+`'~-]+)\s+(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?:\s*:\s*(\d{1,5}))?\s*(;|$)/i;

/** Parses one Via value. @throws SipError 400. */
export function parseVia(text: string): Via {
  const match = VIA.exec(text);
  if (match === null) throw new SipError(400, `Malformed Via ${printable(text)}`);
  const port = match[3] === undefined ? undefined : Number(match[3]);
  if (port !== undefined && (port === 0 || port > 65535)) throw new SipError(400, `Port out of range in Via ${printable(text)}`);
  const host = hostOf(match[2] ?? '');
  if (!isHost(host)) throw new SipError(400, `Malformed IPv6 address in Via ${printable(text)}`);
  const params = parseParams(text, match[0].length - (match[4]?.length ?? 0));
  return {
    transport: (match[1] ?? '').toUpperCase(),
    host,
    port,
    params,
    branch: params.get('branch'),
  };
}
