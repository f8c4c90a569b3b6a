import type { XmlDocument, XmlElement } from '../schemas/xml/tree.ts';
import type { Requester } from './access.ts';
import type { DocumentKey, MaybePromise, StoredDocument } from './document-store.ts';

/** What an application of XCAP says about its documents (RFC 4825 5). One file in `usages/` each. */
export interface ApplicationUsage {
  /** Application unique ID (RFC 4825 5.1). */
  readonly auid: string;
  /** Namespace of unprefixed element names in node selectors (RFC 4825 5.2); not that of the documents themselves. */
  readonly defaultNamespace: string;
  /** Media type of its documents, in lower case and without parameters. */
  readonly contentType: string;
  /** The schema that its documents must satisfy, by its namespace (see `schemas/xml/validate`). */
  readonly schema: string;
  /**
   * Tells of a document's elements whether the schema lets those of one's kind follow each other without bound and without regard to
   * each other's content, so that an edit elsewhere need not validate all of them again (see `schema-excerpt`); none without it, nor
   * where it gives undefined.
   */
  repeatable?(document: XmlDocument): ((element: XmlElement) => boolean) | undefined;
  /** All namespaces it can validate, as xcap-caps tells clients (RFC 4825 12). */
  readonly namespaces: readonly string[];
  /** Checks what a schema cannot say (RFC 4825 5.3). The document is valid by its schema. Throws, or rejects with, XcapConflict. */
  validate?(document: XmlDocument, context: ValidationContext): void | Promise<void>;
  /**
   * Takes what the document needs for itself among all documents, at once and for as long as the write is under way.
   * Throws XcapConflict when another document has it.
   */
  reserve?(document: XmlDocument, context: ValidationContext): Reservation;
  /** Who may do what (RFC 4825 5.7); `defaultAuthorization` without it. */
  authorize?(requester: Requester, key: DocumentKey, access: Access): boolean;
  /**
   * Whether somebody whom `authorize` refuses may read the document all the same, because its user lets them. Asked of nobody who
   * is not authenticated.
   */
  shares?(requester: Requester, key: DocumentKey): MaybePromise<boolean>;
  /** Directories that every user's tree has from the start (RFC 4825 8.2.1: XCAP itself cannot make any). */
  readonly directories?: readonly string[];
  /** Whether clients can store a document there; everywhere without it. What is not stored is `generated`, or not there. */
  isStored?(key: DocumentKey): boolean;
  /** Whether admins can store documents in the global tree (RFC 4825 5.7); without it they are only read there. */
  readonly hasGlobalDocuments?: boolean;
  /** A document that the server makes itself. */
  generated?(key: DocumentKey): MaybePromise<StoredDocument | undefined>;
}

export type Access = 'read' | 'write';

/** Where a document is to be stored, and what may be asked about the server it is stored on. */
export interface ValidationContext {
  readonly key: DocumentKey;
  /** The server's XCAP roots, as `orderRoots` gives them. */
  readonly roots: readonly string[];
  /** As `XuiDirectory.resolveXui`. */
  resolveXui(xui: string): string | undefined;
}

export interface Reservation {
  /** Gives a promise where the write is answered better when that is kept (RFC 4825 8.2.7: what else changes with it has then changed). */
  release(): void | Promise<void>;
}

/** RFC 4825 5.7: users have their own documents, everyone reads the global tree, and the rest takes a trusted user. */
export function defaultAuthorization({ admin, address }: Requester, { xui }: DocumentKey, access: Access): boolean {
  if (admin) return true;
  return xui === undefined ? access === 'read' : xui === address;
}
