/**
 * Resource lists (RFC 4662, RFC 4826): an event package whose resources are lists. Each list subscription watches the members
 * through the notifier with its own watcher's rights, and tells what became of them in one body.
 */
import { isDeepStrictEqual } from 'node:util';
import type { DocumentChange } from '../../xcap/document-store.ts';
import type { Decision, EventPackage, Watch } from '../events/event-package.ts';
import type { Notifier } from '../events/notifier.ts';
import { MemberWatch, type WatchBase } from '../events/watch.ts';
import { SipError } from '../message/sip-error.ts';
import { instanceId, type MemberReport, writeListBody } from './list-body.ts';
import { isLocal, type ListDirectory, type ListMember, MEMBER_LIMIT, type ResolvedList, resolveList } from './resolved-list.ts';

export interface ListPackageOptions {
  readonly directory: ListDirectory;
  readonly notifier: Notifier;
  readonly now: () => number;
  servesDomain(host: string): boolean;
}

const OWNER: Decision = { handling: 'allow', view: 'list', because: 'their own list' };
const STRANGER: Decision = { handling: 'block', view: '', because: "the list is another user's" };

/** AUIDs whose documents make up a list. */
const SERVICES = 'rls-services';
const LISTS = 'resource-lists';

/** Bytes of the states in one NOTIFY, and what each costs beside its document: more would fit into no datagram. */
const BODY_ROOM = 40_000;
const PART_OVERHEAD = 350;

/** What a list subscription knows of its members. */
class ListSubscription {
  /** The list as it was when the members were last brought in line with it. */
  list: ResolvedList | undefined;
  readonly members = new Map<string, MemberWatch>();
  /** Canonical addresses of the members with something new to tell. */
  readonly changed = new Set<string>();
}

/** The package of lists of what `base` is for one resource: same name, same bodies, other resources. */
export function listPackage(
  base: EventPackage,
  { directory, notifier, now, servesDomain }: ListPackageOptions,
): EventPackage<ResolvedList, Decision> {
  const key = `${base.name};list`;
  const lists = new Map<string, ResolvedList | undefined>();
  /** Lists to be read again before they are used. */
  const stale = new Set<string>();
  const loading = new Map<string, Promise<void>>();
  const subscriptions = new Map<string, ListSubscription>();
  /** Counts document changes, so that a list read while one came in is read again. */
  let generation = 0;

  /** With every member's documents in memory, a NOTIFY has the state of all. */
  const membersReady = async (list: ResolvedList | undefined): Promise<void> => {
    const members = list?.members.slice(0, MEMBER_LIMIT).filter((member) => isLocal(member, servesDomain)) ?? [];
    await Promise.all(members.map((member) => base.ready?.(member.canonical)));
  };

  const load = async (uri: string): Promise<void> => {
    let read: number;
    do {
      read = generation;
      const list = await resolveList(uri, directory);
      await membersReady(list);
      const before = lists.get(uri);
      // A document has changed, but not this list: it stays the one that its subscriptions know.
      if (!before || !isDeepStrictEqual(before, list)) lists.set(uri, list);
      stale.delete(uri);
    } while (generation !== read);
  };

  const ready = (uri: string): Promise<void> | undefined => {
    if (lists.has(uri) && !stale.has(uri) && !loading.has(uri)) return undefined;
    let promise = loading.get(uri);
    if (!promise) {
      promise = load(uri).finally(() => loading.delete(uri));
      loading.set(uri, promise);
    }
    return promise;
  };

  const openMember = (watch: Watch, subscription: ListSubscription, { canonical }: ListMember): void => {
    const member = new MemberWatch(
      {
        id: `${watch.id}.${instanceId(canonical)}`,
        eventPackage: base,
        resource: canonical,
        watcher: watch.watcher,
        displayName: watch.displayName,
        source: watch.source,
        contentType: watch.contentType,
        since: now(),
      },
      () => (watch as WatchBase).endsAt,
      () => {
        subscription.changed.add(canonical);
        notifier.touch(watch as WatchBase);
      },
    );
    subscription.members.set(canonical, member);
    notifier.openMember(member);
  };

  /** Watches who has come, and no longer who has gone. False when the list is the one already known. */
  const follow = (watch: Watch, subscription: ListSubscription, list: ResolvedList): boolean => {
    if (subscription.list === list) return false;
    subscription.list = list;
    const wanted = new Map(
      list.members
        .slice(0, MEMBER_LIMIT)
        .filter((m) => isLocal(m, servesDomain))
        .map((m) => [m.canonical, m]),
    );
    for (const [canonical, member] of subscription.members) {
      if (wanted.has(canonical)) continue;
      subscription.members.delete(canonical);
      subscription.changed.delete(canonical);
      notifier.closeMember(member);
    }
    for (const [canonical, member] of wanted) if (!subscription.members.has(canonical)) openMember(watch, subscription, member);
    return true;
  };

  return {
    name: base.name,
    key,
    contentTypes: base.contentTypes,
    expires: base.expires,
    require: 'eventlist',
    watcherinfo: false,
    ready,
    authorize(watcher, uri) {
      const list = lists.get(uri);
      if (!list) throw new SipError(404, 'No such list');
      if (list.packages.length > 0 && !list.packages.includes(base.name)) throw new SipError(489, 'The list is not for this event package');
      return watcher === list.owner ? OWNER : STRANGER;
    },
    state(uri) {
      const list = lists.get(uri);
      if (!list) throw new Error(`the list ${uri} is not in memory`);
      return list;
    },
    render(list, _decision, { watch, full, version }) {
      const subscription = subscriptions.get(watch.id);
      if (!subscription) return undefined;
      const fullState = follow(watch, subscription, list) || full;
      const reports: MemberReport[] = [];
      let room = BODY_ROOM;
      for (const member of list.members) {
        const known = subscription.members.get(member.canonical);
        if (!fullState && !subscription.changed.has(member.canonical)) continue;
        room -= PART_OVERHEAD + (known?.state?.body?.bytes.length ?? 0);
        if (room >= 0 || reports.length === 0) {
          reports.push({ member, state: known?.state });
          subscription.changed.delete(member.canonical);
        } else {
          // RFC 4662 4.5: a member may be named without state, which then comes in a NOTIFY of its own.
          if (fullState) reports.push({ member, state: undefined });
          if (known) subscription.changed.add(member.canonical);
        }
      }
      if (room < 0 && subscription.changed.size > 0) notifier.touch(watch as WatchBase);
      return reports.length > 0 || fullState ? writeListBody(list, version, fullState, reports) : undefined;
    },
    async opened(watch) {
      const subscription = new ListSubscription();
      subscriptions.set(watch.id, subscription);
      await ready(watch.resource);
      await membersReady(lists.get(watch.resource));
    },
    closed(watch) {
      const subscription = subscriptions.get(watch.id);
      subscriptions.delete(watch.id);
      for (const member of subscription?.members.values() ?? []) notifier.closeMember(member);
      if (lists.get(watch.resource)) return;
      lists.delete(watch.resource);
      stale.delete(watch.resource);
    },
    *affectedBy(change: DocumentChange) {
      const { key: document } = change;
      if (document.auid !== SERVICES && document.auid !== LISTS) return;
      generation++;
      for (const [uri, list] of [...lists]) {
        if (!concerns(list, document)) continue;
        stale.add(uri);
        yield uri;
      }
    },
  };
}

/** May a change of the document make another list of it? A URI that is no service yet may become one by any change of services. */
function concerns(list: ResolvedList | undefined, { auid, xui, name }: DocumentChange['key']): boolean {
  if (auid === SERVICES) return list === undefined || list.owner === xui;
  return list?.source !== undefined && list.source.xui === xui && list.source.name === name;
}
