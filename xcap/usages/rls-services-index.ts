import { createHash } from 'node:crypto';
import { canonicalAddress } from '../../schemas/address.ts';
import { parseRlsServices, RLS_SERVICES, type Service } from '../../schemas/rls-services.ts';
import { escapeAttribute } from '../../schemas/xml/escape.ts';
import { AS_STORED, readXml } from '../../schemas/xml/parse.ts';
import { lookupNamespace, type XmlDocument, type XmlElement } from '../../schemas/xml/tree.ts';
import type { Reservation } from '../application-usage.ts';
import type { DocumentChange, DocumentKey, DocumentStore, MaybePromise, StoredDocument } from '../document-store.ts';

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
  /** Documents being read again, each with the last change of it that is known, and whether the store has given it already. */
  private readonly refreshing = new Map<string, { seq: number; done: Promise<void>; isHere: boolean }>();
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
      if (index.refreshing.has(id) || index.documents.has(id)) continue;
      const found = index.read(stored);
      const known = found instanceof Promise ? await found : found;
      if (known && !index.refreshing.has(id) && !index.documents.has(id)) index.put(known);
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

  /** Whether the document has the URI already. */
  has(canonical: string, key: DocumentKey): boolean {
    const owner = this.byUri.get(canonical);
    return owner !== undefined && documentId(owner.key) === documentId(key);
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
        if (!refresh) return drop();
        const known = refresh.done.then(drop, drop);
        return refresh.isHere ? known : undefined;
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
    const settle = (known: ServiceDocument | undefined) => {
      // A later change has been heard of meanwhile: what it found is newer.
      if (this.refreshing.get(id)?.seq !== seq) return;
      this.refreshing.delete(id);
      this.replace(id, known);
    };
    const stored = newEtag === undefined ? undefined : this.store.get(key);
    if (stored instanceof Promise) {
      const done = stored.then((late) => {
        const known = late && this.read(late);
        return known instanceof Promise ? known.then(settle) : settle(known);
      });
      this.refreshing.set(id, { seq, done, isHere: false });
      return;
    }
    const known = stored && this.read(stored);
    this.refreshing.delete(id);
    if (known instanceof Promise) this.refreshing.set(id, { seq, done: known.then(settle), isHere: true });
    else this.replace(id, known);
  }

  private replace(id: string, known: ServiceDocument | undefined): void {
    for (const { canonical } of this.documents.get(id)?.services ?? []) {
      const indexed = this.byUri.get(canonical);
      if (indexed && documentId(indexed.key) === id) this.byUri.delete(canonical);
    }
    this.documents.delete(id);
    this.union = undefined;
    if (known) this.put(known);
  }

  private put(known: ServiceDocument): void {
    const { key, owner } = known;
    this.documents.set(documentId(key), known);
    for (const service of known.services) this.byUri.set(service.canonical, { owner, service, key });
  }

  /** What a stored document defines; nothing without a user. A large one is read in turns. */
  private read({ key, text, modified }: StoredDocument): MaybePromise<ServiceDocument | undefined> {
    const owner = key.xui;
    if (owner === undefined) return undefined;
    const arriving = this.arriving.get(documentId(key));
    if (arriving?.document.source === text) return { owner, key, modified, ...arriving };
    const know = (document: XmlDocument) => ({ owner, key, modified, document, services: parseRlsServices(document) });
    const document = readXml(text, AS_STORED);
    return document instanceof Promise ? document.then(know) : know(document);
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
