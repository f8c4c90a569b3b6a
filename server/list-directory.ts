import { type Entry, parseEntry, parseList, RESOURCE_LISTS, type ResourceList } from '../schemas/resource-lists.ts';
import { AS_STORED, readXml, XmlError } from '../schemas/xml/parse.ts';
import type { XmlDocument, XmlElement } from '../schemas/xml/tree.ts';
import { documentId, type ListDirectory, type ListReader, type Referred } from '../sip/rls/resolved-list.ts';
import type { DocumentService } from '../xcap/document-service.ts';
import type { DocumentKey, DocumentStore } from '../xcap/document-store.ts';
import { XcapConflict, XcapRefusal } from '../xcap/errors.ts';
import { readNode } from '../xcap/node-operations.ts';
import type { NodeSelector } from '../xcap/node-selector.ts';
import type { ServiceIndex } from '../xcap/usages/rls-services-index.ts';
import type { Logger } from './logger.ts';

/**
 * What the resource list server asks of the XCAP documents: which URIs are services, and what they refer to (RFC 4826 4.5).
 * @param root the path of the XCAP root that entry references are relative to
 */
export function listDirectory(
  services: ServiceIndex,
  service: DocumentService,
  documents: DocumentStore,
  root: string,
  log: Logger,
): ListDirectory {
  return {
    find: (uri) => services.find(uri),
    settled: () => services.settled(),
    open: (owner) => new OwnLists(owner, service, documents, root, log),
  };
}

/** The resource lists of one user, each document read once. */
class OwnLists implements ListReader {
  private readonly owner: string;
  private readonly service: DocumentService;
  private readonly store: DocumentStore;
  private readonly root: string;
  private readonly log: Logger;
  private readonly read = new Map<string, Promise<XmlDocument | 'unread' | undefined>>();

  constructor(owner: string, service: DocumentService, store: DocumentStore, root: string, log: Logger) {
    this.owner = owner;
    this.service = service;
    this.store = store;
    this.root = root.endsWith('/') ? root : `${root}/`;
    this.log = log;
  }

  /** A server has many names: what counts is that the path leads to a document of the owner's. */
  list(anchor: string): Promise<Referred<ResourceList> | undefined> {
    return this.find(anchor, 'list', parseList);
  }

  entry(ref: string): Promise<Referred<Entry> | undefined> {
    return this.find(this.root + ref, 'entry', parseEntry);
  }

  private async find<Found>(uri: string, local: string, parse: (element: XmlElement) => Found): Promise<Referred<Found> | undefined> {
    const target = locate(this.service, uri);
    if (target?.key.auid !== 'resource-lists' || target.key.xui !== this.owner) return undefined;
    const { key, selector } = target;
    const document = await this.document(key);
    if (document === 'unread') return { key, found: undefined, unread: true };
    const selected = document && readNode(document, selector);
    const isFound = selected?.kind === 'element' && selected.element.uri === RESOURCE_LISTS && selected.element.local === local;
    return { key, found: isFound ? parse(selected.element) : undefined };
  }

  private document(key: DocumentKey): Promise<XmlDocument | 'unread' | undefined> {
    const id = documentId(key);
    let document = this.read.get(id);
    if (!document) this.read.set(id, (document = this.load(key)));
    return document;
  }

  private async load(key: DocumentKey): Promise<XmlDocument | 'unread' | undefined> {
    const stored = await this.store.get(key);
    try {
      return stored && (await readXml(stored.text, AS_STORED));
    } catch (error) {
      if (!(error instanceof XmlError)) throw error;
      // No client could have stored it: no more is to fail than what came into the database otherwise.
      this.log.warn({ document: documentId(key), err: error }, 'a list document that cannot be read');
      return 'unread';
    }
  }
}

/** The document and the node in it that the URI names; undefined for a URI that names none here. */
function locate(service: DocumentService, uri: string): { readonly key: DocumentKey; readonly selector: NodeSelector } | undefined {
  try {
    const { key, node, usage } = service.locate(uri);
    return node && { key, selector: node.bind(usage.defaultNamespace) };
  } catch (error) {
    // Nobody checks what references name, and a root or a user may be gone since.
    if (error instanceof XcapRefusal || error instanceof XcapConflict) return undefined;
    throw error;
  }
}
