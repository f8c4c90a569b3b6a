/** Who a request comes from, by digest credentials (RFC 3261 22, RFC 7616, RFC 8760). Implemented in `server/accounts`. */
export interface Authenticator {
  /** Synchronous: accounts in use are in memory. */
  authenticate(request: AuthenticationRequest): AuthenticationResult;
}

export interface AuthenticationRequest {
  readonly method: string;
  /** The Request-URI, or the raw request target. */
  readonly uri: string;
  /** The URI of From: whose credentials are asked for. */
  readonly from: string;
  /** The values of all Authorization header fields. */
  readonly credentials: readonly string[];
  readonly body: Uint8Array;
  /** Textual address of the peer, for the log. */
  readonly remoteAddress: string;
  /** Is it open to those who give no name, where an admin lets them in (RFC 3261 22.1)? Their address is ANONYMOUS. */
  readonly anonymous?: boolean;
}

export type AuthenticationResult =
  /** `address` is canonical (`schemas/address`). */
  | { readonly kind: 'user'; readonly address: string; readonly admin: boolean }
  /** `challenges` are WWW-Authenticate values, strongest first; `reason` is for the log and says nothing secret. */
  | { readonly kind: 'challenge'; readonly challenges: readonly string[]; readonly reason: string }
  /** Too many logins failed: answer 503 with Retry-After, in seconds. */
  | { readonly kind: 'slowed'; readonly seconds: number; readonly reason: string }
  /** Credentials that cannot be understood: answer 400. */
  | { readonly kind: 'malformed'; readonly reason: string };

/** Which addresses are users here. */
export interface UserDirectory {
  /** Is the domain (lower case, no port) served by this server? */
  servesDomain(host: string): boolean;
  /** Is the canonical address a user of this server? With authentication off, every address in a served domain is. */
  hasUser(address: string): boolean;
  /** May the user of the canonical address act for every other? With authentication off, everyone may. */
  isAdmin(address: string): boolean;
  /** When the password of a user was set, in milliseconds since 1970; undefined where users have none. */
  passwordChangedAt?(address: string): number | undefined;
}
