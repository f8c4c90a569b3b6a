/** What a follower keeps of each thing it follows, and what it may tell of it next. */
import { createHash } from 'node:crypto';
import { LARGE } from '../../schemas/turns.ts';
import { type DiffItem, diffItemSize } from '../../schemas/xcap-diff.ts';
import type { TrackedDocument } from './xcap-diff-document.ts';
import type { VersionTexts } from './xcap-diff-texts.ts';
import type { NodeContent, NodeResource, XcapResources } from './xcap-resources.ts';

export interface FollowedDocument {
  readonly sel: string;
  readonly tracked: TrackedDocument;
  /** Named by itself, not only found in a collection. */
  readonly named: boolean;
  /** The version that was told last; undefined: that there is none, or nothing yet. */
  told: string | undefined;
  /** Is the text of that version kept for this follower? */
  holdsTold: boolean;
  nextStep: number;
  /** Is what has changed being found out, or was it once since it was told last? */
  comparing: 'no' | 'yes' | 'done';
}

export interface FollowedNode {
  readonly sel: string;
  readonly node: NodeResource;
  readonly tracked: TrackedDocument;
  /** The version it was last looked for in. */
  seen: string | undefined;
  /** Digest of what was told last; undefined: that it is not there, or nothing yet. */
  told: string | undefined;
  /** What it was found to be in a version that had to be read in turns. */
  late: { readonly etag: string; readonly content: NodeContent | undefined } | undefined;
  reading: Promise<void> | undefined;
}

/** What may be told next, and what is to be noted once it is. */
export interface Candidate {
  readonly item: DiffItem;
  readonly size: number;
  commit(): void;
}

/** Bytes of the items of one body: with its header it must fit into a datagram. What has no room comes next. */
export const BODY_LIMIT = 40_000;

/** RFC 5874 3, RFC 5875 4.7: what is too large is told of without its content. */
export function candidateOf(item: DiffItem, commit: () => void): Candidate {
  const size = diffItemSize(item);
  if (size <= BODY_LIMIT) return { item, size, commit };
  const { kind, sel } = item;
  const outline: DiffItem = kind === 'document' ? { ...item, patch: undefined } : { kind, sel, exists: true };
  return { item: outline, size: diffItemSize(outline), commit };
}

/** What a node is now: with its content if there may be room for it. */
export function nodeItem(kind: 'element' | 'attribute', sel: string, found: NodeContent | undefined): DiffItem {
  if (!found || found.text.length > BODY_LIMIT) return { kind, sel, exists: found !== undefined };
  if (kind === 'attribute') return { kind, sel, exists: true, value: found.text };
  return { kind, sel, exists: true, content: found.text, namespaces: found.namespaces() };
}

const digests = new WeakMap<object, string>();

/**
 * Of a node's content; `unknown` where that is not known yet. Made once for all who name the node. One that is longer than any that is
 * told with its content has the document's version for a digest: it is taken to change whenever the document does.
 */
export function digestOf(found: NodeContent | undefined | 'unknown', { etag }: TrackedDocument): string | undefined {
  if (found === 'unknown' || found === undefined) return found;
  if (found.text.length > LARGE) return `in ${etag}`;
  let digest = digests.get(found.node);
  if (digest === undefined) {
    digest = createHash('sha256').update(found.text).digest('base64');
    digests.set(found.node, digest);
  }
  return digest;
}

/** An entity tag of the whole (RFC 5839 6.1): of each thing's URI and version, whatever their order. */
export function tagOf(versions: readonly string[]): string {
  return createHash('sha256').update(versions.toSorted().join('\n')).digest('base64url').slice(0, 22);
}

/** What a node is in the version of its document that there is now; unknown while that has to be read, after which `onFound` is called. */
export function findNode(
  followed: FollowedNode,
  resources: XcapResources,
  texts: VersionTexts,
  onFound: () => void,
): NodeContent | undefined | 'unknown' {
  const { node, tracked, late } = followed;
  const { etag } = tracked;
  if (etag === undefined) return tracked.isLoaded ? undefined : 'unknown';
  if (late?.etag === etag) return late.content;
  followed.late = undefined;
  let { text } = tracked;
  if (text === undefined) {
    const document = resources.get(tracked.key);
    if (document instanceof Promise || document?.etag !== etag) return 'unknown';
    text = document.text;
  }
  const tree = texts.readTree(etag, text);
  if (!(tree instanceof Promise)) return node.select(tree);
  followed.reading ??= tree
    .then((document) => {
      followed.late = { etag, content: node.select(document) };
    })
    .finally(() => {
      followed.reading = undefined;
    })
    // What cannot be read is looked for again when something else has changed.
    .then(onFound, () => undefined);
  return 'unknown';
}
