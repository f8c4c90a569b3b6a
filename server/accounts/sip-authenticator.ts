import type { Logger } from 'pino';
import { addressHost, canonicalAddress } from '../../schemas/address.ts';
import type { AuthenticationRequest, AuthenticationResult, Authenticator } from '../../sip/core/authenticator.ts';
import { splitScheme } from './authorization-header.ts';
import type { Digest, DigestOutcome } from './digest.ts';

/** Authenticates SIP requests by digest (RFC 3261 22, RFC 8760). */
export class SipAuthenticator implements Authenticator {
  private readonly digest: Digest;
  private readonly domains: readonly string[];
  private readonly log: Logger;
  private readonly anonymous: boolean;

  /**
   * @param domains the served domains, the default one first: each is a realm
   * @param anonymous may those who give no name ask for what is open to them?
   */
  constructor(digest: Digest, domains: readonly string[], log: Logger, anonymous = false) {
    this.anonymous = anonymous;
    this.digest = digest;
    this.domains = domains;
    this.log = log;
  }

  authenticate(request: AuthenticationRequest): AuthenticationResult {
    let failure: Extract<DigestOutcome, { kind: 'refused' | 'malformed' }> | undefined;
    // A request may carry credentials for several realms and servers (RFC 3261 22.3); one good answer is enough.
    for (const value of request.credentials.slice(0, CREDENTIALS_LIMIT)) {
      const { scheme, rest } = splitScheme(value);
      if (scheme !== 'digest') continue;
      const outcome = this.digest.verify(rest, (realm) => this.domains.includes(realm), {
        method: request.method,
        body: request.body,
        peer: request.remoteAddress,
        anonymous: this.anonymous && request.anonymous === true,
        sameTarget: (uri) => sameSipTarget(uri, request.uri),
      });
      if (outcome.kind === 'user') return { kind: 'user', address: outcome.account.address, admin: outcome.account.admin };
      if (outcome.kind === 'slowed') {
        this.note(request, outcome);
        return outcome;
      }
      if (!failure || (outcome.kind === 'refused' && outcome.stale)) failure = outcome;
    }
    if (failure) this.note(request, failure);
    if (failure?.kind === 'malformed') return failure;
    const challenges = this.challenges(request, failure?.stale ?? false);
    return { kind: 'challenge', challenges, reason: failure?.reason ?? 'no credentials' };
  }

  private note({ method, remoteAddress }: AuthenticationRequest, failure: Exclude<DigestOutcome, { kind: 'user' }>): void {
    const username = failure.kind === 'malformed' ? undefined : failure.username;
    // What is slowed comes in floods.
    const level = failure.kind === 'slowed' || (failure.kind === 'refused' && failure.stale) ? 'debug' : 'warn';
    this.log[level]({ method, remoteAddress, username, reason: failure.reason }, 'SIP login refused');
  }

  /**
   * Who is from one of our domains has a password there, whomever the request is for; of others the Request-URI has to say. Who hides and
   * asks for somebody elsewhere may be anybody's, and chooses (RFC 3261 22.3).
   */
  private challenges({ from, uri }: AuthenticationRequest, stale: boolean): readonly string[] {
    for (const one of [from, uri]) {
      const host = addressHost(canonicalAddress(one));
      if (host !== undefined && this.domains.includes(host)) return this.digest.challenges(host, stale);
    }
    return this.domains.slice(0, CHALLENGES_LIMIT).flatMap((domain) => this.digest.challenges(domain, stale));
  }
}

/** Realms that one response asks for: it has to go into a datagram. */
const CHALLENGES_LIMIT = 3;

/** Enough for every realm that a client knows; a header full of credentials must not become work. */
const CREDENTIALS_LIMIT = 8;

/**
 * Equal, or the same user at the same host: ports and parameters are changed on the way by proxies and added by agents to one of the two
 * (RFC 3261 22.4 point 3 lets a server judge by what it knows of its clients).
 */
function sameSipTarget(given: string, actual: string): boolean {
  return given === actual || canonicalAddress(given) === canonicalAddress(actual);
}
