import type { EventPackage } from './event-package.ts';
import { ResourceTable } from './resource-table.ts';
import { Subscription } from './subscription.ts';
import type { WatchBase } from './watch.ts';

const NOBODY: ReadonlySet<WatchBase> = new Set();

/** All watches, by what they watch; counted by watcher; subscriptions also by their dialog. */
export class WatchIndex {
  private readonly byResource = new ResourceTable<Set<WatchBase>>();
  private readonly byDialog = new Map<string, Subscription>();
  private readonly perWatcher = new Map<string, number>();
  private readonly perSource = new Map<string, number>();

  add(watch: WatchBase): void {
    const { eventPackage, resource } = watch;
    const watches = this.byResource.get(eventPackage.key, resource);
    if (watches) watches.add(watch);
    else this.byResource.set(eventPackage.key, resource, new Set([watch]));
    if (watch instanceof Subscription) this.byDialog.set(watch.dialog.id, watch);
    count(this.perWatcher, watch.watcher, 1);
    if (watch.source !== undefined) count(this.perSource, watch.source, 1);
  }

  remove(watch: WatchBase): void {
    const { eventPackage, resource } = watch;
    const watches = this.byResource.get(eventPackage.key, resource);
    if (!watches?.delete(watch)) return;
    if (watches.size === 0) this.byResource.delete(eventPackage.key, resource);
    if (watch instanceof Subscription) this.byDialog.delete(watch.dialog.id);
    count(this.perWatcher, watch.watcher, -1);
    if (watch.source !== undefined) count(this.perSource, watch.source, -1);
  }

  of(packageKey: EventPackage['key'], resource: string): ReadonlySet<WatchBase> {
    return this.byResource.get(packageKey, resource) ?? NOBODY;
  }

  /** The subscription of a dialog, by `Dialog.id`. */
  inDialog(dialogId: string): Subscription | undefined {
    return this.byDialog.get(dialogId);
  }

  /** Subscriptions that a watcher (canonical address) holds, members of its lists included: each takes as much memory. */
  countOf(watcher: string): number {
    return this.perWatcher.get(watcher) ?? 0;
  }

  /** Those that came from a textual address without anything to say whose they are. */
  countFrom(source: string): number {
    return this.perSource.get(source) ?? 0;
  }

  *all(): Iterable<WatchBase> {
    for (const watches of this.byResource.values()) yield* watches;
  }

  /** What there is, by kind: `members` are those of lists, `resources` what all of them watch. */
  get counts() {
    let watches = 0;
    for (const held of this.perWatcher.values()) watches += held;
    return { subscriptions: this.size, listMembers: watches - this.size, watchedResources: this.byResource.size };
  }

  /** Number of subscriptions. */
  get size(): number {
    return this.byDialog.size;
  }

  /** All subscriptions, for those who administer. */
  subscriptions(): IterableIterator<Subscription> {
    return this.byDialog.values();
  }
}

function count(counts: Map<string, number>, key: string, change: number): void {
  const next = (counts.get(key) ?? 0) + change;
  if (next > 0) counts.set(key, next);
  else counts.delete(key);
}
