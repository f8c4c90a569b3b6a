/** What the xcap-diff package asks of the XCAP side. Implemented in `server`. */
import type { XmlDocument } from '../../schemas/xml/tree.ts';
import type { DocumentKey, MaybePromise, StoredDocument } from '../../xcap/document-store.ts';

export interface XcapResources {
  /** The absolute URI of the XCAP root that relative ones are relative to, with a slash at the end. */
  rootUri(): string;
  /** What a URI names, relative to the root or absolute under one; undefined when there can be no such resource here. Never throws. */
  locate(uri: string): XcapResource | undefined;
  /** May the watcher (canonical address) read the document? The same rules as for a GET. */
  mayRead(watcher: string, key: DocumentKey): MaybePromise<boolean>;
  /** Whether the document's user may let others read it, so that `mayRead` may change with what the user's presence rules say. */
  isShared(key: DocumentKey): boolean;
  /** May the watcher read documents of other users under the AUID, some of them at least? */
  readsOthers(watcher: string, auid: string): boolean;
  /** The document as a GET would give it. */
  get(key: DocumentKey): MaybePromise<StoredDocument | undefined>;
  /** False for a document that the server makes itself, whose changes are in no feed. */
  isStored(key: DocumentKey): boolean;
  list(auid: string, xui: string | undefined): MaybePromise<readonly Listed[]>;
  /** The first `most` documents of all users. */
  listAll(auid: string, most: number): MaybePromise<readonly Listed[]>;
  /** The percent-encoded path of a document below the root. */
  pathOf(key: DocumentKey): string;
}

/** A document that there is: what is in it may not have been read. */
export interface Listed {
  readonly key: DocumentKey;
}

export type XcapResource = { readonly kind: 'document'; readonly key: DocumentKey } | NodeResource | XcapCollection;

/** An XCAP component (RFC 5875 3). */
export interface NodeResource {
  readonly kind: 'element' | 'attribute';
  readonly key: DocumentKey;
  /** What it is in the document; undefined when it is not there. */
  select(document: XmlDocument): NodeContent | undefined;
}

export interface NodeContent {
  /** An element as it stands in its document, an attribute's value with references resolved. */
  readonly text: string;
  /** The same for all that name it in one tree, however they do. */
  readonly node: object;
  /** Bindings around an element that it needs. */
  namespaces(): ReadonlyMap<string, string>;
}

/** All documents below a path, however deep (RFC 5875 4.1). */
export interface XcapCollection {
  readonly kind: 'collection';
  readonly auid: string;
  /** Undefined: the users' documents and the global ones. */
  readonly tree: 'users' | 'global' | undefined;
  /** Of one user; undefined: of all. */
  readonly xui: string | undefined;
  /** What the documents' names begin with: '' or a directory with its slash. */
  readonly prefix: string;
}

/** The same for whatever names the same collection. */
export function collectionId({ auid, tree, xui, prefix }: XcapCollection): string {
  return JSON.stringify([auid, tree, xui, prefix]);
}

export function holds({ auid, tree, xui, prefix }: XcapCollection, key: DocumentKey): boolean {
  if (key.auid !== auid || (tree !== undefined && (tree === 'global') !== (key.xui === undefined))) return false;
  return (xui === undefined || xui === key.xui) && key.name.startsWith(prefix);
}
