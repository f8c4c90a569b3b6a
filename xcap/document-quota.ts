import type { Reservation } from './application-usage.ts';
import type { DocumentChange, DocumentKey, DocumentStore, MaybePromise } from './document-store.ts';
import { XcapConflict } from './errors.ts';

/** Users whose documents are counted in memory; the others are counted when they make one. */
const COUNTED_USERS = 10_000;

/** Keeps the documents of one user, of all usages together, below a bound. The global tree, which admins write, has none. */
export class DocumentQuota {
  private readonly store: DocumentStore;
  private readonly auids: readonly string[];
  private readonly most: number;
  private readonly counts = new Map<string, number>();
  /** Documents being made, by user. */
  private readonly underWay = new Map<string, Set<string>>();

  /** @param auids of all usages whose documents are stored */
  constructor(store: DocumentStore, auids: readonly string[], most: number) {
    this.store = store;
    this.auids = auids;
    this.most = most;
    if (most !== Number.POSITIVE_INFINITY) store.onChange((change) => this.follow(change));
  }

  /** Takes room for one document more, until it is stored or the reservation released. Throws XcapConflict when there is none. */
  take(key: DocumentKey): MaybePromise<Reservation | undefined> {
    const { xui } = key;
    if (xui === undefined || this.most === Number.POSITIVE_INFINITY) return undefined;
    const count = this.counts.get(xui) ?? this.count(xui);
    return typeof count === 'number' ? this.reserve(xui, key, count) : count.then((counted) => this.reserve(xui, key, counted));
  }

  private reserve(xui: string, key: DocumentKey, count: number): Reservation {
    const making = this.underWay.get(xui) ?? new Set();
    if (count + making.size >= this.most) {
      throw new XcapConflict('constraint-failure', `a user may have ${this.most} documents, and there are as many`);
    }
    this.underWay.set(xui, making.add(nameOf(key)));
    return { release: () => this.done(xui, key) };
  }

  private done(xui: string, key: DocumentKey): void {
    const making = this.underWay.get(xui);
    if (making?.delete(nameOf(key)) && making.size === 0) this.underWay.delete(xui);
  }

  private count(xui: string): MaybePromise<number> {
    const { store } = this;
    if (store.count) return this.remember(xui, this.auids.reduce((total, auid) => total + (store.count?.(auid, xui) ?? 0), 0)); // biome-ignore format: one line
    const lists = this.auids.map((auid) => this.store.list(auid, xui));
    // What takes a while may be out of date when it is there, and is not kept.
    return Promise.all(lists).then((ready) => ready.reduce((total, list) => total + list.length, 0));
  }

  private remember(xui: string, count: number): number {
    const [oldest] = this.counts.keys();
    if (this.counts.size >= COUNTED_USERS && oldest !== undefined) this.counts.delete(oldest);
    this.counts.set(xui, count);
    return count;
  }

  private follow({ key, previousEtag, newEtag }: DocumentChange): void {
    const { xui } = key;
    if (xui === undefined || (previousEtag === undefined) === (newEtag === undefined)) return;
    const isNew = previousEtag === undefined;
    // From here on it is counted as stored.
    if (isNew) this.done(xui, key);
    const count = this.counts.get(xui);
    if (count !== undefined) this.counts.set(xui, count + (isNew ? 1 : -1));
  }
}

function nameOf({ auid, name }: DocumentKey): string {
  return `${auid}/${name}`;
}
