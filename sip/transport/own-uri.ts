import type { Protocol } from './flow.ts';

const PARAMETERS: Readonly<Record<Protocol, string>> = {
  UDP: '',
  TCP: ';transport=tcp',
  TLS: ';transport=tls',
  // RFC 7118 5.2: one value for both, plain and secure.
  WS: ';transport=ws',
  WSS: ';transport=ws',
};

/**
 * The URI by which this server is reached over a protocol, for Contact and Record-Route.
 * @param sentBy host and port
 * @param secure whether it has to be a SIPS URI (RFC 3261 12.1.1), which it will be only where the protocol is secure
 */
export function ownUri(sentBy: string, protocol: Protocol, secure: boolean): string {
  if (secure && protocol === 'TLS') return `sips:${sentBy}`;
  return `${secure && protocol === 'WSS' ? 'sips' : 'sip'}:${sentBy}${PARAMETERS[protocol]}`;
}
