import { GenerationCache } from '../../schemas/generation-cache.ts';

/** What one address may fail at one account: so many at once, then one more per interval (milliseconds). */
const PAIR = { capacity: 10, interval: 10_000 };
/** The same while the account is under attack, for addresses from which nobody has logged in to it: a new address has one attempt. */
const PAIR_UNDER_ATTACK = { capacity: 1, interval: 60_000 };
/** What one address may fail at all accounts together. */
const ADDRESS = { capacity: 30, interval: 2000 };
/** An account at which all addresses together fail more is under attack. */
const ACCOUNT = { capacity: 100, interval: 10_000 };
/** Addresses, accounts and pairs of them that are remembered, each. */
const REMEMBERED = 50_000;
const LONGEST_NAME = 300;

interface Rate {
  readonly capacity: number;
  readonly interval: number;
}

/** Failures that have not drained away yet. */
interface Bucket {
  level: number;
  /** When the level was that, in milliseconds. */
  at: number;
}

/**
 * Slows the guessing of passwords. Past its allowance an address is told to come back later, and its credentials are not looked at, so
 * that neither many connections nor the time of the answer help who guesses. Names are counted as they are claimed, whether there is such
 * an account or not. No number of failures elsewhere keeps an honest user out: what others fail at an account takes from an address at
 * most all but its first attempt, and from one where the user has logged in before nothing at all.
 */
export class LoginBrake {
  private readonly clock: () => number;
  private readonly isShared: (peer: string) => boolean;
  private readonly pairs: GenerationCache<Bucket>;
  private readonly addresses: GenerationCache<Bucket>;
  private readonly accounts: GenerationCache<Bucket>;
  private readonly known: GenerationCache<true>;
  /** Until the first failure there is nothing to look up. */
  private idle = true;

  /**
   * @param isShared whether an address is one behind which all users may be, such as a proxy's: then only its pairs count
   * @param clock milliseconds, and `remembered` entries of each kind: for tests
   */
  constructor(isShared: (peer: string) => boolean = () => false, clock: () => number = Date.now, remembered: number = REMEMBERED) {
    this.isShared = isShared;
    this.clock = clock;
    this.pairs = new GenerationCache(remembered);
    this.addresses = new GenerationCache(remembered);
    this.accounts = new GenerationCache(remembered);
    this.known = new GenerationCache(remembered);
  }

  /**
   * Whole seconds until credentials will be looked at again; 0 for at once.
   * @param peer textual IP address
   * @param account the name claimed, the same for all its spellings
   */
  delay(peer: string, account: string): number {
    if (this.idle) return 0;
    const now = this.clock();
    const address = addressKey(peer);
    const name = account.slice(0, LONGEST_NAME);
    const pair = pairKey(address, name);
    const isKnown = this.known.get(pair) !== undefined;
    let wait = waitOf(this.pairs.get(pair), this.pairRate(isKnown, name, now), now);
    if (!isKnown && !this.isShared(peer)) wait = Math.max(wait, waitOf(this.addresses.get(address), ADDRESS, now));
    return Math.ceil(wait / 1000);
  }

  /** Counts a wrong password or name. */
  failed(peer: string, account: string): void {
    this.idle = false;
    const now = this.clock();
    const address = addressKey(peer);
    // Cut from a request, it would keep the whole of its header fields in memory.
    const name = Buffer.from(account.slice(0, LONGEST_NAME), 'utf8').toString('utf8');
    const pair = pairKey(address, name);
    fill(this.pairs, pair, this.pairRate(this.known.get(pair) !== undefined, name, now), now);
    fill(this.addresses, address, ADDRESS, now);
    fill(this.accounts, name, ACCOUNT, now);
  }

  /** Remembers from where the owner of an account logs in. */
  succeeded(peer: string, account: string): void {
    const pair = pairKey(addressKey(peer), account.slice(0, LONGEST_NAME));
    if (this.known.get(pair) === undefined) this.known.set(pair, true);
  }

  private pairRate(isKnown: boolean, account: string, now: number): Rate {
    return isKnown || levelOf(this.accounts.get(account), ACCOUNT, now) <= ACCOUNT.capacity ? PAIR : PAIR_UNDER_ATTACK;
  }
}

function levelOf(bucket: Bucket | undefined, { interval }: Rate, now: number): number {
  return bucket ? Math.max(0, bucket.level - Math.max(0, now - bucket.at) / interval) : 0;
}

function waitOf(bucket: Bucket | undefined, rate: Rate, now: number): number {
  return Math.max(0, levelOf(bucket, rate, now) + 1 - rate.capacity) * rate.interval;
}

function fill(buckets: GenerationCache<Bucket>, key: string, rate: Rate, now: number): void {
  const bucket = buckets.get(key);
  // Bounded, so that what an attack has filled drains away in a bounded time.
  const level = Math.min(levelOf(bucket, rate, now) + 1, 2 * rate.capacity);
  if (!bucket) buckets.set(key, { level, at: now });
  else {
    bucket.level = level;
    bucket.at = now;
  }
}

function pairKey(address: string, account: string): string {
  return `${address} ${account}`;
}

/** The address, or of an IPv6 address the /64 it is in: its owner has all of them. */
function addressKey(peer: string): string {
  if (!peer.includes(':')) return peer;
  if (/^::ffff:[\d.]+$/i.test(peer)) return peer.slice('::ffff:'.length);
  const [head = '', tail] = peer.toLowerCase().split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  return [...before, ...Array.from({ length: zeros }, () => '0'), ...after].slice(0, 4).join(':');
}
