/**
 * The storage port of the XCAP side, and the feed of changes that everything else follows.
 * Adapters live in `server/storage`; every adapter runs the suite in `test/contract/document-store.ts`.
 */
import type { XmlDocument } from '../schemas/xml/tree.ts';

/** A value at once, or a promise of it: what is in memory is reached without a turn of the event loop. */
export type MaybePromise<T> = T | Promise<T>;

/** Names one document (RFC 4825 6.2). */
export interface DocumentKey {
  /** Application unique ID, e.g. `resource-lists`. */
  readonly auid: string;
  /** Canonical XUI (see `schemas/address`), or undefined for the global tree. */
  readonly xui: string | undefined;
  /** Path below the XUI or below `global`, decoded, segments joined by `/`: `index`, `work/friends.xml`. */
  readonly name: string;
}

/** One string per document: the XUI's length keeps its end apart from the name's beginning, whatever characters they hold. */
export function documentId({ auid, xui, name }: DocumentKey): string {
  return xui === undefined ? `${auid}//${name}` : `${auid}/${xui.length}/${xui}/${name}`;
}

export interface StoredDocument {
  readonly key: DocumentKey;
  /** Entity tag without quotes; strong, never used again for other content (RFC 4825 8.5). */
  readonly etag: string;
  readonly text: string;
  /** Milliseconds since the epoch. */
  readonly modified: number;
}

/** What there is to say of a document without its text. */
export interface DocumentEntry extends Omit<StoredDocument, 'text'> {
  /** In bytes of UTF-8. */
  readonly size: number;
}

/** What a committed write did to one document. */
export interface DocumentChange {
  /** Position in the feed: rises with every committed write. */
  readonly seq: number;
  readonly key: DocumentKey;
  /** Absent when the document was created. */
  readonly previousEtag?: string;
  /** Absent when the document was deleted. */
  readonly newEtag?: string;
  /** The new content, where whoever wrote it has said how it reads. */
  readonly tree?: XmlDocument;
}

export interface DocumentWrite {
  readonly key: DocumentKey;
  /** The entity tag the document must have now; undefined: it must not exist. */
  readonly expected: string | undefined;
  /** The new content; undefined deletes. */
  readonly text: string | undefined;
  /** What the text reads as, where that is known: followers of the feed need not read it again. */
  readonly tree?: XmlDocument | undefined;
}

export interface DocumentStore {
  get(key: DocumentKey): MaybePromise<StoredDocument | undefined>;
  /** All documents of one user (or, with undefined, of the global tree) for an AUID, ordered by name. */
  list(auid: string, xui: string | undefined): MaybePromise<readonly StoredDocument[]>;
  /** As `list`, without reading the texts: for a store that can do so. */
  entries?(auid: string, xui: string): MaybePromise<readonly DocumentEntry[]>;
  /** How many documents one user has for an AUID: a store that can tell without reading them does. */
  count?(auid: string, xui: string): number;
  /** All documents of an AUID in all users' trees, ordered by XUI and name. */
  listAll(auid: string): MaybePromise<readonly StoredDocument[]>;
  /** The first `most` of them by name alone: for a store that can tell without reading them. */
  keys?(auid: string, most: number): readonly DocumentKey[];
  /**
   * Writes one document if its entity tag is still the expected one.
   * Resolves once the write is durable, with the change it made, or with 'stale' when another write came first (nothing is changed then).
   * Rejects only when the storage itself fails.
   */
  write(write: DocumentWrite): Promise<DocumentChange | 'stale'>;
  /**
   * Calls the listener for every committed write, in order of seq, before the promise of that write resolves.
   * Returns a function that ends it.
   */
  onChange(listener: (change: DocumentChange) => void): () => void;
}
