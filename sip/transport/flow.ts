export type Protocol = 'UDP' | 'TCP';

/** Where a message goes: an IP literal (IPv6 without brackets), never a name. */
export interface Destination {
  readonly protocol: Protocol;
  readonly address: string;
  readonly port: number;
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
  /** Domains, in lower case, whose certificate the peer has shown (RFC 5922 7.1). */
  readonly peerDomains?: readonly string[] | undefined;
  /** Same peer over the same socket, same id. */
  readonly id: string;
  /** Hands bytes to the operating system, or to the connection's bounded queue. False when they were refused. */
  send(bytes: Buffer): boolean;
  readonly closed: boolean;
  /** Has it ever been a way to the peer? False for a connection that is still being opened, or could not be. */
  readonly opened: boolean;
  /** Called once when the connection ends (at once if it has); never for UDP. */
  onClose(listener: () => void): void;
}
