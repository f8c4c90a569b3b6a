export type Protocol = 'UDP' | 'TCP' | 'TLS' | 'WS' | 'WSS';

/** Where a message goes: an IP literal (IPv6 without brackets), never a name. */
export interface Destination {
  readonly protocol: Protocol;
  readonly address: string;
  readonly port: number;
  /**
   * Over TLS: the domain that was asked for, before any look-up (RFC 5922 7.3), which the peer's certificate must name. Without it, the
   * certificate must name the address.
   */
  readonly name?: string | undefined;
  /** Over TLS: the domain of ours, in lower case, whose own certificate is shown; that of the server where there is none. */
  readonly as?: string | undefined;
}

/** A socket that takes requests. */
export interface ListeningPoint {
  readonly protocol: Protocol;
  readonly address: string;
  readonly port: number;
}

/** A way to one peer: an open connection, or a UDP socket together with the peer's address (RFC 5626 2). */
export interface Flow {
  readonly protocol: Protocol;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly reliable: boolean;
  /** Same peer over the same socket, same id; no connection after it has the same, in this run or a later one. */
  readonly id: string;
  /** SIP domains in lower case that the peer's certificate proves it to be (RFC 5922 7.1); none without a certificate that we trust. */
  readonly peerDomains: readonly string[];
  /** Of a TLS connection that we opened: the domain, or the address, that its peer's certificate must name. */
  readonly openedTo?: string | undefined;
  /** Hands bytes to the operating system, or to the connection's bounded queue. False when they were refused. */
  send(bytes: Buffer): boolean;
  readonly closed: boolean;
  /** Has it ever been a way to the peer? False for a connection that is still being opened, or could not be. */
  readonly opened: boolean;
  /** Called once when the connection ends (at once if it has); never for UDP. */
  onClose(listener: () => void): void;
  /**
   * The peer was told to send keep-alives at least that often, in seconds: a connection that stays silent for longer (and some grace) is
   * dead and gets closed (RFC 5626 4.4). Nothing over UDP, where nobody closes.
   */
  expectKeepAlives(seconds: number): void;
}

/**
 * How often a peer should show that it is there, in seconds, for Flow-Timer (RFC 5626 4.4) and `keep` (RFC 6223 5): address translators
 * forget a UDP port after 30 seconds.
 */
export function keepAliveSeconds(protocol: Protocol): number {
  return protocol === 'UDP' ? 29 : 120;
}

/** Is this a WebSocket, whose client can be reached over nothing but that connection (RFC 7118 5)? */
export function isWebSocket(protocol: Protocol): protocol is 'WS' | 'WSS' {
  return protocol === 'WS' || protocol === 'WSS';
}

/** The textual address that the peer is at, as far as can be told: of WebSockets it may be that of a web server in front of us. */
export function whereFrom(flow: Flow | undefined): string | undefined {
  return flow === undefined || isWebSocket(flow.protocol) ? undefined : flow.remoteAddress;
}

/** Is it a connection by TLS? */
export function isSecure(flow: Flow | undefined): boolean {
  return flow?.protocol === 'TLS' || flow?.protocol === 'WSS';
}
