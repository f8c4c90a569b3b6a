/** Where the requests for a domain go instead of to the servers that the DNS names. */
export interface NextHop {
  /** A domain in lower case, `*.domain` for those below it, or `*` for all that no other entry names. */
  readonly domain: string;
  /** A SIP URI. */
  readonly uri: string;
}

/** The configured next hops (RFC 3261 8.1.2: local policy may name an alternate set of destinations). */
export class NextHops {
  private readonly byDomain: ReadonlyMap<string, string>;

  constructor(hops: readonly NextHop[]) {
    this.byDomain = new Map(hops.map(({ domain, uri }) => [domain, uri]));
  }

  /**
   * The SIP URI to send to for a host (lower case, an IPv6 address in brackets); undefined where RFC 3263 decides. For requests that
   * have no Route: put it into their `nextHop`. The closest entry counts.
   */
  find(host: string): string | undefined {
    if (this.byDomain.size === 0) return undefined;
    const exact = this.byDomain.get(host);
    if (exact !== undefined) return exact;
    for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1)) {
      const above = this.byDomain.get(`*${host.slice(dot)}`);
      if (above !== undefined) return above;
    }
    return this.byDomain.get('*');
  }
}
