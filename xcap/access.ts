/** Who asks, and who is known: the ports of the XCAP side to the accounts. Implemented in `server/accounts`. */

/** The user a request was authenticated as. */
export interface Requester {
  /** Canonical address, or undefined when authentication is off. */
  readonly address: string | undefined;
  /** May act on every user's documents; so may everyone while authentication is off. */
  readonly admin: boolean;
}

export interface HttpCredentials {
  readonly method: string;
  /** The raw request target as it stands in the request line (RFC 9112 3.2). */
  readonly target: string;
  /** The Authorization header field, if any. */
  readonly authorization: string | undefined;
  readonly body: Uint8Array;
  /** Address of the connection's peer. */
  readonly remoteAddress: string;
  /** Canonical address of the user whose documents are asked for, if any. */
  readonly owner?: string | undefined;
  /** The values of all field lines of a name (in lower case). */
  fields?(name: string): readonly string[];
}

export type HttpAuthentication =
  | { readonly kind: 'requester'; readonly requester: Requester /** Authentication-Info value, if any. */; readonly info?: string }
  /** Answer 401 with these WWW-Authenticate values. */
  | { readonly kind: 'challenge'; readonly challenges: readonly string[]; readonly reason: string }
  /** Too many logins failed: answer 429 with Retry-After, in seconds. */
  | { readonly kind: 'slowed'; readonly seconds: number; readonly reason: string }
  /** Answer 400. */
  | { readonly kind: 'malformed'; readonly reason: string };

export interface HttpAuthenticator {
  authenticate(request: HttpCredentials): HttpAuthentication;
}

export interface XuiDirectory {
  /**
   * The canonical address of the user that an XUI, as it stands decoded in a URI, names: `sip:a@x`, `a@x`, and `a` in the server's own domain are one.
   * Undefined when there is no such user here (RFC 4825 6.2: 404).
   */
  resolveXui(xui: string): string | undefined;
}
