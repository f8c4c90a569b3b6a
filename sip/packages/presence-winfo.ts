/** The event template winfo (RFC 3857, RFC 3858): who watches a user, told to that user; by a setting every other watcher is told of itself alone. */
import { WATCHERINFO_TYPE, writeWatcherinfo } from '../../schemas/watcherinfo.ts';
import type { Decision, EventPackage, Watch } from '../events/event-package.ts';
import type { WatcherEntry, WatcherLists } from '../events/watcher-list.ts';

const OWNER: Decision = { handling: 'allow', view: 'all', because: 'their own watcher information' };
const STRANGER: Decision = { handling: 'block', view: '', because: 'watcher information is for the user alone' };

export interface WatcherinfoOptions {
  readonly lists: WatcherLists;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** As in `EventPackage`. */
  readonly interval: number;
  /** May every watcher monitor its own subscription (RFC 3857 4.6)? Otherwise a user's watcher information is for the user alone. */
  readonly ownShown: boolean;
}

const NAMES = new Map<string, string>();

/** The name of the package that tells of the watchers of another: one string for all times that it is asked for. */
export function watcherinfoOf(watched: string): string {
  let name = NAMES.get(watched);
  if (name === undefined) NAMES.set(watched, (name = `${watched}.winfo`));
  return name;
}

/** The template applied to a package, and to what comes of that (RFC 3857 4.6). */
export function watcherinfoPackages(watched: EventPackage, options: WatcherinfoOptions): EventPackage[] {
  const once = watcherinfoPackage(watched, options);
  return [once, watcherinfoPackage(once, options)];
}

/** `watched` is the package whose watchers it tells of. */
function watcherinfoPackage(watched: EventPackage, { lists, now, interval, ownShown }: WatcherinfoOptions): EventPackage<string, Decision> {
  const name = watcherinfoOf(watched.name);
  // RFC 3857 4.6: a template may be applied to itself once, and then for the user alone.
  const isRecursive = watched.name.endsWith('.winfo');
  const readers = new Map<string, Set<Watch>>();

  /** What every reader has been told needs to be kept no longer. */
  const forgetTold = (resource: string): void => {
    let told = lists.latest;
    for (const reader of readers.get(resource) ?? []) told = Math.min(told, revisionTold(reader));
    lists.forget(watched.name, resource, told);
  };

  return {
    name,
    key: name,
    contentTypes: [WATCHERINFO_TYPE],
    // RFC 3857 4.4: an hour.
    expires: { min: 0, default: 3600, max: 86_400 },
    watcherinfo: !isRecursive,
    interval,
    filtering: { volatile: / (?:version|duration-subscribed|expiration)="\d+"/g },
    ready: (resource) => watched.ready?.(resource),
    authorize(watcher, resource, at, aliases) {
      // Who may watch the user at all is asked so that an unknown user is a 404 here too.
      const { handling, because, validUntil } = watched.authorize(watcher, resource, at, aliases);
      if (watcher === resource) return OWNER;
      if (isRecursive || !ownShown) return STRANGER;
      // RFC 3857 4.6: whoever may watch may monitor its own subscription; a polite block must not show here either.
      const shown = handling === 'polite-block' ? 'allow' : handling;
      return { handling: shown, view: watcher, because, ...(validUntil === undefined ? {} : { validUntil }) };
    },
    state(resource) {
      return resource;
    },
    render(resource, decision, { watch, full, filtered, version }) {
      const told = revisionTold(watch);
      const whole = full || filtered === true;
      const entries = lists
        .since(watched.name, resource, whole ? 0 : told)
        .filter((entry) => worthTelling(entry, told, full) && (decision === OWNER || isOf(entry, watch)));
      watch.memo = lists.latest;
      forgetTold(resource);
      if (entries.length === 0 && !whole) return undefined;
      const watchers = entries.map((entry) => toWatcher(entry, now()));
      const text = writeWatcherinfo({ version, state: whole ? 'full' : 'partial', lists: [{ resource, package: watched.name, watchers }] });
      return { contentType: WATCHERINFO_TYPE, bytes: Buffer.from(text, 'utf8') };
    },
    opened(watch) {
      const own = readers.get(watch.resource) ?? new Set();
      readers.set(watch.resource, own.add(watch));
    },
    closed(watch) {
      const own = readers.get(watch.resource);
      own?.delete(watch);
      if (own?.size === 0) readers.delete(watch.resource);
      forgetTold(watch.resource);
    },
    changed(resource) {
      if (!readers.has(resource)) forgetTold(resource);
    },
    // What decides about the watchers of a user decides about those who monitor their own subscriptions.
    affectedBy(change) {
      if (readers.size === 0) return NOBODY;
      return [...(watched.affectedBy?.(change) ?? NOBODY)].filter((resource) => readers.has(resource));
    },
  };
}

const NOBODY: readonly string[] = [];

function revisionTold(reader: Watch): number {
  return typeof reader.memo === 'number' ? reader.memo : 0;
}

/** Full state has no watchers that were gone before; and who came and went unseen is not told of (RFC 3857 4.7.2). */
function worthTelling({ status, created, revision }: WatcherEntry, told: number, full: boolean): boolean {
  return status !== 'terminated' || (!full && created <= told && revision > told);
}

/** RFC 3857 4.7.2: a watcher is told no more of itself than Subscription-State tells, which knows no waiting. */
function isOf({ watcher, status }: WatcherEntry, reader: Watch): boolean {
  return watcher === reader.watcher && status !== 'waiting';
}

function toWatcher({ id, watcher, displayName, status, event, since, lasting }: WatcherEntry, now: number) {
  const expiresAt = status === 'active' || status === 'pending' ? lasting?.endsAt : undefined;
  return {
    id,
    uri: watcher,
    ...(displayName === undefined ? {} : { displayName }),
    status,
    event,
    durationSubscribed: Math.max(0, Math.floor((now - since) / 1000)),
    ...(expiresAt !== undefined ? { expiration: Math.max(0, Math.ceil((expiresAt - now) / 1000)) } : {}),
  };
}
