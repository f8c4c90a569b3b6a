const WINDOW_MS = 60_000;
const MAX_SOURCES = 1000;

interface Repeats {
  readonly since: number;
  count: number;
}

/** Keeps a flood out of the log: of the same thing from the same source one line a minute, which tells how often it came before. */
export class ShutOutLog {
  private readonly write: (fields: Record<string, unknown>, message: string) => void;
  private readonly now: () => number;
  private readonly seen = new Map<string, Repeats>();

  constructor(write: (fields: Record<string, unknown>, message: string) => void, now: () => number = Date.now) {
    this.write = write;
    this.now = now;
  }

  /** @param fields besides the source: what the line tells of this one case */
  tell(message: string, source: string, fields: Record<string, unknown> = {}): void {
    const now = this.now();
    const own = `${message} ${source}`;
    // With very many sources only what happened counts.
    const key = this.seen.has(own) || this.seen.size < MAX_SOURCES ? own : message;
    const before = this.seen.get(key);
    if (before !== undefined && now - before.since < WINDOW_MS) {
      before.count++;
      return;
    }
    if (this.seen.size >= MAX_SOURCES) this.forget(now);
    this.seen.delete(key);
    this.seen.set(key, { since: now, count: 0 });
    const repeats = before?.count ?? 0;
    this.write({ source, ...fields, ...(repeats > 0 ? { repeats } : {}) }, message);
  }

  /** Those at the front are the oldest. */
  private forget(now: number): void {
    for (const [key, { since }] of this.seen) {
      if (now - since < WINDOW_MS) return;
      this.seen.delete(key);
    }
  }
}
