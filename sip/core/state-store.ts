/**
 * Where bindings, publications, subscriptions and waiting watchers outlive the process.
 * Their owners keep the working set in memory; this port is written behind and read once, at start.
 * Every adapter runs the suite in `test/contract/state-store.ts`.
 */
export interface StateStore {
  /** The table of that name, made on first use. Records must be plain JSON values. */
  table<T>(name: string): StateTable<T>;
  /**
   * Calls back once everything put or deleted before this call would survive the death of the process:
   * at once (before returning) when nothing is outstanding, else after the batch of this turn of the event loop has committed.
   */
  afterCommit(callback: () => void): void;
}

export interface StateTable<T> {
  /** All records, in no particular order. */
  load(): Iterable<readonly [id: string, record: T]>;
  put(id: string, record: T): void;
  delete(id: string): void;
}
