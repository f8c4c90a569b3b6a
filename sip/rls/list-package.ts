/**
 * Resource lists (RFC 4662, RFC 4826): an event package whose resources are lists. Each list subscription watches the members
 * through the notifier with its own watcher's rights, and tells what became of them in one body.
 */
import type { Decision, EventPackage, Watch } from '../events/event-package.ts';
import { memberFilter } from '../events/member-filter.ts';
import type { Notifier } from '../events/notifier.ts';
import { MemberWatch, type WatchBase, type WatchInit } from '../events/watch.ts';
import { SipError } from '../message/sip-error.ts';
import { FilteredSource } from './filtered-source.ts';
import { instanceId } from './list-body.ts';
import { ListCache } from './list-cache.ts';
import { type BodyRoom, ListSubscription, type MemberSource } from './list-subscription.ts';
import { type ListTerms, readListTerms } from './list-terms.ts';
import { resolveList } from './list-traversal.ts';
import { isLocal, type ListDirectory, type ListMember, type MemberList, type ResolvedList, watchedMembers } from './resolved-list.ts';

export interface ListPackageOptions {
  readonly directory: ListDirectory;
  readonly notifier: Notifier;
  readonly now: () => number;
  /** Least time between two notifications of changes in one subscription, in milliseconds. */
  readonly interval: number;
  /** Bytes of the states in one NOTIFY. */
  readonly bodyRoom: number;
  servesDomain(host: string): boolean;
  /** Is the canonical address a user here? */
  isUser(address: string): boolean;
  /** Watches a member of another domain, whose notifier is given the filter; undefined where that is not done. */
  openRemote(
    watch: Watch,
    eventPackage: EventPackage,
    member: ListMember,
    filter: string | undefined,
    changed: () => void,
  ): MemberSource | undefined;
}

/** What a datagram holds besides its header fields, with some room for those that proxies add. */
const DATAGRAM_ROOM = 56_000;

function roomFor({ overDatagrams }: Watch, bytes: number): BodyRoom {
  return { bytes: overDatagrams ? Math.min(bytes, DATAGRAM_ROOM) : bytes, bounded: overDatagrams === true };
}

const OWNER: Decision = { handling: 'allow', view: 'list', because: 'their own list' };
const STRANGER: Decision = { handling: 'block', view: '', because: "the list is another user's" };
const STRANGER_HERE: Decision = { handling: 'block', view: '', because: 'only users here may bring a list of their own' };

/** What both kinds of list packages do: those of lists that services name, and of lists that come in the SUBSCRIBE itself. */
function listMachinery(base: EventPackage, options: ListPackageOptions) {
  const { notifier, now, servesDomain } = options;
  const subscriptions = new Map<string, ListSubscription>();

  const openMember = (watch: Watch, member: ListMember, changed: (canonical: string) => void, later: boolean): MemberSource | undefined => {
    const { canonical } = member;
    if (!isLocal(member, servesDomain)) {
      const open = (filter: string | undefined, told: () => void): MemberSource | undefined =>
        options.openRemote(watch, base, member, filter, told);
      return FilteredSource.open(watch, canonical, base, () => changed(canonical), open);
    }
    const virtual = new VirtualSubscription(
      {
        id: `${watch.id}.${instanceId(canonical)}`,
        eventPackage: base,
        resource: canonical,
        watcher: watch.watcher,
        aliases: watch.aliases,
        displayName: watch.displayName,
        source: watch.source,
        contentType: watch.contentType,
        since: now(),
        terms: (watch.terms as ListTerms | undefined)?.base,
      },
      watch as WatchBase,
      changed,
      notifier,
    );
    virtual.filter = memberFilter(watch, canonical);
    notifier.members.open(virtual, later);
    return virtual;
  };

  return {
    subscriptions,
    /** With every member's documents in memory, a NOTIFY has the state of all. */
    prepare: (list: MemberList): Promise<unknown> =>
      Promise.all([...watchedMembers(list).values()].map((member) => isLocal(member, servesDomain) && base.ready?.(member.canonical))),
    open(watch: Watch): ListSubscription {
      const subscription = new ListSubscription({
        naming: (watch.terms as ListTerms | undefined)?.naming ?? 'standard',
        open: (member, changed, later) => openMember(watch, member, changed, later),
        touch: () => notifier.touch(watch as WatchBase),
        goOn: () => notifier.goOn(watch as WatchBase),
      });
      subscriptions.set(watch.id, subscription);
      return subscription;
    },
    /** What the watcher asks for may be another thing now. */
    refresh(watch: Watch): void {
      const terms = (watch.terms as ListTerms | undefined)?.base;
      for (const source of subscriptions.get(watch.id)?.members() ?? []) source.ask?.(terms, watch);
    },
    close(watch: Watch): void {
      subscriptions.get(watch.id)?.close();
      subscriptions.delete(watch.id);
    },
    common: {
      name: base.name,
      contentTypes: base.contentTypes,
      expires: base.expires,
      require: 'eventlist',
      ...(base.filtering && { filtering: base.filtering }),
      interval: Math.max(options.interval, base.interval ?? 0),
      watcherinfo: false,
      readTerms: (request, previous) => readListTerms(request, previous as ListTerms | undefined, base),
    } satisfies Partial<EventPackage>,
  };
}

/** A member of one of our domains: watched through the notifier, never by SIP sent to ourselves. */
class VirtualSubscription extends MemberWatch implements MemberSource {
  private readonly notifier: Notifier;

  constructor(init: WatchInit, list: WatchBase, changed: (canonical: string) => void, notifier: Notifier) {
    super(init, list, changed);
    this.notifier = notifier;
  }

  ask(terms: unknown, list: Watch): void {
    this.notifier.members.tryAgain(this);
    const filter = memberFilter(list, this.resource);
    const isSame = this.aliases?.join() === list.aliases?.join();
    if (isSame && terms === this.terms && filter === undefined && this.filter === undefined) return;
    this.aliases = list.aliases;
    this.terms = terms;
    // A filter begins anew: what its triggers have passed over is told now.
    this.filter = filter;
    this.notifier.touch(this);
  }

  close(): void {
    this.notifier.members.close(this);
  }
}

/** The package of lists of what `base` is for one resource: same name, same bodies, other resources. */
export function listPackage(base: EventPackage, options: ListPackageOptions): EventPackage<ResolvedList, Decision> {
  const { directory, bodyRoom } = options;
  const machinery = listMachinery(base, options);
  const { subscriptions, prepare } = machinery;
  const lists = new ListCache({ directory, prepare, resolve: (uri) => resolveList(uri, directory, base.name) });
  const known = (uri: string): ResolvedList => {
    const list = lists.get(uri);
    if (!list) throw new SipError(404, 'No such list');
    return list;
  };
  return {
    ...machinery.common,
    key: listKey(base),
    ready: (uri) => lists.ready(uri),
    authorize(watcher, uri) {
      const { owner, packages } = known(uri);
      if (packages.length > 0 && !packages.includes(base.name)) {
        throw new SipError(489, 'The list is not for this event package', [['Allow-Events', packages.join(', ')]]);
      }
      return watcher === owner ? OWNER : STRANGER;
    },
    admit(uri) {
      const { problem } = known(uri);
      if (problem !== undefined) throw new SipError(502, problem);
    },
    state: known,
    render: (list, _decision, { watch, full, version }) =>
      subscriptions.get(watch.id)?.render(list, version, full, roomFor(watch, bodyRoom)),
    async opened(watch) {
      lists.hold(watch.resource);
      const subscription = machinery.open(watch);
      await lists.ready(watch.resource);
      const list = lists.get(watch.resource);
      if (!list) return;
      await prepare(list);
      await subscription.begin(list);
    },
    refreshed: (watch) => machinery.refresh(watch),
    closed(watch) {
      machinery.close(watch);
      lists.release(watch.resource);
    },
    affectedBy: ({ key }) => lists.changed(key),
  };
}

export function listKey(base: EventPackage): string {
  return `${base.name};list`;
}

/** The package of lists that come in the SUBSCRIBE (RFC 5367). Its resources are the addresses that such SUBSCRIBEs are sent to. */
export function broughtListPackage(base: EventPackage, options: ListPackageOptions): EventPackage<string, Decision> {
  const { bodyRoom, isUser } = options;
  const machinery = listMachinery(base, options);
  const { subscriptions, prepare } = machinery;
  const lists = new WeakMap<object, MemberList>();
  const listOf = (watch: Watch): MemberList => {
    const terms = watch.terms as ListTerms | undefined;
    if (!terms?.list) throw new Error('a subscription to a list of its own has none');
    let list = lists.get(terms);
    if (!list) lists.set(terms, (list = { uri: watch.resource, names: [], members: terms.list }));
    return list;
  };
  return {
    ...machinery.common,
    key: broughtListKey(base),
    authorize: (watcher) => (isUser(watcher) ? OWNER : STRANGER_HERE),
    state: (uri) => uri,
    render: (_uri, _decision, { watch, full, version }) =>
      subscriptions.get(watch.id)?.render(listOf(watch), version, full, roomFor(watch, bodyRoom)),
    async opened(watch) {
      const subscription = machinery.open(watch);
      await prepare(listOf(watch));
      await subscription.begin(listOf(watch));
    },
    async refreshed(watch) {
      machinery.refresh(watch);
      await prepare(listOf(watch));
    },
    closed: (watch) => machinery.close(watch),
  };
}

export function broughtListKey(base: EventPackage): string {
  return `${base.name};recipient-list`;
}
