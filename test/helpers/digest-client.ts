import { createHash, randomBytes } from 'node:crypto';

type Algorithm = 'MD5' | 'SHA-256';

interface Challenge {
  readonly realm: string;
  readonly nonce: string;
  readonly opaque: string | undefined;
  readonly algorithm: Algorithm;
  readonly qop: boolean;
  readonly stale: boolean;
}

/** The client side of digest authentication (RFC 7616, RFC 8760), for SIP and HTTP alike. Keeps the nonce and counts its uses. */
export class DigestClient {
  readonly #user: string;
  readonly #password: string;
  readonly #only: Algorithm | undefined;
  #challenge: Challenge | undefined;
  #count = 0;
  #last: { cnonce: string; nc: string; uri: string } | undefined;

  /** With an algorithm, only challenges for that one are answered; otherwise the first that is understood (RFC 8760 2.4). */
  constructor(user: string, password: string, algorithm?: Algorithm) {
    this.#user = user;
    this.#password = password;
    this.#only = algorithm;
  }

  get challenged(): boolean {
    return this.#challenge !== undefined;
  }

  /** The challenge in use: its nonce, algorithm, and whether the server called the last nonce stale. */
  get challenge(): Challenge | undefined {
    return this.#challenge;
  }

  /** Goes on with another nonce than the server gave, for tests of old nonces. */
  forgeNonce(nonce: string): void {
    if (this.#challenge) this.#challenge = { ...this.#challenge, nonce };
    this.#count = 0;
  }

  /** Uses the last nonce-count once more, for tests of replay. */
  rewind(): void {
    this.#count -= 1;
  }

  /** Takes the WWW-Authenticate values of a 401. Returns false when none can be answered. */
  accept(values: readonly string[]): boolean {
    for (const value of values) {
      const challenge = parseChallenge(value);
      if (!challenge || (this.#only !== undefined && challenge.algorithm !== this.#only)) continue;
      this.#challenge = challenge;
      this.#count = 0;
      return true;
    }
    return false;
  }

  /** The Authorization value for a request; undefined before the first challenge. */
  authorize(method: string, uri: string): string | undefined {
    const challenge = this.#challenge;
    if (!challenge) return undefined;
    const { realm, nonce, algorithm, opaque } = challenge;
    const input = { algorithm, user: this.#user, realm, password: this.#password, method, uri, nonce };
    const fields = [`username="${this.#user}"`, `realm="${realm}"`, `nonce="${nonce}"`, `uri="${uri}"`, `algorithm=${algorithm}`];
    if (challenge.qop) {
      this.#count += 1;
      const nc = this.#count.toString(16).padStart(8, '0');
      const cnonce = randomBytes(8).toString('hex');
      this.#last = { cnonce, nc, uri };
      fields.push(`response="${digestResponse({ ...input, counted: { nc, cnonce } })}"`, 'qop=auth', `nc=${nc}`, `cnonce="${cnonce}"`);
    } else fields.push(`response="${digestResponse(input)}"`);
    if (opaque !== undefined) fields.push(`opaque="${opaque}"`);
    return `Digest ${fields.join(', ')}`;
  }

  /** Follows an Authentication-Info value; returns what is wrong with it, if anything (RFC 7616 3.5). */
  acceptInfo(value: string): string | undefined {
    const fields = parseFields(value);
    const challenge = this.#challenge;
    const last = this.#last;
    const proof = fields.get('rspauth');
    if (challenge && last && proof !== undefined) {
      const { algorithm, realm, nonce } = challenge;
      // RFC 7616 3.5: as in a request, but with no method.
      const input = { algorithm, user: this.#user, realm, password: this.#password, method: '', uri: last.uri, nonce };
      const expected = digestResponse({ ...input, counted: last });
      if (proof !== expected) return `rspauth in Authentication-Info is wrong: ${value}`;
    }
    const next = fields.get('nextnonce');
    if (challenge && next !== undefined) {
      this.#challenge = { ...challenge, nonce: next };
      this.#count = 0;
    }
    return undefined;
  }
}

export interface DigestInput {
  readonly algorithm: Algorithm;
  readonly user: string;
  readonly realm: string;
  readonly password: string;
  readonly method: string;
  readonly uri: string;
  readonly nonce: string;
  /** With qop=auth. */
  readonly counted?: { readonly nc: string; readonly cnonce: string };
}

/** The `response` of RFC 7616 3.4.1, or without a count that of RFC 2069. */
export function digestResponse({ algorithm, user, realm, password, method, uri, nonce, counted }: DigestInput): string {
  const name = algorithm === 'MD5' ? 'md5' : 'sha256';
  const hash = (text: string): string => createHash(name).update(text, 'utf8').digest('hex');
  const middle = counted ? `${nonce}:${counted.nc}:${counted.cnonce}:auth` : nonce;
  return hash(`${hash(`${user}:${realm}:${password}`)}:${middle}:${hash(`${method}:${uri}`)}`);
}

/** The name=value fields after the scheme, by lower-case name, unquoted. */
export function parseFields(value: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const [, name = '', quoted, token] of value.matchAll(/([A-Za-z0-9-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g)) {
    fields.set(name.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? token ?? '');
  }
  return fields;
}

function parseChallenge(value: string): Challenge | undefined {
  if (!/^Digest\s/i.test(value)) return undefined;
  const fields = parseFields(value.replace(/^Digest\s+/i, ''));
  const realm = fields.get('realm');
  const nonce = fields.get('nonce');
  const algorithm = (fields.get('algorithm') ?? 'MD5').toUpperCase();
  if (realm === undefined || nonce === undefined || (algorithm !== 'MD5' && algorithm !== 'SHA-256')) return undefined;
  const qops = (fields.get('qop') ?? '').split(',').map((qop) => qop.trim());
  return {
    realm,
    nonce,
    algorithm,
    opaque: fields.get('opaque'),
    qop: qops.includes('auth'),
    stale: fields.get('stale')?.toLowerCase() === 'true',
  };
}
