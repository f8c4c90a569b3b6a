/** Remembers for a bounded time that something failed, so that it is not tried first again; forgets the oldest beyond its limit. */
export class FailureMemory {
  private readonly until = new Map<string, number>();
  private readonly limit: number;

  constructor(limit = 10_000) {
    this.limit = limit;
  }

  note(key: string, durationMs: number): void {
    this.until.delete(key);
    for (const oldest of this.until.keys()) {
      if (this.until.size < this.limit) break;
      this.until.delete(oldest);
    }
    this.until.set(key, performance.now() + durationMs);
  }

  has(key: string): boolean {
    if (this.until.size === 0) return false;
    const until = this.until.get(key);
    if (until === undefined) return false;
    if (until > performance.now()) return true;
    this.until.delete(key);
    return false;
  }

  forget(key: string): void {
    this.until.delete(key);
  }
}
