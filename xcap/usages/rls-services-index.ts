import { createHash } from 'node:crypto';
import { canonicalAddress } from '../../schemas/address.ts';
import { parseRlsServices, RLS_SERVICES, type Service } from '../../schemas/rls-services.ts';
import { escapeAttribute } from '../../schemas/xml/escape.ts';
import { parseXml } from '../../schemas/xml/parse.ts';
import { lookupNamespace, type XmlDocument, type XmlElement } from '../../schemas/xml/tree.ts';
import type { Reservation } from '../application-usage.ts';
import type { DocumentChange, DocumentKey, DocumentStore, StoredDocument } from '../document-store.ts';

/** A service and where it is defined. */
export interface IndexedService {
  /** Canonical address of the user whose document it is in. */
  readonly owner: string;
  readonly service: Service;
  readonly key: DocumentKey;
}

/** The services of one document. */
interface ServiceDocument {
  readonly owner: string;
  readonly key: DocumentKey;
  readonly document: XmlDocument;
  readonly services: readonly Service[];
  readonly modified: number;
}

/**
 * All RLS services of all users, by canonical URI: kept as the store's documents change, asked by the resource list server
 * for what a URI is, and by the usage for whether a URI is free (RFC 4826 4.4.5, 4.4.7).
 */
export class ServiceIndex {
  private readonly documents = new Map<string, ServiceDocument>();
  private readonly byUri = new Map<string, IndexedService>();
  /** URIs that writes under way will take: to the document they are for. */
  private readonly reserved = new Map<string, string>();
  /** What such a write is of, so that it need not be parsed again. */
  private readonly arriving = new Map<string, Pick<ServiceDocument, 'document' | 'services'>>();
  /** Documents being read again, each with the last change of it that is known. */
  private readonly refreshing = new Map<string, { seq: number; done: Promise<void> }>();
  private readonly store: DocumentStore;
  private readonly unfollow: () => void;
  private union: StoredDocument | undefined;

  private constructor(store: DocumentStore) {
    this.store = store;
    this.unfollow = store.onChange((change) => this.follow(change));
  }

  /** Reads all rls-services documents of the store and follows its changes from then on. */
  static async open(store: DocumentStore): Promise<ServiceIndex> {
    const index = new ServiceIndex(store);
    for (const stored of await store.listAll('rls-services')) {
      const id = documentId(stored.key);
      if (!index.refreshing.has(id) && !index.documents.has(id)) index.put(stored);
    }
    await Promise.all([...index.refreshing.values()].map(({ done }) => done));
    return index;
  }

  close(): void {
    this.unfollow();
  }

  /** The service behind a URI. Only documents named `index` define services (RFC 4826 4.4.7). */
  find(uri: string): IndexedService | undefined {
    const found = this.byUri.get(canonicalAddress(uri));
    return found?.key.name === 'index' ? found : undefined;
  }

  /** Whether another document than `key` has the URI, or is about to. */
  isTaken(canonical: string, key: DocumentKey): boolean {
    const id = documentId(key);
    const owner = this.byUri.get(canonical);
    if (owner && documentId(owner.key) !== id) return true;
    const reserved = this.reserved.get(canonical);
    return reserved !== undefined && reserved !== id;
  }

  /** Keeps the URIs of services, known not to be taken, for the document they are in until its write has ended and is known here. */
  reserve(document: XmlDocument, services: readonly Service[], key: DocumentKey): Reservation {
    const id = documentId(key);
    for (const { canonical } of services) this.reserved.set(canonical, id);
    this.arriving.set(id, { document, services });
    const drop = () => {
      for (const { canonical } of services) this.reserved.delete(canonical);
      this.arriving.delete(id);
    };
    return {
      release: () => {
        const refresh = this.refreshing.get(id);
        if (refresh) refresh.done.then(drop, drop);
        else drop();
      },
    };
  }

  /** The document of RFC 4826 4.4.7: the union of all users' `index` documents, each service as it stands in its source. */
  globalIndex(): StoredDocument {
    this.union ??= this.makeUnion();
    return this.union;
  }

  private follow({ seq, key, newEtag }: DocumentChange): void {
    if (key.auid !== 'rls-services') return;
    const id = documentId(key);
    const found = newEtag === undefined ? undefined : this.store.get(key);
    if (!(found instanceof Promise)) {
      this.refreshing.delete(id);
      this.replace(id, found);
      return;
    }
    const done = found.then((stored) => {
      // A later change has been heard of meanwhile: what it found is newer.
      if (this.refreshing.get(id)?.seq !== seq) return;
      this.refreshing.delete(id);
      this.replace(id, stored);
    });
    this.refreshing.set(id, { seq, done });
  }

  private replace(id: string, stored: StoredDocument | undefined): void {
    for (const { canonical } of this.documents.get(id)?.services ?? []) {
      const indexed = this.byUri.get(canonical);
      if (indexed && documentId(indexed.key) === id) this.byUri.delete(canonical);
    }
    this.documents.delete(id);
    this.union = undefined;
    if (stored) this.put(stored);
  }

  private put({ key, text, modified }: StoredDocument): void {
    const owner = key.xui;
    if (owner === undefined) return;
    const id = documentId(key);
    const arriving = this.arriving.get(id);
    const { document, services } = arriving?.document.source === text ? arriving : parse(text);
    this.documents.set(id, { owner, key, document, services, modified });
    for (const service of services) this.byUri.set(service.canonical, { owner, service, key });
  }

  private makeUnion(): StoredDocument {
    let text = `<?xml version="1.0" encoding="UTF-8"?>\n<rls-services xmlns="${RLS_SERVICES}">\n`;
    let modified = 0;
    const indexes = [...this.documents.values()].filter(({ key }) => key.name === 'index').sort((a, b) => (a.owner < b.owner ? -1 : 1));
    for (const { document, services, modified: when } of indexes) {
      for (const source of standaloneAll(document, services)) text += `${source}\n`;
      modified = Math.max(modified, when);
    }
    text += '</rls-services>\n';
    const etag = createHash('sha256').update(text).digest('base64url').slice(0, 22);
    return { key: { auid: 'rls-services', xui: undefined, name: 'index' }, etag, text, modified };
  }
}

function parse(text: string): Pick<ServiceDocument, 'document' | 'services'> {
  // Its depth was bounded when it was stored.
  const document = parseXml(text, { maxDepth: Number.POSITIVE_INFINITY });
  return { document, services: parseRlsServices(document) };
}

/**
 * Each service's source with the bindings it has from its ancestors, so that it means the same in another document.
 * One binding of the root can be as long as the document and be needed by every service: what the bindings add to a document is
 * bounded by a multiple of its length, and services beyond that are left out.
 */
function standaloneAll(document: XmlDocument, services: readonly Service[]): string[] {
  let room = document.source.length * DECLARATIONS_FACTOR + DECLARATIONS_LEAST;
  const sources: string[] = [];
  for (const { element } of services) {
    const declarations = missingDeclarations(document, element);
    if (declarations.length > room) continue;
    room -= declarations.length;
    const afterName = element.start + 1 + element.name.length;
    sources.push(document.source.slice(element.start, afterName) + declarations + document.source.slice(afterName, element.end));
  }
  return sources;
}

const DECLARATIONS_FACTOR = 4;
const DECLARATIONS_LEAST = 4096;

/** Declarations of the prefixes that occur in the element and are bound outside of it only. */
function missingDeclarations({ source }: XmlDocument, element: XmlElement): string {
  const { parent } = element;
  if (!parent) return '';
  let declarations = '';
  for (const prefix of prefixesIn(source, element.start, element.end)) {
    const uri = prefix === 'xml' || element.declarations?.has(prefix) ? undefined : lookupNamespace(parent, prefix);
    if (uri !== undefined) declarations += ` xmlns:${prefix}="${escapeAttribute(uri)}"`;
  }
  if (element.declarations?.has('')) return declarations;
  const uri = lookupNamespace(parent, '') ?? '';
  return uri === RLS_SERVICES ? declarations : `${declarations} xmlns="${escapeAttribute(uri)}"`;
}

/** Whatever may be a prefix in the text between two offsets: in a name, or in a value that holds one. */
function prefixesIn(text: string, from: number, to: number): Set<string> {
  const prefixes = new Set<string>();
  for (let colon = text.indexOf(':', from); colon >= 0 && colon < to; colon = text.indexOf(':', colon + 1)) {
    let start = colon;
    while (start > from && isNameCharacter(text.charCodeAt(start - 1))) start--;
    prefixes.add(text.slice(start, colon));
  }
  return prefixes;
}

/** As far as it tells a prefix from what stands before it. */
function isNameCharacter(code: number): boolean {
  return (
    code >= 128 || (code >= 48 && code <= 57) || ((code | 32) >= 97 && (code | 32) <= 122) || code === 95 || code === 45 || code === 46
  );
}

function documentId({ xui, name }: DocumentKey): string {
  return `${xui?.length ?? ''}/${xui ?? ''}/${name}`;
}
