import { randomInt } from 'node:crypto';
import { hashText } from '../message/text.ts';

/** What a table holds. `next` is the table's own. */
export interface TableEntry<Self> {
  readonly key: string;
  next: Self | undefined;
}

const FIRST_SIZE = 256;

/**
 * Transactions by their keys: a hash table whose chains go through its entries. It stands in for a Map, which cannot be used for what
 * comes and goes at this rate: when a Map makes room it links the old table to the new one, and once a table has come to be among V8's
 * old objects, the collector takes all later ones, and every transaction that was ever in them, for old too. Moving them there, and
 * finding them dead at last, took a quarter of all the time.
 */
export class TransactionTable<T extends TableEntry<T>> {
  size = 0;
  private readonly seed = randomInt(2 ** 31);
  private chains = newChains<T>(FIRST_SIZE);

  get(key: string): T | undefined {
    let entry = this.chains[this.chainOf(key)];
    while (entry !== undefined && entry.key !== key) entry = entry.next;
    return entry;
  }

  /** For what is in no table, under a key that is not in this one. */
  add(entry: T): void {
    if (this.size === this.chains.length) this.grow();
    const at = this.chainOf(entry.key);
    entry.next = this.chains[at];
    this.chains[at] = entry;
    this.size++;
  }

  /** Does nothing where it is not in the table. */
  delete(entry: T): void {
    const at = this.chainOf(entry.key);
    let before: T | undefined;
    let found = this.chains[at];
    while (found !== undefined && found !== entry) {
      before = found;
      found = found.next;
    }
    if (found === undefined) return;
    if (before === undefined) this.chains[at] = entry.next;
    else before.next = entry.next;
    entry.next = undefined;
    this.size--;
  }

  private chainOf(key: string): number {
    return hashText(key, this.seed) & (this.chains.length - 1);
  }

  private grow(): void {
    const before = this.chains;
    this.chains = newChains(before.length * 2);
    for (const chain of before) {
      for (let entry = chain; entry !== undefined; ) {
        const following = entry.next;
        const at = this.chainOf(entry.key);
        entry.next = this.chains[at];
        this.chains[at] = entry;
        entry = following;
      }
    }
  }
}

function newChains<T>(length: number): (T | undefined)[] {
  return new Array<T | undefined>(length).fill(undefined);
}
