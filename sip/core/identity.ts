/** Who a request comes from: a table of what may vouch for a sender, asked in order. */
import { addressHost, canonicalAddress } from '../../schemas/address.ts';
import type { SipRequest } from '../message/message.ts';
import { parseNameAddr } from '../message/name-addr.ts';
import { SipError } from '../message/sip-error.ts';
import type { Flow } from '../transport/transport.ts';
import type { Authenticator, UserDirectory } from './authenticator.ts';

/**
 * What vouches for an identity: `open` nothing, for authentication is off; `peer` an element that the admin trusts (RFC 3325); `domain` the
 * certificate of the domain's own server (RFC 5922); `digest` the user's password.
 */
export type IdentitySource = 'open' | 'peer' | 'domain' | 'digest';

export interface Identity {
  /** Canonical address; of a user here, or of another domain's where a peer or the domain vouches for it. */
  readonly address: string;
  /** What else is asserted to be the sender, as canonical addresses (RFC 5025 3.1.1.2). */
  readonly aliases?: readonly string[] | undefined;
  readonly source: IdentitySource;
  readonly admin: boolean;
}

/** As which we ask for credentials: for a service of our own, or for passing the request on (RFC 3261 22.2, 22.3). */
export type Role = 'server' | 'proxy';

export interface IdentityOptions {
  readonly users: UserDirectory;
  /** Absent: authentication is off. */
  readonly authenticator?: Authenticator | undefined;
  /** Is the textual address that of an element whose word counts? */
  readonly isTrustedPeer?: ((address: string) => boolean) | undefined;
  /** Must From be the authenticated user's own? True by default. */
  readonly ownFromOnly?: boolean | undefined;
}

/** What is asked, and where the reason for the answer is noted. */
export interface IdentityQuestion {
  readonly request: SipRequest;
  readonly flow: Flow;
  /** For the log. */
  because: string | undefined;
}

type Source = (question: IdentityQuestion, role: Role, options: IdentityOptions, mustKnow: boolean) => Identity | undefined;

/** The first that says who it is counts. */
const SOURCES: readonly Source[] = [peer, domain, digest, open];

const FIELDS: Readonly<Record<Role, { readonly status: number; readonly challenge: string; readonly credentials: string }>> = {
  server: { status: 401, challenge: 'WWW-Authenticate', credentials: 'Authorization' },
  proxy: { status: 407, challenge: 'Proxy-Authenticate', credentials: 'Proxy-Authorization' },
};

/** RFC 3261 22.1: no answer could be given to a challenge of these. */
const NEVER_CHALLENGED: ReadonlySet<string> = new Set(['ACK', 'CANCEL']);

/** RFC 3323 4.1.1.3: who gives no name takes nobody else's. */
export const ANONYMOUS = 'sip:anonymous@anonymous.invalid';

/** Says who requests come from. */
export class Identifier {
  private readonly options: IdentityOptions;

  constructor(options: IdentityOptions) {
    this.options = options;
  }

  /**
   * The sender of a request; undefined for one that may not be challenged and that nothing vouches for. What only trusted elements may say
   * (RFC 3325) is removed from the requests of others.
   * @param mustKnow false: who brings no credentials is not asked for them
   * @throws SipError 401 or 407 with challenges, 400, 403 for a From that is another's, 503
   */
  identify(question: IdentityQuestion, role: Role, mustKnow = true): Identity | undefined {
    for (const source of SOURCES) {
      const identity = source(question, role, this.options, mustKnow);
      if (identity !== undefined) return identity;
    }
    return undefined;
  }
}

/**
 * RFC 3325 5: what a trusted element asserts counts as if we had authenticated the user. Where it asserts nothing it vouches for nobody: From is
 * what anybody may have written.
 */
function peer({ request, flow }: IdentityQuestion, _role: Role, { users, isTrustedPeer }: IdentityOptions): Identity | undefined {
  if (!isTrustedPeer?.(flow.remoteAddress)) {
    removeAssertions(request);
    return undefined;
  }
  if (!request.headers.has('P-Asserted-Identity')) return undefined;
  const [first, ...others] = assertedAddresses(request);
  if (others.length === 0) return { address: first, source: 'peer', admin: users.hasUser(first) && users.isAdmin(first) };
  const all = [first, ...others];
  // Whichever is a user here is whom requests are from; rules are asked about all of them.
  const address = all.find((one) => users.hasUser(one)) ?? first;
  const aliases = all.filter((one) => one !== address);
  return { address, aliases, source: 'peer', admin: users.hasUser(address) && users.isAdmin(address) };
}

/** RFC 3325 9.1 knows a SIP URI and a tel URI; elements exist that assert more of them. */
const MOST_ASSERTED = 10;

/** Each once, as canonical addresses. @throws SipError 400 */
function assertedAddresses({ headers }: SipRequest): readonly [string, ...string[]] {
  const values = headers.list('P-Asserted-Identity');
  if (values.length > MOST_ASSERTED) throw new SipError(400, 'P-Asserted-Identity with too many values');
  const [first, ...others] = new Set(values.map((value) => canonicalAddress(parseNameAddr(value).uri)));
  if (first === undefined) throw new SipError(400, 'P-Asserted-Identity without a value');
  return [first, ...others];
}

/** RFC 5922 7.4: a server that has shown the certificate of a domain speaks for its users. Ours have passwords. */
function domain({ request, flow }: IdentityQuestion, _role: Role, { users }: IdentityOptions): Identity | undefined {
  if (flow.peerDomains.length === 0) return undefined;
  const address = canonicalAddress(request.from.uri);
  const host = addressHost(address);
  if (host === undefined || users.servesDomain(host) || !flow.peerDomains.includes(host)) return undefined;
  return { address, source: 'domain', admin: false };
}

/** RFC 3261 22.1 and 26.3.2.4: credentials, and that From is the user they belong to. */
function digest(question: IdentityQuestion, role: Role, options: IdentityOptions, mustKnow: boolean): Identity | undefined {
  const { authenticator, ownFromOnly } = options;
  const { request, flow } = question;
  if (authenticator === undefined || NEVER_CHALLENGED.has(request.method)) return undefined;
  const fields = FIELDS[role];
  if (!mustKnow && !request.headers.has(fields.credentials)) return undefined;
  const result = authenticator.authenticate({
    method: request.method,
    uri: request.uri,
    from: request.from.uri,
    credentials: request.headers.all(fields.credentials),
    body: request.body,
    remoteAddress: flow.remoteAddress,
    // RFC 5025 3.1.1.2: rules say what those may see who give no name. Nothing else is for them, nor does anything go on to others.
    anonymous: role === 'server' && request.method === 'SUBSCRIBE',
  });
  switch (result.kind) {
    case 'malformed':
      throw new SipError(400, result.reason);
    case 'slowed':
      question.because = result.reason;
      throw new SipError(503, undefined, [['Retry-After', String(result.seconds)]]);
    case 'challenge':
      // RFC 3261 22.3: credentials may be for other proxies on the way.
      if (!mustKnow) return undefined;
      question.because = result.reason;
      throw new SipError(
        fields.status,
        undefined,
        result.challenges.map((value): [string, string] => [fields.challenge, value]),
      );
    case 'user': {
      const from = canonicalAddress(request.from.uri);
      if (from !== result.address && !result.admin && ownFromOnly !== false && from !== ANONYMOUS) {
        throw new SipError(403, 'From is not the authenticated user');
      }
      return { address: result.address, source: 'digest', admin: result.admin };
    }
  }
}

function open({ request }: IdentityQuestion, _role: Role, { authenticator }: IdentityOptions): Identity | undefined {
  return authenticator === undefined ? { address: canonicalAddress(request.from.uri), source: 'open', admin: false } : undefined;
}

/** RFC 3325 5 and 6: from an element that is not trusted neither is looked at or passed on. */
function removeAssertions({ headers }: SipRequest): void {
  if (headers.has('P-Asserted-Identity')) headers.delete('P-Asserted-Identity');
  if (headers.has('P-Preferred-Identity')) headers.delete('P-Preferred-Identity');
}
