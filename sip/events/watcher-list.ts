/**
 * Who watches a resource, and how each of them stands (RFC 3857 4.7): the state behind watcher information.
 * Every change gets a revision, so that a reader that remembers one can be told just what came after it.
 */
import type { StateStore, StateTable } from '../core/state-store.ts';
import type { Timer, TimerWheel } from '../transport/timer-wheel.ts';
import type { SubHandling } from './event-package.ts';
import { ResourceTable } from './resource-table.ts';
import { decided, type WatcherEvent, type WatcherStatus } from './watcher-state.ts';

/** Who watches. */
interface Watcher {
  readonly id: string;
  /** Canonical address. */
  readonly watcher: string;
  /** As in `Watch`. */
  readonly aliases?: readonly string[] | undefined;
  readonly displayName: string | undefined;
  /** Milliseconds since the epoch. */
  readonly since: number;
}

export interface WatcherReport extends Watcher {
  readonly packageName: string;
  readonly resource: string;
  readonly status: WatcherStatus;
  readonly event: WatcherEvent;
  /** The watch itself while it lasts: when it ends, in milliseconds since the epoch, moves with every refresh. */
  readonly lasting: (Watcher & { readonly endsAt: number | undefined }) | undefined;
}

/** How a watcher stands. There is one for each subscription, which says who that is as long as it lasts. */
export class WatcherEntry {
  readonly status: WatcherStatus;
  readonly event: WatcherEvent;
  readonly lasting: WatcherReport['lasting'];
  /** The revision that made it what it is, and the one in which it came up. */
  readonly revision: number;
  readonly created: number;
  private readonly who: Watcher;

  constructor({ id, watcher, aliases, displayName, since, status, event, lasting }: WatcherReport, revision: number, created: number) {
    this.status = status;
    this.event = event;
    this.lasting = lasting;
    this.revision = revision;
    this.created = created;
    this.who = lasting ?? { id, watcher, aliases, displayName, since };
  }

  get id(): string {
    return this.who.id;
  }

  get watcher(): string {
    return this.who.watcher;
  }

  get aliases(): readonly string[] | undefined {
    return this.who.aliases;
  }

  get displayName(): string | undefined {
    return this.who.displayName;
  }

  get since(): number {
    return this.who.since;
  }
}

export interface WatcherListOptions {
  readonly state: StateStore;
  readonly wheel: TimerWheel;
  /** How long a watcher that nobody decided about is remembered, in milliseconds. */
  readonly waitingTime: number;
  /** Undecided watchers remembered for one resource; the oldest give way (RFC 3857 4.7.1 on denial of service). */
  readonly waitingLimit: number;
  readonly now: () => number;
}

/** Entries of the past that are kept among the recent ones before these are cleared of them. */
const SPARE = 16;

class WatcherList {
  readonly entries = new Map<string, WatcherEntry>();
  /** By their revisions; one that is not the watcher's entry any more is of the past. */
  private recent: WatcherEntry[] = [];
  /** Identifiers of the entries in these states, longest in it first. */
  readonly waiting = new Set<string>();
  readonly terminated = new Set<string>();

  /** @param before the watcher's entry until now */
  set(entry: WatcherEntry, before: WatcherEntry | undefined): void {
    const { id, status } = entry;
    // Most are new: there is nothing of theirs to be removed.
    if (before) {
      this.waiting.delete(id);
      this.terminated.delete(id);
      // Later changes go to the end, so that entries stand in the order of their revisions.
      this.entries.delete(id);
    }
    if (status === 'waiting') this.waiting.add(id);
    if (status === 'terminated') this.terminated.add(id);
    this.entries.set(id, entry);
    this.recent.push(entry);
    if (this.recent.length > 2 * this.entries.size + SPARE) this.recent = [...this.entries.values()];
  }

  /** What changed after the revision: read from the end, so that a few changes among many watchers are found at once. */
  since(revision: number): WatcherEntry[] {
    let from = this.recent.length;
    while (from > 0 && (this.recent[from - 1]?.revision ?? 0) > revision) from--;
    return this.recent.slice(from).filter((entry) => this.entries.get(entry.id) === entry);
  }

  waitingEntries(): WatcherEntry[] {
    return [...this.waiting].flatMap((id) => this.entries.get(id) ?? []);
  }
}

type WaitingRecord = Omit<WatcherReport, 'status' | 'event' | 'lasting'> & { readonly until: number };

export class WatcherLists {
  private readonly lists = new ResourceTable<WatcherList>();
  private readonly waiting: StateTable<WaitingRecord>;
  /** Ends the time of each waiting watcher, by its identifier. */
  private readonly timers = new Map<string, Timer>();
  private readonly options: WatcherListOptions;
  private revision = 0;
  private listener: (packageName: string, resource: string) => void = () => {};

  constructor(options: WatcherListOptions) {
    this.options = options;
    this.waiting = options.state.table('waiting-watchers');
  }

  /** Number of watchers, waiting and terminated ones too. */
  get size(): number {
    let size = 0;
    for (const { entries } of this.lists.values()) size += entries.size;
    return size;
  }

  /** Told after every change of a list. */
  onChange(listener: (packageName: string, resource: string) => void): void {
    this.listener = listener;
  }

  /** Brings back the waiting watchers of an earlier run. */
  restore(): void {
    const now = this.options.now();
    for (const [id, { until, ...rest }] of this.waiting.load()) {
      if (until <= now) this.waiting.delete(id);
      else this.set({ ...rest, lasting: undefined, status: 'waiting', event: 'timeout' }, until);
    }
  }

  report(report: WatcherReport): void {
    const { packageName, resource } = report;
    if (report.status === 'waiting' || report.event === 'subscribe') this.supersede(report, this.lists.get(packageName, resource));
    this.set(report, report.status === 'waiting' ? this.options.now() + this.options.waitingTime : undefined);
    this.listener(report.packageName, report.resource);
  }

  private set(report: WatcherReport, waitingUntil: number | undefined): void {
    const { packageName, resource, id, watcher, aliases, displayName, since } = report;
    let list = this.lists.get(packageName, resource);
    if (!list) this.lists.set(packageName, resource, (list = new WatcherList()));
    const revision = ++this.revision;
    const before = list.entries.get(id);
    list.set(new WatcherEntry(report, revision, before?.created ?? revision), before);
    if (this.timers.size > 0) this.stopWaiting(id);
    if (waitingUntil !== undefined) {
      this.waiting.put(id, { packageName, resource, id, watcher, aliases, displayName, since, until: waitingUntil });
      this.timers.set(
        id,
        this.options.wheel.schedule(waitingUntil - this.options.now(), () => this.giveUp(packageName, resource, id)),
      );
      this.limitWaiting(packageName, resource, list);
    }
  }

  /** RFC 3857 4.7.1: a new subscription of the same watcher makes its waiting one redundant. */
  private supersede({ packageName, resource, id, watcher }: WatcherReport, list: WatcherList | undefined): void {
    if (!list || list.waiting.size === 0) return;
    for (const entry of list.waitingEntries()) {
      if (entry.watcher === watcher && entry.id !== id) this.endWaiting(packageName, resource, entry, 'giveup');
    }
  }

  private limitWaiting(packageName: string, resource: string, list: WatcherList): void {
    const excess = list.waiting.size - this.options.waitingLimit;
    if (excess <= 0) return;
    for (const entry of list.waitingEntries().slice(0, excess)) {
      this.endWaiting(packageName, resource, entry, 'giveup');
    }
  }

  private giveUp(packageName: string, resource: string, id: string): void {
    const entry = this.lists.get(packageName, resource)?.entries.get(id);
    if (entry?.status !== 'waiting') return;
    this.endWaiting(packageName, resource, entry, 'giveup');
    this.listener(packageName, resource);
  }

  private endWaiting(packageName: string, resource: string, entry: WatcherEntry, event: WatcherEvent): void {
    const { id, watcher, aliases, displayName, since } = entry;
    this.set(
      { packageName, resource, id, watcher, aliases, displayName, since, status: 'terminated', event, lasting: undefined },
      undefined,
    );
  }

  /** Neither timer nor record outlives the waiting: a watcher may come and go many times before its week is over. */
  private stopWaiting(id: string): void {
    const timer = this.timers.get(id);
    if (!timer) return;
    this.options.wheel.cancel(timer);
    this.timers.delete(id);
    this.waiting.delete(id);
  }

  /** Decides about those who wait, when the presentity's policy has changed. */
  decideWaiting(
    packageName: string,
    resource: string,
    decide: (watcher: string, aliases: readonly string[] | undefined) => SubHandling,
  ): void {
    const list = this.lists.get(packageName, resource);
    if (!list) return;
    let changed = false;
    for (const entry of list.waitingEntries()) {
      const transition = decided('waiting', decide(entry.watcher, entry.aliases));
      if (!transition) continue;
      this.endWaiting(packageName, resource, entry, transition.event);
      changed = true;
    }
    if (changed) this.listener(packageName, resource);
  }

  hasWaiting(packageName: string, resource: string): boolean {
    return (this.lists.get(packageName, resource)?.waiting.size ?? 0) > 0;
  }

  /** The newest revision of all lists. */
  get latest(): number {
    return this.revision;
  }

  /** All that changed after the revision, oldest change first, terminated watchers included as long as `forget` has not been called for them. */
  since(packageName: string, resource: string, revision: number): WatcherEntry[] {
    return this.lists.get(packageName, resource)?.since(revision) ?? [];
  }

  /** Drops the terminated watchers that every reader has been told of: those up to the revision. */
  forget(packageName: string, resource: string, revision: number): void {
    const list = this.lists.get(packageName, resource);
    if (!list) return;
    for (const id of list.terminated) {
      const entry = list.entries.get(id);
      if (entry && entry.revision > revision) break;
      list.entries.delete(id);
      list.terminated.delete(id);
    }
    if (list.entries.size === 0) this.lists.delete(packageName, resource);
  }
}
