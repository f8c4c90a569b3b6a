/** Milliseconds after which a refusal is forgotten, and how many a user is told of in that time. */
const PERIOD = 3600_000;
const MOST = 20;
/** Users whose refusals are remembered; the first go first. */
const USERS = 10_000;

/**
 * Bounds what a user can find out about whose addresses there are, by asking for them (RFC 4826 4.4.5 has those that exist refused).
 * Who has been refused too often is not answered for any address, be it free or not.
 */
export class ProbeBrake {
  private readonly refusals = new Map<string, { count: number; since: number }>();
  private readonly now: () => number;

  constructor(now: () => number = Date.now) {
    this.now = now;
  }

  /** Seconds until the user is answered again; undefined when that is now. */
  heldFor(user: string): number | undefined {
    const known = this.refusals.get(user);
    if (!known) return undefined;
    const left = known.since + PERIOD - this.now();
    if (left <= 0) this.refusals.delete(user);
    return left > 0 && known.count >= MOST ? Math.ceil(left / 1000) : undefined;
  }

  refused(user: string, addresses: number): void {
    const known = this.refusals.get(user);
    if (known) {
      known.count += addresses;
      return;
    }
    if (this.refusals.size >= USERS) {
      const [first] = this.refusals.keys();
      if (first !== undefined) this.refusals.delete(first);
    }
    this.refusals.set(user, { count: addresses, since: this.now() });
  }
}
