/** One xcap-diff subscription: which documents and nodes it follows, what of them it has been told, and what is to be told next (RFC 5875 4.7). */
import type { DiffItem } from '../../schemas/xcap-diff.ts';
import type { Patch } from '../../schemas/xml/patch.ts';
import type { DocumentKey } from '../../xcap/document-store.ts';
import type { Watch } from '../events/event-package.ts';
import type { Timer } from '../transport/timer-wheel.ts';
import { ReadAccess } from './xcap-diff-access.ts';
import {
  BODY_LIMIT,
  type Candidate,
  candidateOf,
  digestOf,
  type FollowedDocument,
  type FollowedNode,
  findNode,
  nodeItem,
  tagOf,
} from './xcap-diff-candidate.ts';
import { listedIn, MAX_DOCUMENTS } from './xcap-diff-collections.ts';
import type { DocumentFollower, TrackedDocument } from './xcap-diff-document.ts';
import type { DiffTerms } from './xcap-diff-terms.ts';
import type { VersionTexts } from './xcap-diff-texts.ts';
import { collectionId, holds, type Listed, type NodeResource, type XcapCollection, type XcapResources } from './xcap-resources.ts';

/** What followers share. */
export interface Following {
  readonly resources: XcapResources;
  readonly texts: VersionTexts;
  /** The tracked document of a key, which the follower is then a follower of. The promise is there while the document has to be read first. */
  track(key: DocumentKey, follower: DiffFollower): { readonly tracked: TrackedDocument; readonly loading: Promise<void> | undefined };
  untrack(tracked: TrackedDocument, follower: DiffFollower): void;
  /** There is something to tell the follower. */
  plan(follower: DiffFollower): void;
  /** There is more to tell than was known when it was told last. */
  goOn(follower: DiffFollower): void;
}

export class DiffFollower implements DocumentFollower {
  readonly watch: Watch;
  lastTold = Number.NEGATIVE_INFINITY;
  timer: Timer | undefined;
  closed = false;
  collections: readonly XcapCollection[] = [];
  /** Where it is listed to hear of new documents. */
  trees: readonly string[] = [];
  private readonly following: Following;
  private readonly documents = new Map<TrackedDocument, FollowedDocument>();
  private nodes: FollowedNode[] = [];
  private terms: DiffTerms;
  private readonly access: ReadAccess;

  constructor(watch: Watch, following: Following) {
    this.watch = watch;
    this.following = following;
    this.terms = watch.terms as DiffTerms;
    const { resources } = following;
    this.access = new ReadAccess(
      (key) => resources.mayRead(watch.watcher, key),
      () => following.plan(this),
    );
  }

  /** Follows what the terms name. What was followed before and still is keeps what has been told of it. The promise is there while something has to be read. */
  follow(): Promise<void> | undefined {
    const { resources } = this.following;
    this.setMode();
    const before = { documents: new Map(this.documents), nodes: this.nodes };
    this.documents.clear();
    this.nodes = [];
    const collections = new Map<string, XcapCollection>();
    const pending: Promise<void>[] = [];
    const wait = (loading: Promise<void> | undefined): void => void (loading && pending.push(loading));
    for (const sel of this.terms.uris) {
      const resource = resources.locate(sel);
      if (resource?.kind === 'collection') collections.set(collectionId(resource), resource);
      else if (resource?.kind === 'document') wait(this.addDocument(resource.key, sel, true, before.documents));
      else if (resource) wait(this.addNode(resource, sel, before.nodes));
    }
    this.collections = [...collections.values()];
    for (const collection of this.collections) {
      const listed = listedIn(collection, this.watch.watcher, resources);
      const add = (found: readonly Listed[]): void => {
        // It may have ended, or have been asked for others, while they were listed.
        if (this.closed || !this.collections.includes(collection)) return;
        for (const { key } of found)
          if (holds(collection, key)) wait(this.addDocument(key, resources.pathOf(key), false, before.documents));
      };
      if (listed instanceof Promise) wait(listed.then(add));
      else add(listed);
    }
    for (const [tracked, followed] of before.documents) {
      if (this.documents.has(tracked)) continue;
      // What has gone from a collection since it was told is not listed any more, and is still to be told of.
      const isGone = followed.told !== undefined && tracked.etag === undefined;
      if (isGone && this.collections.some((collection) => holds(collection, tracked.key))) {
        this.documents.set(tracked, { ...followed, named: false, comparing: 'no' });
      } else this.drop(followed);
    }
    this.release(before.nodes.map(({ tracked }) => tracked).filter((tracked) => !this.isFollowed(tracked)));
    for (const { tracked } of [...this.documents.values(), ...this.nodes]) wait(this.access.wait(tracked));
    for (const followed of this.nodes) if (this.find(followed) === 'unknown') wait(followed.reading);
    return pending.length > 0 ? settle(pending) : undefined;
  }

  private setMode(): void {
    const was = this.terms.mode;
    this.terms = this.watch.terms as DiffTerms;
    const change = Number(this.terms.mode === 'xcap-patching') - Number(was === 'xcap-patching');
    for (const followed of this.documents.values()) {
      followed.tracked.stepReaders += change;
      if (change > 0) followed.nextStep = followed.tracked.nextStep;
      // Keeps the text, or no longer, as the mode wants it.
      if (was !== this.terms.mode) this.setTold(followed, followed.told);
    }
  }

  private addDocument(
    key: DocumentKey,
    sel: string,
    named: boolean,
    before?: ReadonlyMap<TrackedDocument, FollowedDocument>,
  ): Promise<void> | undefined {
    if (this.documents.size >= MAX_DOCUMENTS) return undefined;
    const { tracked, loading } = this.following.track(key, this);
    // RFC 5875 4.7: named twice, it is told of once.
    if (this.documents.has(tracked)) return undefined;
    const old = before?.get(tracked);
    if (!old && this.terms.mode === 'xcap-patching') tracked.stepReaders++;
    const told = { told: old?.told, holdsTold: old?.holdsTold ?? false, nextStep: old?.nextStep ?? tracked.nextStep };
    this.documents.set(tracked, { sel, tracked, named, ...told, comparing: 'no' });
    return loading;
  }

  private addNode(node: NodeResource, sel: string, before: readonly FollowedNode[]): Promise<void> | undefined {
    const { tracked, loading } = this.following.track(node.key, this);
    const old = before.find((other) => other.sel === sel);
    this.nodes.push({ sel, node, tracked, seen: old?.seen, told: old?.told, late: undefined, reading: undefined });
    return loading;
  }

  /** A document was created that the collections may hold. True if it is followed now. */
  discover(key: DocumentKey): boolean {
    if (!this.collections.some((collection) => holds(collection, key))) return false;
    const { resources } = this.following;
    // A shared one may not be told of yet, and may be later.
    if (!resources.isShared(key) && resources.mayRead(this.watch.watcher, key) === false) return false;
    // One that cannot be read now will be known from its next change on.
    this.addDocument(key, resources.pathOf(key), false)?.catch(() => undefined);
    return true;
  }

  private isFollowed(tracked: TrackedDocument): boolean {
    return this.documents.has(tracked) || this.nodes.some((node) => node.tracked === tracked);
  }

  private release(documents: readonly TrackedDocument[]): void {
    for (const tracked of documents) this.following.untrack(tracked, this);
  }

  private drop(followed: FollowedDocument): void {
    const { tracked } = followed;
    this.setTold(followed, undefined);
    if (this.terms.mode === 'xcap-patching') tracked.stepReaders--;
    this.documents.delete(tracked);
    if (!this.isFollowed(tracked)) this.following.untrack(tracked, this);
  }

  close(): void {
    this.closed = true;
    this.collections = [];
    for (const followed of [...this.documents.values()]) this.drop(followed);
    const nodes = this.nodes;
    this.nodes = [];
    this.release(nodes.map(({ tracked }) => tracked));
  }

  toldSteps(tracked: TrackedDocument): number {
    const followed = this.terms.mode === 'xcap-patching' ? this.documents.get(tracked) : undefined;
    return followed?.nextStep ?? Number.POSITIVE_INFINITY;
  }

  /** A digest of all that has been told, whatever the order; undefined while there is something else to tell. */
  entityTag(): string | undefined {
    return this.digest(
      ({ told, tracked }) => (told === tracked.etag ? told : 'unknown'),
      ({ told, seen, tracked }) => (seen === (tracked.etag ?? '') ? told : 'unknown'),
    );
  }

  /** The same of all that there is now, told or not; undefined while it is not in memory. */
  stateTag(): string | undefined {
    return this.digest(
      ({ tracked }) => (tracked.isLoaded ? tracked.etag : 'unknown'),
      (followed) => digestOf(this.find(followed), followed.tracked),
    );
  }

  private digest(ofDocument: (followed: FollowedDocument) => string | undefined, ofNode: (node: FollowedNode) => string | undefined) {
    const known: string[] = [];
    const add = ({ sel, tracked }: FollowedDocument | FollowedNode, version: string | undefined): boolean => {
      known.push(`${sel} ${version ?? ''}`);
      return version !== 'unknown' && this.access.of(tracked) !== undefined;
    };
    for (const followed of this.documents.values()) {
      const isGone = !followed.named && followed.tracked.etag === undefined;
      if (this.access.of(followed.tracked) === false || isGone) continue;
      if (!add(followed, ofDocument(followed))) return undefined;
    }
    for (const followed of this.nodes) {
      if (this.access.of(followed.tracked) !== false && !add(followed, ofNode(followed))) return undefined;
    }
    return tagOf(known);
  }

  /** The watcher has all that there is now: only what changes from now on is told. */
  settle(): void {
    for (const followed of [...this.documents.values()]) {
      const { tracked } = followed;
      this.setTold(followed, this.access.of(tracked) ? tracked.etag : undefined);
      followed.nextStep = tracked.nextStep;
      if (tracked.etag === undefined && !followed.named) this.drop(followed);
    }
    for (const followed of this.nodes) {
      const digest = this.access.of(followed.tracked) ? digestOf(this.find(followed), followed.tracked) : 'unknown';
      followed.told = digest === 'unknown' ? undefined : digest;
      followed.seen = digest === 'unknown' ? undefined : (followed.tracked.etag ?? '');
    }
  }

  /** The documents of which this follower is told every single change. */
  inSteps(): TrackedDocument[] {
    return this.terms.mode === 'xcap-patching' ? [...this.documents.keys()] : [];
  }

  /** Documents that the server makes itself, which are looked at again whenever anything is told. */
  *generated(): Iterable<TrackedDocument> {
    for (const tracked of this.documents.keys()) if (!tracked.stored) yield tracked;
    for (const { tracked } of this.nodes) if (!tracked.stored) yield tracked;
  }

  /**
   * What has become of everything since it was told last, as far as there is room, and whether there is more.
   * @param full tells all there is, and what is gone of what was told before
   * @param resumed whether something may have been told that is not known any more
   */
  next(full: boolean, resumed: boolean): { items: DiffItem[]; more: boolean } {
    const items: DiffItem[] = [];
    let size = 0;
    let more = false;
    for (const candidates of [this.documentCandidates(full), this.nodeCandidates(full, resumed)]) {
      for (const { item, size: added, commit } of candidates) {
        more ||= size + added > BODY_LIMIT && items.length > 0;
        if (more) {
          // Full state is about everything: what has no room is noted as not told.
          if (full) continue;
          return { items, more };
        }
        items.push(item);
        size += added;
        commit();
      }
    }
    return { items, more };
  }

  private *documentCandidates(full: boolean): Iterable<Candidate> {
    for (const followed of [...this.documents.values()]) {
      const { tracked } = followed;
      const mayRead = this.access.of(tracked);
      if (!tracked.isLoaded || mayRead === undefined) continue;
      if (!mayRead) {
        this.setTold(followed, undefined);
        followed.nextStep = tracked.nextStep;
      } else if (full) yield* this.reference(followed);
      else if (this.terms.mode === 'xcap-patching') yield* this.steps(followed);
      else if (followed.told !== tracked.etag) yield* this.difference(followed, this.terms.mode === 'aggregate');
      else if (tracked.etag === undefined && !followed.named) this.drop(followed);
    }
  }

  /** That the document is there, or no more, whatever was told before. */
  private *reference(followed: FollowedDocument): Iterable<Candidate> {
    const { sel, tracked, told } = followed;
    const gone = tracked.etag === undefined;
    // Should there be no room for it, it is told as if nothing had been told before.
    followed.nextStep = tracked.nextStep;
    if (gone && told === undefined) return;
    if (!gone) this.setTold(followed, undefined);
    const item: DiffItem = { kind: 'document', sel, ...(gone ? { previousEtag: told } : { newEtag: tracked.etag }) };
    yield candidateOf(item, () => this.setTold(followed, tracked.etag));
  }

  private *difference(followed: FollowedDocument, patching: boolean): Iterable<Candidate> {
    const { sel, tracked, told } = followed;
    const { etag } = tracked;
    const patch = patching ? this.patchOf(followed) : undefined;
    if (patch === 'unknown') return;
    yield candidateOf({ kind: 'document', sel, previousEtag: told, newEtag: etag, patch }, () => {
      this.setTold(followed, etag);
      followed.nextStep = tracked.nextStep;
      if (etag === undefined && !followed.named) this.drop(followed);
    });
  }

  /** From what was told to what there is now; unknown while that is being found out. */
  private patchOf(followed: FollowedDocument): Patch | undefined | 'unknown' {
    const { tracked, told, comparing } = followed;
    const { etag } = tracked;
    const { texts } = this.following;
    const [before, after] = [told === undefined ? undefined : texts.text(told), tracked.text];
    if (told === undefined || etag === undefined || before === undefined || after === undefined) return undefined;
    if (comparing === 'yes') return 'unknown';
    const patch = texts.patch(told, before, etag, after);
    if (!(patch instanceof Promise)) return patch;
    // It has changed again while it was compared: who edits it all the time does not keep the watcher from hearing of it.
    if (comparing === 'done') return undefined;
    followed.comparing = 'yes';
    void patch.then(() => {
      followed.comparing = 'done';
      this.following.goOn(this);
    });
    return 'unknown';
  }

  /** RFC 5875 4.3: every single change, in order. */
  private *steps(followed: FollowedDocument): Iterable<Candidate> {
    const { sel, tracked } = followed;
    const steps = tracked.stepsFrom(followed.nextStep);
    // A chain that does not begin with what the watcher has would be of no use to it.
    if (!steps || (steps.length > 0 && steps[0]?.previousEtag !== followed.told)) {
      if (followed.told !== tracked.etag) yield* this.difference(followed, false);
      followed.nextStep = tracked.nextStep;
      return;
    }
    for (const { previousEtag, newEtag, patch } of steps) {
      if (patch instanceof Promise) return;
      yield candidateOf({ kind: 'document', sel, previousEtag, newEtag, patch }, () => {
        this.setTold(followed, newEtag);
        followed.nextStep++;
        if (tracked.etag === undefined && followed.nextStep === tracked.nextStep && !followed.named) this.drop(followed);
      });
    }
    if (steps.length === 0 && followed.told !== tracked.etag) yield* this.difference(followed, false);
  }

  private *nodeCandidates(full: boolean, resumed: boolean): Iterable<Candidate> {
    for (const followed of this.nodes) {
      const { tracked, sel, node } = followed;
      const mayRead = this.access.of(tracked);
      if (mayRead === undefined) continue;
      if (!mayRead) {
        followed.told = undefined;
        followed.seen = undefined;
        continue;
      }
      if (!full && followed.seen === (tracked.etag ?? '')) continue;
      const found = this.find(followed);
      if (found === 'unknown') continue;
      const digest = digestOf(found, tracked);
      if (!full && digest === followed.told) {
        followed.seen = tracked.etag ?? '';
        continue;
      }
      if (!found && followed.told === undefined && !resumed) {
        followed.seen = tracked.etag ?? '';
        continue;
      }
      const item = nodeItem(node.kind, sel, found);
      // What has no room in full state is told as news afterwards.
      if (full && found) followed.told = undefined;
      followed.seen = undefined;
      yield candidateOf(item, () => {
        followed.told = digest;
        followed.seen = tracked.etag ?? '';
      });
    }
  }

  private find(followed: FollowedNode): ReturnType<typeof findNode> {
    const { resources, texts } = this.following;
    return findNode(followed, resources, texts, () => this.following.plan(this));
  }

  private setTold(followed: FollowedDocument, etag: string | undefined): void {
    const { texts } = this.following;
    const { told, holdsTold, tracked } = followed;
    const text =
      etag === undefined || this.terms.mode !== 'aggregate' ? undefined : etag === tracked.etag ? tracked.text : texts.text(etag);
    followed.told = etag;
    followed.comparing = 'no';
    followed.holdsTold = etag !== undefined && text !== undefined && texts.hold(etag, text);
    if (holdsTold && told !== undefined) texts.release(told);
  }
}

/** Waits for all of them, and for what is added meanwhile. */
async function settle(pending: Promise<void>[]): Promise<void> {
  for (let done = 0; done < pending.length; done++) await pending[done];
}
