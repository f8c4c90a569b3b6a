/** Event package xcap-diff (RFC 5875): which of the documents and nodes that a watcher names have changed, and how. */
import { turn } from '../../schemas/turns.ts';
import { writeXcapDiff, XCAP_DIFF_TYPE } from '../../schemas/xcap-diff.ts';
import type { DocumentChange, DocumentKey, MaybePromise, StoredDocument } from '../../xcap/document-store.ts';
import type { Decision, EventPackage, Watch } from '../events/event-package.ts';
import type { TimerWheel } from '../transport/timer-wheel.ts';
import { placesOf, treesOf } from './xcap-diff-collections.ts';
import { type DocumentFollower, TrackedDocument } from './xcap-diff-document.ts';
import { DiffFollower, type Following } from './xcap-diff-follower.ts';
import { readDiffTerms } from './xcap-diff-terms.ts';
import { VersionTexts } from './xcap-diff-texts.ts';
import type { XcapResources } from './xcap-resources.ts';

export interface XcapDiffOptions {
  readonly resources: XcapResources;
  readonly wheel: TimerWheel;
  readonly now: () => number;
  /** Least time between two NOTIFYs of changes, in milliseconds; RFC 5875 4.10 asks for five seconds. */
  readonly interval: number;
  /** Has the notifier tell a watch what is new. */
  touch(watch: Watch): void;
}

const MOST_READ_IN_TURN = 1024 * 1024;

/** Whoever is known may ask; what they are told is looked at document by document. */
const ANYONE: Decision = { handling: 'allow', view: 'own', because: 'xcap-diff tells everyone what they may read' };

export function xcapDiffPackage({ resources, wheel, now, interval, touch }: XcapDiffOptions): EventPackage<undefined, Decision> & {
  /** To be told when who may read what a user shares may have become another. */
  accessChanged(user: string): void;
  /** Number of documents that are followed. */
  readonly followed: number;
} {
  const followers = new Map<string, DiffFollower>();
  const documents = new Map<string, TrackedDocument>();
  const loading = new Map<TrackedDocument, Promise<void>>();
  /** Those that their users may let others read, by user. */
  const shared = new Map<string, Set<TrackedDocument>>();
  /** Followers of collections, by where new documents would come up. */
  const byTree = new Map<string, Set<DiffFollower>>();
  /** Those of documents whose changes are in no feed. */
  const ofGenerated = new Set<DiffFollower>();
  const texts = new VersionTexts();

  /** Characters that were read in this turn of the event loop: what a watcher names can be very much. */
  let readInTurn = 0;
  const read = (key: DocumentKey): MaybePromise<StoredDocument | undefined> => {
    if (readInTurn > MOST_READ_IN_TURN) return turn().then(() => resources.get(key));
    const document = resources.get(key);
    if (document === undefined || document instanceof Promise) return document;
    if (readInTurn === 0) setImmediate(() => (readInTurn = 0));
    readInTurn += document.text.length;
    return document;
  };

  const load = (tracked: TrackedDocument): Promise<void> | undefined => {
    const document = read(tracked.key);
    if (document instanceof Promise) return loadLate(tracked, document, () => true);
    tracked.load(document);
    return undefined;
  };

  /** Takes a document once it is read, if nothing came meanwhile that knows better and it is the one wanted. */
  const loadLate = (
    tracked: TrackedDocument,
    document: Promise<StoredDocument | undefined>,
    isWanted: (document: StoredDocument | undefined) => boolean,
  ): Promise<void> => {
    const promise = document.then((read) => {
      if (loading.get(tracked) !== promise) return;
      loading.delete(tracked);
      if (!isWanted(read) || (read?.etag === tracked.etag && tracked.text !== undefined)) return;
      tracked.load(read);
      planAll(tracked);
    });
    loading.set(tracked, promise);
    return promise;
  };

  const following: Following = {
    resources,
    texts,
    track(key, follower) {
      const id = documentId(key);
      let tracked = documents.get(id);
      let reading = tracked && loading.get(tracked);
      if (!tracked) {
        tracked = new TrackedDocument(key, resources.isStored(key), texts);
        documents.set(id, tracked);
        if (key.xui !== undefined && resources.isShared(key)) {
          shared.set(key.xui, (shared.get(key.xui) ?? new Set()).add(tracked));
        }
        reading = load(tracked);
      }
      tracked.followers.add(follower);
      return { tracked, loading: reading };
    },
    untrack(tracked, follower) {
      if (!tracked.followers.delete(follower) || tracked.followers.size > 0) return;
      loading.delete(tracked);
      const { key } = tracked;
      documents.delete(documentId(key));
      const others = shared.get(key.xui ?? '');
      others?.delete(tracked);
      if (others?.size === 0) shared.delete(key.xui ?? '');
      tracked.close();
    },
    plan: (follower) => plan(follower),
    // As with what has no room: it is no further notification by RFC 5875 4.10.
    goOn: ({ watch }) => touch(watch),
  };

  /** Tells the follower at once, or when it is due again. */
  const plan = (follower: DocumentFollower): void => {
    const wait = follower.lastTold + interval - now();
    if (wait <= 0) touch(follower.watch);
    else if (!follower.closed) follower.timer ??= wheel.schedule(wait, expire, follower);
  };
  const planAll = (tracked: TrackedDocument): void => {
    for (const follower of tracked.followers) plan(follower);
  };
  const expire = (follower: DocumentFollower): void => {
    follower.timer = undefined;
    if (!follower.closed) touch(follower.watch);
  };

  const unlist = (follower: DiffFollower): void => {
    ofGenerated.delete(follower);
    for (const tree of follower.trees) {
      const set = byTree.get(tree);
      set?.delete(follower);
      if (set?.size === 0) byTree.delete(tree);
    }
    follower.trees = [];
  };

  const follow = (follower: DiffFollower): Promise<void> | undefined => {
    unlist(follower);
    const pending = follower.follow();
    follower.trees = follower.collections.flatMap((collection) => treesOf(collection, follower.watch.watcher, resources));
    for (const tree of follower.trees) byTree.set(tree, (byTree.get(tree) ?? new Set()).add(follower));
    if ([...follower.generated()].length > 0) ofGenerated.add(follower);
    return pending;
  };

  const discover = (key: DocumentKey): void => {
    for (const id of placesOf(key.auid, key.xui)) {
      for (const follower of byTree.get(id) ?? []) if (follower.discover(key)) plan(follower);
    }
  };

  const changed = (change: DocumentChange): void => {
    const { key } = change;
    const tracked = documents.get(documentId(key));
    if (tracked) {
      loading.delete(tracked);
      const document = resources.get(key);
      const isLate = document instanceof Promise;
      // What is not compared yet is told once it is.
      void tracked.change(change, isLate ? undefined : document)?.then(() => planAll(tracked));
      if (isLate) loadLate(tracked, document, (read) => read?.etag === change.newEtag).catch(() => loading.delete(tracked));
      planAll(tracked);
    }
    if (change.previousEtag === undefined) discover(key);
    for (const follower of ofGenerated) plan(follower);
  };

  return {
    get followed() {
      return documents.size;
    },
    name: 'xcap-diff',
    key: 'xcap-diff',
    contentTypes: [XCAP_DIFF_TYPE],
    // RFC 5875 4.5: an hour.
    expires: { min: 0, default: 3600, max: 86_400 },
    watcherinfo: false,
    readTerms: readDiffTerms,
    authorize: () => ANYONE,
    state: () => undefined,
    render(_state, _decision, { watch, full, version }) {
      const follower = followers.get(watch.id);
      if (!follower) return undefined;
      for (const tracked of follower.generated()) load(tracked)?.catch(() => loading.delete(tracked));
      const first = watch.memo === undefined;
      const { items, more } = follower.next(full, first && version > 0);
      for (const tracked of follower.inSteps()) tracked.forgetTold();
      if (items.length === 0 && !full) return undefined;
      watch.memo = true;
      follower.lastTold = now();
      // The rest is no further notification by RFC 5875 4.10: it goes out as soon as this part has arrived.
      if (more) touch(watch);
      const bytes = Buffer.from(writeXcapDiff(resources.rootUri(), items), 'utf8');
      return { contentType: XCAP_DIFF_TYPE, bytes, entityTag: follower.entityTag() };
    },
    opened(watch) {
      const follower = new DiffFollower(watch, following);
      followers.set(watch.id, follower);
      return follow(follower);
    },
    refreshed(watch) {
      const follower = followers.get(watch.id);
      return follower && follow(follower);
    },
    entityTag: (watch) => followers.get(watch.id)?.stateTag(),
    settled(watch) {
      const follower = followers.get(watch.id);
      if (!follower) return;
      const inSteps = follower.inSteps();
      follower.settle();
      for (const tracked of inSteps) tracked.forgetTold();
      watch.memo = true;
    },
    accessChanged(user) {
      for (const tracked of shared.get(user) ?? []) for (const follower of tracked.followers) plan(follower);
    },
    closed(watch) {
      const follower = followers.get(watch.id);
      if (!follower) return;
      followers.delete(watch.id);
      if (follower.timer) wheel.cancel(follower.timer);
      unlist(follower);
      follower.close();
    },
    // Each watch has resources of its own, so that none is told of by the name it was subscribed under.
    affectedBy(change) {
      changed(change);
      return [];
    },
  };
}

/** One string per document: the XUI's length keeps its end apart from the name's beginning, whatever characters they hold. */
function documentId({ auid, xui, name }: DocumentKey): string {
  return xui === undefined ? `${auid}//${name}` : `${auid}/${xui.length}/${xui}/${name}`;
}
