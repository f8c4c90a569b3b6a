import { randomInt } from 'node:crypto';
import { hashText } from '../message/text.ts';

/** What a table holds; `hash` and `next` are the table's. */
export interface Keyed<T> {
  readonly key: string;
  hash: number;
  next: T | undefined;
}

const FEWEST_BUCKETS = 256;

/**
 * Transactions by their keys. A Map that small things come into and leave all the time makes itself anew every few of them, and each
 * outgrown table points to the next: one that has grown old keeps all that came after it, with the requests in them, from the young
 * generation's collections. Here what has left is pointed to by nothing.
 */
export class TransactionTable<T extends Keyed<T>> {
  private readonly seed = randomInt(2 ** 31);
  /** A power of two of them; those of one bucket are strung together, the newest first. */
  private buckets: (T | undefined)[] = new Array(FEWEST_BUCKETS).fill(undefined);
  private count = 0;

  get size(): number {
    return this.count;
  }

  get(key: string): T | undefined {
    const hash = hashText(key, this.seed);
    let found = this.buckets[hash & (this.buckets.length - 1)];
    while (found !== undefined && (found.hash !== hash || found.key !== key)) found = found.next;
    return found;
  }

  /** Adds what is not in it yet. */
  add(entry: T): void {
    if (this.count === this.buckets.length) this.grow();
    entry.hash = hashText(entry.key, this.seed);
    this.string(entry);
    this.count++;
  }

  /** Does nothing where there is none. */
  delete(key: string): void {
    const hash = hashText(key, this.seed);
    const bucket = hash & (this.buckets.length - 1);
    let before: T | undefined;
    let found = this.buckets[bucket];
    while (found !== undefined && (found.hash !== hash || found.key !== key)) {
      before = found;
      found = found.next;
    }
    if (found === undefined) return;
    if (before === undefined) this.buckets[bucket] = found.next;
    else before.next = found.next;
    found.next = undefined;
    this.count--;
  }

  private string(entry: T): void {
    const bucket = entry.hash & (this.buckets.length - 1);
    entry.next = this.buckets[bucket];
    this.buckets[bucket] = entry;
  }

  private grow(): void {
    const old = this.buckets;
    this.buckets = new Array(old.length * 2).fill(undefined);
    for (let entry of old) {
      while (entry !== undefined) {
        const { next }: T = entry;
        this.string(entry);
        entry = next;
      }
    }
  }
}
