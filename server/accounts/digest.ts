import { timingSafeEqual } from 'node:crypto';
import { ANONYMOUS } from '../../sip/core/identity.ts';
import { type Account, accountAddress } from './account-store.ts';
import { type DigestParameters, parseDigestParameters, unescapeQuoted } from './authorization-header.ts';
import { ALGORITHMS, type Algorithm, type Credential, digestHash, makeCredentials } from './ha1.ts';
import type { LoginBrake } from './login-brake.ts';
import type { Nonces } from './nonces.ts';

/** What credentials are for. */
export interface DigestRequest {
  readonly method: string;
  readonly body: Uint8Array;
  /** Textual address of the peer. */
  readonly peer: string;
  /** May whoever gives no name come in, by the user name `anonymous` and no password (RFC 3261 22.1)? */
  readonly anonymous?: boolean;
  /** Is the `uri` of the credentials the target of the request? The protocol knows what is equal. */
  sameTarget(uri: string): boolean;
}

export type DigestOutcome =
  | { readonly kind: 'user'; readonly account: Account }
  /** `username` is what was claimed, for the log. */
  | { readonly kind: 'refused'; readonly reason: string; readonly stale: boolean; readonly username?: string }
  /** Too many logins failed: the credentials were not looked at, and will not be for so many seconds. */
  | { readonly kind: 'slowed'; readonly reason: string; readonly seconds: number; readonly username: string }
  | { readonly kind: 'malformed'; readonly reason: string };

/** Reasons for the log alone: told to a client, they would tell it who has an account. */
export const WRONG_PASSWORD = 'wrong password';
export const NO_SUCH_USER = 'no such user';

/** Compared with in place of a credential that does not exist, so that a wrong name takes as long as a wrong password. */
const NOBODY: Credential['ha1'] = { 'SHA-256': '0'.repeat(64), MD5: '0'.repeat(32) };
/** For the log. */
export const SLOWED = 'too many logins failed';
/** RFC 7616 3.4: eight hexadecimal digits. */
const NONCE_COUNT = /^[0-9A-Fa-f]{8}$/;
const HEX = /^[0-9A-Fa-f]+$/;

/** HTTP Digest access authentication (RFC 7616, RFC 8760), the same for HTTP and SIP. */
export class Digest {
  private readonly nonces: Nonces;
  private readonly findAccount: (address: string) => Account | undefined;
  private readonly brake: LoginBrake;
  private readonly algorithms: readonly Algorithm[];

  /** @param algorithms those that are offered, in that order, and accepted; all where none are named */
  constructor(
    nonces: Nonces,
    findAccount: (address: string) => Account | undefined,
    brake: LoginBrake,
    algorithms: readonly Algorithm[] = ALGORITHMS,
  ) {
    this.nonces = nonces;
    this.findAccount = findAccount;
    this.brake = brake;
    this.algorithms = algorithms.length === 0 ? ALGORITHMS : algorithms;
  }

  /** WWW-Authenticate values for a realm, the preferred algorithm first (RFC 8760 2.2), all with one new nonce. */
  challenges(realm: string, stale: boolean): string[] {
    const nonce = this.nonces.issue();
    // qop offers only `auth`: clients that compare it with one word know no list. `auth-int` is understood all the same.
    const rest = `nonce="${nonce}", opaque="${OPAQUE}", qop="auth"${stale ? ', stale=true' : ''}`;
    return this.algorithms.map((algorithm) => `Digest realm="${realm}", ${rest}, algorithm=${algorithm}`);
  }

  /**
   * Judges the parameters of one Authorization value.
   * @param text what follows `Digest` in it
   * @param knowsRealm whether a realm (domain) is one of this server's
   */
  verify(text: string, knowsRealm: (realm: string) => boolean, request: DigestRequest): DigestOutcome {
    const parameters = parseDigestParameters(text);
    if (!parameters) return { kind: 'malformed', reason: 'the Digest credentials cannot be read' };
    const read = readCredentials(parameters);
    if (typeof read === 'string') return { kind: 'malformed', reason: read };
    const { username, realm, nonce, algorithm, session, count } = read;
    const refused = (reason: string, stale = false): DigestOutcome => ({ kind: 'refused', reason, stale, username });
    if (!knowsRealm(realm)) return refused('the credentials are for another realm');
    if (!algorithm || !this.algorithms.includes(algorithm)) return refused('the digest algorithm is not one of those offered');
    // RFC 7616 3.4.6: credentials made for another target are answered with 400.
    if (!request.sameTarget(unescapeQuoted(read.uri)))
      return { kind: 'malformed', reason: 'uri in the credentials is not the request target' };

    const address = accountAddress(username, realm);
    const claimed = address ?? `${username}@${realm}`;
    // A client that goes on with a nonce of its own is not guessing, and cannot be slowed by those who are: who knows its nonce has seen
    // its responses too, and guesses at home.
    const goesOn = this.nonces.isUsedBy(nonce, claimed);
    if (!goesOn) {
      const seconds = this.brake.delay(request.peer, claimed);
      if (seconds > 0) return { kind: 'slowed', reason: SLOWED, seconds, username };
    }
    const account = this.accountOf(address, realm) ?? (request.anonymous && username === ANONYMOUS_USER ? nobody(realm) : undefined);
    const credential = account?.credentials.find((candidate) => candidate.username === username);
    const stored = (credential?.ha1 ?? NOBODY)[algorithm];
    const ha1 = session ? digestHash(algorithm, `${stored}:${nonce}:${read.cnonce}`) : stored;
    const good = isAnswer(read, algorithm, ha1, request);
    const state = this.nonces.state(nonce);
    if (!good || !account || !credential) {
      this.brake.failed(request.peer, claimed);
      return refused(credential ? WRONG_PASSWORD : NO_SUCH_USER);
    }
    if (!goesOn) this.brake.succeeded(request.peer, claimed);
    // From here on the client knows the password: a new nonce is all it needs (RFC 7616 3.3, stale).
    if (state !== 'valid')
      return refused(state === 'expired' ? 'the nonce has expired' : 'the nonce is not from here, or of before the last start', true);
    if (count === undefined) {
      return this.nonces.youngEnoughUncounted(nonce) ? { kind: 'user', account } : refused('the nonce has expired', true);
    }
    if (!this.nonces.use(nonce, count, claimed)) return refused('the nonce count was used before', true);
    return { kind: 'user', account };
  }

  private accountOf(address: string | undefined, realm: string): Account | undefined {
    const account = address === undefined ? undefined : this.findAccount(address);
    return account?.realm === realm ? account : undefined;
  }
}

const ANONYMOUS_USER = 'anonymous';

/** Stands for all who give no name. */
function nobody(realm: string): Account {
  return { address: ANONYMOUS, realm, admin: false, changed: 0, credentials: makeCredentials(`sip:${ANONYMOUS_USER}@${realm}`, '') };
}

/** Means nothing here: nonces carry what has to be known. Some clients expect one, and send it back. */
const OPAQUE = '0';

interface Credentials {
  readonly username: string;
  readonly realm: string;
  readonly nonce: string;
  /** As it stands between the quotes. */
  readonly uri: string;
  readonly response: string;
  /** Undefined when it is none of ours. */
  readonly algorithm: Algorithm | undefined;
  /** RFC 7616 3.4.2: the `-sess` variant. */
  readonly session: boolean;
  readonly qop: 'auth' | 'auth-int' | undefined;
  readonly cnonce: string;
  /** As sent. */
  readonly nc: string;
  readonly count: number | undefined;
}

/** Takes the parameters apart, or says in one line what is wrong with them. */
function readCredentials(parameters: DigestParameters): Credentials | string {
  for (const name of ['username', 'realm', 'nonce', 'uri', 'response']) {
    if (!parameters.has(name)) return `the Digest credentials have no ${name}`;
  }
  const value = (name: string) => parameters.get(name) ?? '';
  const named = (parameters.get('algorithm') ?? 'MD5').toUpperCase();
  const session = named.endsWith('-SESS');
  const base = session ? named.slice(0, -'-SESS'.length) : named;
  const algorithm = ALGORITHMS.find((candidate) => candidate === base);
  const qop = parameters.get('qop')?.toLowerCase();
  if (qop !== undefined && qop !== 'auth' && qop !== 'auth-int') return 'qop in the credentials is neither auth nor auth-int';
  const nc = value('nc');
  const count = qop === undefined ? undefined : Number.parseInt(nc, 16);
  if (count !== undefined && (!NONCE_COUNT.test(nc) || count === 0)) return 'nc in the credentials is no nonce count';
  if ((qop !== undefined || session) && !parameters.has('cnonce')) return 'the Digest credentials have no cnonce';
  // RFC 2069 knew neither qop nor any algorithm but MD5; RFC 7616 3.4 requires qop with the others.
  if (qop === undefined && algorithm === 'SHA-256') return 'the Digest credentials have no qop';
  return {
    username: value('username'),
    realm: value('realm'),
    nonce: value('nonce'),
    uri: value('uri'),
    response: value('response'),
    algorithm,
    session,
    qop,
    cnonce: value('cnonce'),
    nc,
    count,
  };
}

/** What goes into a response besides the HA1 and the target. */
export type ResponseInput = Pick<Credentials, 'nonce' | 'nc' | 'cnonce' | 'qop'>;

/** The response of RFC 7616 3.4.1 to 3.4.3, in lower-case hex; without qop that of RFC 2069. */
export function digestResponse(
  algorithm: Algorithm,
  ha1: string,
  { nonce, nc, cnonce, qop }: ResponseInput,
  { method, body }: Pick<DigestRequest, 'method' | 'body'>,
  target: string,
): string {
  const bodyHash = qop === 'auth-int' ? `:${digestHash(algorithm, body)}` : '';
  const ha2 = digestHash(algorithm, `${method}:${target}${bodyHash}`);
  return digestHash(algorithm, qop === undefined ? `${ha1}:${nonce}:${ha2}` : `${ha1}:${nonce}:${nc}:${cnonce}:${qop}:${ha2}`);
}

/** Is `response` what the owner of the HA1 computes? */
function isAnswer(credentials: Credentials, algorithm: Algorithm, ha1: string, request: DigestRequest): boolean {
  const { uri, response } = credentials;
  if (equalHex(digestResponse(algorithm, ha1, credentials, request, uri), response)) return true;
  // Clients that escape a quote inside uri compute with what they meant.
  return uri.includes('\\') && equalHex(digestResponse(algorithm, ha1, credentials, request, unescapeQuoted(uri)), response);
}

/** Room for the longest response, twice: buffers of their own would be most of what a comparison costs. */
const compared = Buffer.alloc(2 * 64);

/** Compares in a time that does not depend on where they differ. */
function equalHex(expected: string, given: string): boolean {
  const { length } = expected;
  if (given.length !== length || !HEX.test(given)) return false;
  compared.write(expected, 0, length, 'latin1');
  compared.write(given.toLowerCase(), 64, length, 'latin1');
  return timingSafeEqual(compared.subarray(0, length), compared.subarray(64, 64 + length));
}
