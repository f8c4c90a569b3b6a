/**
 * Values made from documents, by entity tag: an entity tag never stands for other content, so nothing here grows stale.
 * Bounded by the size of the documents; what was not asked for lately goes first, a generation at a time.
 */
export class EtagCache<V> {
  private young = new Map<string, V>();
  private old = new Map<string, V>();
  private size = 0;
  private readonly bound: number;

  /** @param bound how many characters of document text the values may come from, about */
  constructor(bound: number) {
    this.bound = bound;
  }

  get(etag: string): V | undefined {
    return this.young.get(etag) ?? this.revive(etag);
  }

  private revive(etag: string): V | undefined {
    const value = this.old.get(etag);
    if (value !== undefined) this.young.set(etag, value);
    return value;
  }

  /** @param characters length of the document the value comes from */
  set(etag: string, value: V, characters: number): void {
    if (this.size + characters > this.bound / 2) {
      this.old = this.young;
      this.young = new Map();
      this.size = 0;
    }
    this.young.set(etag, value);
    this.size += characters + ENTRY_OVERHEAD;
  }

  /** For a document that is no more: what is kept of it would only be in the way. */
  delete(etag: string): void {
    this.young.delete(etag);
    this.old.delete(etag);
  }
}

const ENTRY_OVERHEAD = 200;
