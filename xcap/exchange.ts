import type { XmlDocument } from '../schemas/xml/tree.ts';
import type { Requester, XuiDirectory } from './access.ts';
import type { Access, ApplicationUsage } from './application-usage.ts';
import type { DocumentQuota } from './document-quota.ts';
import type { DocumentKey, DocumentStore, StoredDocument } from './document-store.ts';
import type { TreeLimits } from './node-operations.ts';
import type { NodeSelector, ParsedNodeSelector } from './node-selector.ts';
import type { Conditions } from './preconditions.ts';
import type { Range } from './schema-excerpt.ts';
import type { XcapUri } from './uri.ts';
import type { VersionCache } from './version-cache.ts';

/** A request's target: an existing usage, a user, a well-formed node selector. */
export interface Target {
  readonly usage: ApplicationUsage;
  readonly key: DocumentKey;
  readonly node: ParsedNodeSelector | undefined;
  readonly uri: XcapUri;
  /** The XUI as it stands in the URI, when it names no user here; `key.xui` is then what it would be. */
  readonly unknownXui?: string;
}

export interface XcapRequest {
  readonly target: Target;
  readonly requester: Requester;
  readonly conditions: Conditions;
  /** Content-Type as it stands in the request. */
  readonly contentType: string | undefined;
  readonly body: Uint8Array;
}

export interface XcapAnswer {
  readonly status: 200 | 201 | 304;
  /** Without quotes; undefined when there is no document any more. */
  readonly etag: string | undefined;
  readonly content: Content | undefined;
}

export interface Content {
  readonly type: string;
  readonly body: string;
  /** Length of the body in UTF-8. */
  readonly bytes: number;
  /** As HTTP has it (RFC 9110 5.6.7). */
  readonly lastModified: string;
}

/** What the service works with. */
export interface Environment {
  readonly store: DocumentStore;
  readonly directory: XuiDirectory;
  readonly roots: readonly string[];
  readonly publicRoot: string;
  readonly documentBytes: number;
  readonly quota: DocumentQuota;
  readonly limits: TreeLimits;
  /** Those that some usage says it can validate. */
  readonly namespaces: ReadonlySet<string>;
  readonly trees: VersionCache<XmlDocument>;
  /** Trees of large documents on their way into `trees`, by entity tag. */
  readonly reading: Map<string, Promise<XmlDocument>>;
  /** Of whole documents: as long as the store has one in memory, so is what it is sent as. */
  readonly contents: WeakMap<StoredDocument, Content>;
}

/** One request on its way through a pipeline. */
export interface Exchange {
  readonly request: XcapRequest;
  readonly access: Access;
  selector: NodeSelector | undefined;
  stored: StoredDocument | undefined;
  /** The new text, and the tree of it; undefined when the document is to be deleted. */
  edited: XmlDocument | undefined;
  /** What of the edited document is new, if it is an element: an empty range for one removed. */
  changed: Range | undefined;
  created: boolean;
  answer: XcapAnswer | undefined;
}

/** Takes an exchange one step on, or throws XcapRefusal or XcapConflict. What needs no waiting is done without a promise. */
export type PipelineStep = (exchange: Exchange, environment: Environment) => void | Promise<void>;
