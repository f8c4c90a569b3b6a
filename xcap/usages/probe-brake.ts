/** Milliseconds after which what was asked is forgotten; how many addresses in use a user is told of in that time, and how many are looked at. */
const PERIOD = 3600_000;
const MOST_REFUSED = 20;
const MOST_ASKED = 10_000;
/** Users who are remembered; the first go first. */
const USERS = 10_000;

/**
 * Bounds what a user can find out about whose addresses there are, by asking for them (RFC 4826 4.4.5 has those that exist refused, and
 * what is not refused is known to be free). Who has been refused too often, or has asked for too many, is not answered for any
 * address, be it free or not.
 */
export class ProbeBrake {
  private readonly known = new Map<string, { asked: number; refused: number; since: number }>();
  private readonly now: () => number;

  constructor(now: () => number = Date.now) {
    this.now = now;
  }

  /** Seconds until the user is answered for so many addresses more; undefined when that is now. */
  heldFor(user: string, addresses: number): number | undefined {
    const known = this.known.get(user);
    if (!known) return undefined;
    const left = known.since + PERIOD - this.now();
    if (left <= 0) this.known.delete(user);
    const isHeld = known.refused >= MOST_REFUSED || known.asked + addresses > MOST_ASKED;
    return left > 0 && isHeld ? Math.ceil(left / 1000) : undefined;
  }

  /** Counts addresses that the user has asked for, and those of them that are in use. */
  asked(user: string, addresses: number, refused: number): void {
    const known = this.known.get(user);
    if (known) {
      known.asked += addresses;
      known.refused += refused;
      return;
    }
    if (this.known.size >= USERS) {
      const [first] = this.known.keys();
      if (first !== undefined) this.known.delete(first);
    }
    this.known.set(user, { asked: addresses, refused, since: this.now() });
  }
}
