import { createHash } from 'node:crypto';
import { type DirectoryFolder, writeXcapDirectory, XCAP_DIRECTORY, XCAP_DIRECTORY_TYPE } from '../../schemas/xcap-directory.ts';
import type { ApplicationUsage } from '../application-usage.ts';
import { documentPath } from '../document-selector.ts';
import type { DocumentEntry, DocumentKey, DocumentStore, MaybePromise, StoredDocument } from '../document-store.ts';

/** Where the listed documents are. */
export interface DirectoryOptions {
  readonly documents: DocumentStore;
  /** The XCAP root that the documents' URIs are given below: a path, or a whole URI where clients need one. */
  readonly root: string;
}

/**
 * What a user has stored (OMA XDM Core): `users/XUI/directory.xml` lists each usage's documents with their entity tags. It has a
 * folder for every usage in which users can have documents, if only an empty one, so that a client finds the one that it asks for.
 */
export function xcapDirectory(others: readonly ApplicationUsage[], { documents, root }: DirectoryOptions): ApplicationUsage {
  return {
    auid: 'org.openmobilealliance.xcap-directory',
    defaultNamespace: XCAP_DIRECTORY,
    contentType: XCAP_DIRECTORY_TYPE,
    schema: XCAP_DIRECTORY,
    namespaces: [XCAP_DIRECTORY],
    isStored: () => false,
    async generated(key) {
      const { xui, name } = key;
      if (xui === undefined || name !== 'directory.xml') return undefined;
      const stored = others.filter((usage) => usage.isStored?.({ auid: usage.auid, xui, name: 'index' }) ?? true);
      const lists = await Promise.all(stored.map(({ auid }) => entriesOf(documents, auid, xui)));
      const base = root.replace(/\/$/, '');
      return directory(
        key,
        stored.map(({ auid }, index) => ({
          auid,
          entries: (lists[index] ?? []).map(({ key, etag, modified, size }) => ({
            uri: `${base}/${documentPath(key)}`,
            etag,
            modified,
            size,
          })),
        })),
      );
    },
  };
}

/** The texts can be many megabytes, of which nothing is told. */
function entriesOf(documents: DocumentStore, auid: string, xui: string): MaybePromise<readonly DocumentEntry[]> {
  if (documents.entries) return documents.entries(auid, xui);
  const sized = (list: readonly StoredDocument[]) => list.map((document) => ({ ...document, size: Buffer.byteLength(document.text) }));
  const list = documents.list(auid, xui);
  return list instanceof Promise ? list.then(sized) : sized(list);
}

function directory(key: DocumentKey, folders: readonly DirectoryFolder[]): StoredDocument {
  const text = writeXcapDirectory(folders);
  const etag = createHash('sha256').update(text).digest('base64url').slice(0, 22);
  // Made now: the latest date of what is listed would go back when that document is deleted.
  return { key, etag, text, modified: Date.now() };
}
