import { timingSafeEqual } from 'node:crypto';
import type { Logger } from 'pino';
import type { HttpAuthentication, HttpAuthenticator, HttpCredentials } from '../../xcap/access.ts';
import { type Account, type AccountStore, accountAddress } from './account-store.ts';
import { splitScheme } from './authorization-header.ts';
import { type Digest, NO_SUCH_USER, WRONG_PASSWORD } from './digest.ts';
import { digestHash, wireText } from './ha1.ts';

/** Everyone may do everything: what `auth: none` asks for. */
export const openHttpAuthenticator: HttpAuthenticator = {
  authenticate: () => ({ kind: 'requester', requester: { address: undefined, admin: true } }),
};

/** What a client is told, whichever it is. */
const WRONG_LOGIN = `${NO_SUCH_USER}, or ${WRONG_PASSWORD}`;
const NO_HASH = '0'.repeat(64);

/** Authenticates HTTP requests by Digest (RFC 7616) or Basic (RFC 7617) against the stored hashes. */
export class AccountHttpAuthenticator implements HttpAuthenticator {
  private readonly digest: Digest;
  private readonly accounts: AccountStore;
  private readonly domains: readonly string[];
  private readonly log: Logger;

  /** @param domains the served domains, the default one first: each is a realm */
  constructor(digest: Digest, accounts: AccountStore, domains: readonly string[], log: Logger) {
    this.digest = digest;
    this.accounts = accounts;
    this.domains = domains;
    this.log = log;
  }

  authenticate(request: HttpCredentials): HttpAuthentication {
    if (request.authorization === undefined) return this.challenge(request, 'no credentials', false);
    const { scheme, rest } = splitScheme(request.authorization);
    if (scheme === 'digest') return this.digestLogin(request, rest);
    if (scheme === 'basic') return this.basicLogin(request, rest);
    return this.challenge(request, 'the authentication scheme is neither Digest nor Basic', false);
  }

  private digestLogin(request: HttpCredentials, text: string): HttpAuthentication {
    const outcome = this.digest.verify(text, (realm) => this.domains.includes(realm), {
      method: request.method,
      body: request.body,
      sameTarget: (uri) => sameHttpTarget(uri, request.target),
    });
    if (outcome.kind === 'user') return requester(outcome.account);
    if (outcome.kind === 'malformed') {
      this.note(request, outcome.reason, undefined);
      return outcome;
    }
    if (!outcome.stale) this.note(request, outcome.reason, outcome.username);
    const guessed = outcome.reason === WRONG_PASSWORD || outcome.reason === NO_SUCH_USER;
    return this.challenge(request, guessed ? WRONG_LOGIN : outcome.reason, outcome.stale);
  }

  private basicLogin(request: HttpCredentials, text: string): HttpAuthentication {
    const pair = BASE64.test(text.trim()) ? Buffer.from(text.trim(), 'base64').toString('utf8') : '';
    // RFC 7617 2: the user name has no colon, but here it may be a sip: address.
    const colon = pair.indexOf(':', /^sips?:/i.test(pair) ? pair.indexOf(':') + 1 : 0);
    if (colon < 0) {
      this.note(request, 'the Basic credentials cannot be read', undefined);
      return { kind: 'malformed', reason: 'the Basic credentials cannot be read' };
    }
    const username = pair.slice(0, colon);
    const password = pair.slice(colon + 1);
    let account: Account | undefined;
    // A bare name is looked for in the domain of the document first: an admin of the default domain works in all others too.
    for (const realm of new Set([this.realmOf(request.target), this.domains[0] ?? ''])) {
      account = this.checkPassword(accountAddress(username, realm), password);
      if (account || username.includes('@')) break;
    }
    if (account) return requester(account);
    this.note(request, WRONG_LOGIN, username);
    return this.challenge(request, WRONG_LOGIN, false);
  }

  private checkPassword(address: string | undefined, password: string): Account | undefined {
    const found = address === undefined ? undefined : this.accounts.find(address);
    const account = found && this.domains.includes(found.realm) ? found : undefined;
    // Any of the stored forms proves the password; a user that does not exist is computed for just the same.
    const credential = account?.credentials.find((candidate) => candidate.username === account.address);
    const given = digestHash('SHA-256', wireText(`${account?.address ?? address ?? ''}:${account?.realm ?? ''}:${password}`));
    const equal = timingSafeEqual(Buffer.from(given, 'latin1'), Buffer.from(credential?.ha1['SHA-256'] ?? NO_HASH, 'latin1'));
    return equal ? account : undefined;
  }

  private challenge(request: HttpCredentials, reason: string, stale: boolean): HttpAuthentication {
    const realm = this.realmOf(request.target);
    return {
      kind: 'challenge',
      challenges: [...this.digest.challenges(realm, stale), `Basic realm="${realm}", charset="UTF-8"`],
      reason,
    };
  }

  private note({ method, target, remoteAddress }: HttpCredentials, reason: string, username: string | undefined): void {
    this.log.warn({ method, target: target.slice(0, 500), remoteAddress, username, reason }, 'HTTP login refused');
  }

  /** The domain of the user whose documents are asked for, when it is served here; else the default one. */
  private realmOf(target: string): string {
    if (this.domains.length > 1) {
      const host = /\/users\/[^/?]*(?:@|%40)([^/?]+)/i.exec(target)?.[1]?.toLowerCase();
      if (host !== undefined && this.domains.includes(host)) return host;
    }
    return this.domains[0] ?? 'localhost';
  }
}

const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/;

function requester({ address, admin }: Account): HttpAuthentication {
  return { kind: 'requester', requester: { address, admin } };
}

/**
 * Clients write the target into `uri` as it is in the request line, as a whole URI, or with other characters escaped. All name the
 * same resource when the path and query are equal once unescaped.
 */
function sameHttpTarget(given: string, actual: string): boolean {
  return given === actual || comparable(given) === comparable(actual);
}

function comparable(target: string): string {
  const path = target.replace(/^https?:\/\/[^/?#]*/i, '');
  // Byte by byte, so that a broken escape compares as what it is.
  return path.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
