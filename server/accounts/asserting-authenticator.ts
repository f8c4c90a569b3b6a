import type { Logger } from 'pino';
import { canonicalAddress } from '../../schemas/address.ts';
import type { HttpAuthentication, HttpAuthenticator, HttpCredentials } from '../../xcap/access.ts';
import type { Account } from './account-store.ts';

export interface AssertingOptions {
  /** Authenticates all requests that bring no identity with them, or come from elsewhere. */
  readonly inner: HttpAuthenticator;
  /** Whether the peer's address is that of a proxy which has authenticated the user. */
  readonly isTrusted: (peer: string) => boolean;
  /** The canonical address of the account that an identity names, as `XuiDirectory.resolveXui`. */
  readonly resolve: (identity: string) => string | undefined;
  readonly findAccount: (address: string) => Account | undefined;
  readonly log: Logger;
}

/** 3GPP TS 24.109 and OMA XDM: both carry the public identities of the user, each in quotes. */
const HEADERS = ['x-3gpp-asserted-identity', 'x-xcap-asserted-identity'];
const LONGEST_VALUE = 4096;
const MOST_IDENTITIES = 16;
/** One identity, in quotes as 3GPP TS 24.109 has it or without, and the comma behind it. */
const IDENTITY = /\s*(?:"([^"]*)"|<([^>]*)>|([^\s",<>]+))\s*(?:,\s*|$)/y;
const ADDRESS = /^(?:sips?|tel|pres|im):[^\s"<>]+$/i;

/**
 * Believes who a trusted proxy says the user is (3GPP TS 33.222, TS 24.109). The connection's own peer address decides: what a header
 * field says of where a request came from is anyone's to write. From everyone else the identities are not looked at.
 */
export class AssertingHttpAuthenticator implements HttpAuthenticator {
  private readonly options: AssertingOptions;

  constructor(options: AssertingOptions) {
    this.options = options;
  }

  authenticate(request: HttpCredentials): HttpAuthentication {
    const { inner, isTrusted, findAccount, log } = this.options;
    if (!request.fields || !isTrusted(request.remoteAddress)) return inner.authenticate(request);
    const given = HEADERS.map((name) => request.fields?.(name) ?? []).filter((lines) => lines.length > 0);
    const [lines] = given;
    if (!lines) return inner.authenticate(request);
    // A proxy that adds its own field must have removed what the client wrote into one.
    const identities = given.length === 1 && lines.length === 1 ? this.read(lines[0] ?? '') : undefined;
    if (!identities) {
      log.warn({ remoteAddress: request.remoteAddress, fields: given.flat().length }, 'asserted identity refused');
      return { kind: 'malformed', reason: 'there must be one asserted identity, in one header field' };
    }
    // One user may have several: that of the documents asked for, then the first that is known here.
    const address = identities.find((identity) => identity === request.owner) ?? identities.find(findAccount) ?? identities[0] ?? '';
    return { kind: 'requester', requester: { address, admin: findAccount(address)?.admin ?? false } };
  }

  /** Canonical addresses; undefined when the field holds none, or what is none. */
  private read(value: string): string[] | undefined {
    if (value.length > LONGEST_VALUE) return undefined;
    const addresses: string[] = [];
    IDENTITY.lastIndex = 0;
    while (IDENTITY.lastIndex < value.length) {
      const [, quoted, bracketed, bare] = IDENTITY.exec(value) ?? [];
      const identity = quoted ?? bracketed ?? bare;
      if (identity === undefined || addresses.length === MOST_IDENTITIES || !ADDRESS.test(identity)) return undefined;
      addresses.push(this.options.resolve(identity) ?? canonicalAddress(identity));
    }
    return addresses.length > 0 ? addresses : undefined;
  }
}
