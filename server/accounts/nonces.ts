import { hash, randomBytes, randomFillSync, timingSafeEqual } from 'node:crypto';
import { detach } from '../../sip/message/text.ts';

/** How long a nonce may be used with a rising nonce count, in milliseconds. */
export const NONCE_LIFETIME = 30 * 60_000;
/** How long one may be used by a client that does not count (RFC 2069), whose requests can be replayed as long. */
export const UNCOUNTED_LIFETIME = 60_000;
/** A clock set back must not make nonces live longer than this beyond their time. */
const CLOCK_TOLERANCE = 60_000;

/** 6 bytes time, 6 bytes randomness, 12 bytes MAC; as base64url, in which 12 bytes take 16 characters, without a rest. */
const TIME_BYTES = 6;
const SIGNED_BYTES = 12;
const RANDOM_BYTES = SIGNED_BYTES - TIME_BYTES;
const SIGNED_CHARACTERS = 16;
const NONCE_CHARACTERS = 32;
const SECRET_BYTES = 32;

/** Nonces in use whose counts are remembered, in each of two generations. */
const GENERATION = 50_000;

interface Use {
  readonly issued: number;
  /** Whose good credentials used it first. */
  readonly user: string;
  /** The highest nonce count seen. */
  highest: number;
  /** Bit i is set when the count `highest - i` was seen: requests overtake one another on their way. */
  seen: number;
}

/** What a nonce is worth: unknown ones were not made here, or before this process started. */
export type NonceState = 'valid' | 'expired' | 'unknown';

/**
 * Makes and judges digest nonces. A nonce says itself when it was made and that it was made here, so nothing is kept for the many that
 * are never answered; only for those that good credentials have used, the counts seen are. Those counts end with the process, and so does
 * the secret: a nonce of before cannot be told from a replay, and clients that are told `stale` go on with a new one by themselves.
 */
export class Nonces {
  /** The secret, and behind it what is signed. */
  private readonly signing: Buffer;
  /** Two MACs. */
  private readonly compared = Buffer.alloc(NONCE_CHARACTERS);
  private readonly random = Buffer.alloc(512 * RANDOM_BYTES);
  private randomUsed = this.random.length;
  private readonly clock: () => number;
  private readonly generation: number;
  private recent = new Map<string, Use>();
  private older = new Map<string, Use>();
  /** The latest time of issue among nonces whose counts were forgotten: without them no replay could be told. */
  private forgottenUntil = 0;
  private soughtNonce = '';
  private soughtUse: Use | undefined;
  private judged = '';
  private judgedTime: number | undefined;

  /** The parameters are for tests. */
  constructor(clock: () => number = Date.now, generation: number = GENERATION) {
    this.signing = Buffer.concat([randomBytes(SECRET_BYTES), Buffer.alloc(SIGNED_BYTES)]);
    this.clock = clock;
    this.generation = generation;
  }

  issue(): string {
    const { signing } = this;
    if (this.randomUsed === this.random.length) {
      randomFillSync(this.random);
      this.randomUsed = 0;
    }
    signing.writeUIntBE(this.clock(), SECRET_BYTES, TIME_BYTES);
    this.random.copy(signing, SECRET_BYTES + TIME_BYTES, this.randomUsed, (this.randomUsed += RANDOM_BYTES));
    return signing.toString('base64url', SECRET_BYTES) + this.sign();
  }

  state(nonce: string): NonceState {
    const use = this.useOf(nonce);
    const issued = use?.issued ?? this.issueTime(nonce);
    if (issued === undefined) return 'unknown';
    const age = this.clock() - issued;
    if (age > NONCE_LIFETIME || age < -CLOCK_TOLERANCE) return 'expired';
    return use || issued > this.forgottenUntil ? 'valid' : 'expired';
  }

  /** May a valid nonce still be used without a count? */
  youngEnoughUncounted(nonce: string): boolean {
    const issued = this.issueTime(nonce);
    return issued !== undefined && this.clock() - issued <= UNCOUNTED_LIFETIME;
  }

  /** Has this user logged in with the nonce? */
  isUsedBy(nonce: string, user: string): boolean {
    return this.useOf(nonce)?.user === user;
  }

  /**
   * Notes that good credentials used a valid nonce with this count; false when that count was used before, or is so far behind the
   * highest one that it cannot be told (RFC 7616 5.4: a repeated count is a replay).
   */
  use(nonce: string, count: number, user = ''): boolean {
    const use = this.useOf(nonce);
    if (!use) {
      const issued = this.issueTime(nonce);
      if (issued === undefined) return false;
      this.remember(detach(nonce), { issued, user: detach(user), highest: count, seen: 1 });
      return true;
    }
    if (count > use.highest) {
      const ahead = count - use.highest;
      use.seen = ahead > 31 ? 1 : ((use.seen << ahead) | 1) >>> 0;
      use.highest = count;
      this.remember(nonce, use);
      return true;
    }
    const behind = use.highest - count;
    const bit = (1 << behind) >>> 0;
    if (behind > 31 || (use.seen & bit) !== 0) return false;
    use.seen = (use.seen | bit) >>> 0;
    return true;
  }

  /** What is known of a nonce's use; one nonce is asked about several times in a row. */
  private useOf(nonce: string): Use | undefined {
    if (nonce !== this.soughtNonce) {
      this.soughtUse = this.recent.get(nonce) ?? this.older.get(nonce);
      this.soughtNonce = nonce;
    }
    return this.soughtUse;
  }

  private remember(nonce: string, use: Use): void {
    if (this.recent.size >= this.generation && !this.recent.has(nonce)) {
      for (const [dropped, { issued }] of this.older) {
        if (!this.recent.has(dropped)) this.forgottenUntil = Math.max(this.forgottenUntil, issued);
      }
      this.older = this.recent;
      this.recent = new Map();
    }
    this.recent.set(nonce, use);
    this.soughtNonce = nonce;
    this.soughtUse = use;
  }

  /** When the nonce was issued, or undefined when it was not issued here. */
  private issueTime(nonce: string): number | undefined {
    // One nonce is asked about several times in a row.
    if (nonce !== this.judged) {
      this.judgedTime = this.readTime(nonce);
      this.judged = nonce;
    }
    return this.judgedTime;
  }

  private readTime(nonce: string): number | undefined {
    const { signing, compared } = this;
    if (nonce.length !== NONCE_CHARACTERS || !BASE64URL.test(nonce)) return undefined;
    signing.write(nonce.slice(0, SIGNED_CHARACTERS), SECRET_BYTES, 'base64url');
    compared.write(this.sign() + nonce.slice(SIGNED_CHARACTERS), 'latin1');
    const same = timingSafeEqual(compared.subarray(0, SIGNED_CHARACTERS), compared.subarray(SIGNED_CHARACTERS));
    return same ? signing.readUIntBE(SECRET_BYTES, TIME_BYTES) : undefined;
  }

  /** The MAC of what is signed. That has one length and the hash is cut short, so a plain hash behind the secret cannot be extended. */
  private sign(): string {
    return hash('sha256', this.signing, 'base64url').slice(0, SIGNED_CHARACTERS);
  }
}

const BASE64URL = /^[\w-]+$/;
