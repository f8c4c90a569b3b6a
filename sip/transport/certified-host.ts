import { hostNames, speaksFor } from './peer-certificate.ts';
import type { TlsSource } from './tls.ts';

export interface ReachedBy {
  /** The name that the peer asked for when it connected (RFC 6066 3); undefined where it asked for none. */
  readonly asked: string | undefined;
  /** Have we opened the connection? */
  readonly isOurs: boolean;
  readonly address: string;
  readonly port: number;
}

/**
 * Host and perhaps port of a URI by which the peer of a TLS connection can reach us and find what it wants in our certificate (RFC 5922
 * 7.5), where that does not name the address: a domain of ours, which the DNS tells the way to, or else the host.
 * @param isDomain is it a domain whose users are served?
 * @returns undefined where the address is as good
 */
export function certifiedHost(source: TlsSource, reached: ReachedBy, isDomain: (host: string) => boolean): string | undefined {
  const { asked, isOurs, address, port } = reached;
  // Who has asked for no name has looked for none in the certificate.
  if (asked === undefined && !isOurs) return undefined;
  const certificate = source.shownTo?.(asked);
  if (certificate === undefined || speaksFor(certificate, address)) return undefined;
  const names = hostNames(certificate);
  const host =
    asked !== undefined && (names.includes(asked) || names.includes(asked.replace(/^[^.]+/, '*')))
      ? asked
      : (names.find(isDomain) ?? names.find((name) => !name.includes('*')));
  return host === undefined || isDomain(host) ? host : `${host}:${port}`;
}
