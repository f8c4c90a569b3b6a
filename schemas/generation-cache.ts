/**
 * A bounded cache that forgets what was not used lately, at the price of one map lookup for what is hot.
 *
 * Entries live in a young and an old generation; once the young one weighs half of the bound it becomes the old one, and what was
 * not asked for since then is dropped with the generation before it.
 */
export class GenerationCache<V> {
  private young = new Map<string, V>();
  private old = new Map<string, V>();
  private weight = 0;
  private readonly bound: number;
  private readonly weigh: (value: V) => number;

  /** @param bound the total weight kept, at most (both generations); `weigh` gives the weight of one value, by default 1 */
  constructor(bound: number, weigh: (value: V) => number = () => 1) {
    this.bound = bound;
    this.weigh = weigh;
  }

  get(key: string): V | undefined {
    const value = this.young.get(key);
    if (value !== undefined) return value;
    const aged = this.old.get(key);
    if (aged !== undefined) {
      this.old.delete(key);
      this.set(key, aged);
    }
    return aged;
  }

  set(key: string, value: V): void {
    const weight = this.weigh(value);
    const replaced = this.young.get(key);
    if (replaced !== undefined) this.weight -= this.weigh(replaced);
    if (this.weight + weight > this.bound / 2) {
      this.old = this.young;
      this.young = new Map();
      this.weight = 0;
    }
    if (this.old.size > 0) this.old.delete(key);
    this.young.set(key, value);
    this.weight += weight;
  }

  delete(key: string): void {
    this.young.delete(key);
    this.old.delete(key);
  }

  clear(): void {
    this.young.clear();
    this.old.clear();
    this.weight = 0;
  }
}
