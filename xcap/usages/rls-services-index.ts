import { canonicalAddress } from '../../schemas/address.ts';
import { readRlsServices, type Service } from '../../schemas/rls-services.ts';
import { AS_STORED, readXml, XmlError } from '../../schemas/xml/parse.ts';
import type { XmlDocument } from '../../schemas/xml/tree.ts';
import type { Reservation } from '../application-usage.ts';
import type { DocumentChange, DocumentKey, DocumentStore, MaybePromise, StoredDocument } from '../document-store.ts';
import { ServiceUnion, type UnionPart } from './rls-services-union.ts';

/** A service and where it is defined. */
export interface IndexedService {
  /** Canonical address of the user whose document it is in. */
  readonly owner: string;
  readonly service: Service;
  readonly key: DocumentKey;
}

/** The services of one document. */
interface ServiceDocument extends UnionPart {
  readonly key: DocumentKey;
}

/**
 * All RLS services of all users, by canonical URI: kept as the store's documents change, asked by the resource list server
 * for what a URI is, and by the usage for whether a URI is free (RFC 4826 4.4.5, 4.4.7).
 */
export class ServiceIndex {
  private readonly documents = new Map<string, ServiceDocument>();
  private readonly byUri = new Map<string, IndexedService>();
  /** URIs that writes under way will take: the document they are for, and by how many of its writes. */
  private readonly reserved = new Map<string, { readonly id: string; holds: number }>();
  /** What such a write is of, so that it need not be parsed again. */
  private readonly arriving = new Map<string, Pick<ServiceDocument, 'document' | 'services'>>();
  /** Documents being read again, each with the last change of it that is known, and whether the store has given it already. */
  private readonly refreshing = new Map<string, { seq: number; done: Promise<void>; isHere: boolean }>();
  private readonly store: DocumentStore;
  private readonly unread: (key: DocumentKey, error: XmlError) => void;
  private readonly unfollow: () => void;
  private readonly union = new ServiceUnion();

  private constructor(store: DocumentStore, unread: ServiceIndex['unread']) {
    this.store = store;
    this.unread = unread;
    this.unfollow = store.onChange((change) => this.follow(change));
  }

  /** Reads all rls-services documents of the store and follows its changes from then on. `unread` is told of those that cannot be read. */
  static async open(store: DocumentStore, unread: ServiceIndex['unread'] = () => {}): Promise<ServiceIndex> {
    const index = new ServiceIndex(store, unread);
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

  /** Resolves once the documents that have changed, as far as is known now, are read; undefined when they are. */
  settled(): Promise<void> | undefined {
    if (this.refreshing.size === 0) return undefined;
    return Promise.all([...this.refreshing.values()].map(({ done }) => done)).then(() => {});
  }

  /** Whether another document than `key` has the URI, or is about to. */
  isTaken(canonical: string, key: DocumentKey): boolean {
    const id = documentId(key);
    const owner = this.byUri.get(canonical);
    if (owner && documentId(owner.key) !== id) return true;
    const reserved = this.reserved.get(canonical);
    return reserved !== undefined && reserved.id !== id;
  }

  /** Whether the document has the URI already. */
  has(canonical: string, key: DocumentKey): boolean {
    const owner = this.byUri.get(canonical);
    return owner !== undefined && documentId(owner.key) === documentId(key);
  }

  /** Keeps the URIs of services, known not to be taken, for the document they are in until its write has ended and is known here. */
  reserve(document: XmlDocument, services: readonly Service[], key: DocumentKey): Reservation {
    const id = documentId(key);
    for (const { canonical } of services) {
      const reserved = this.reserved.get(canonical);
      if (reserved?.id === id) reserved.holds++;
      else this.reserved.set(canonical, { id, holds: 1 });
    }
    const arriving = { document, services };
    this.arriving.set(id, arriving);
    const drop = () => {
      for (const { canonical } of services) {
        const reserved = this.reserved.get(canonical);
        // What a later write of the document has reserved as well stays so until that one has ended too.
        if (reserved?.id === id && --reserved.holds === 0) this.reserved.delete(canonical);
      }
      if (this.arriving.get(id) === arriving) this.arriving.delete(id);
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
  globalIndex(): MaybePromise<StoredDocument> {
    return this.union.document();
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
    const before = this.documents.get(id);
    for (const { canonical } of before?.services ?? []) {
      const indexed = this.byUri.get(canonical);
      if (indexed && documentId(indexed.key) === id) this.byUri.delete(canonical);
    }
    this.documents.delete(id);
    if (before?.key.name === 'index' && !known) this.union.remove(before.owner);
    if (known) this.put(known);
  }

  private put(known: ServiceDocument): void {
    const { key, owner } = known;
    this.documents.set(documentId(key), known);
    if (key.name === 'index') this.union.put(known);
    for (const service of known.services) this.byUri.set(service.canonical, { owner, service, key });
  }

  /** What a stored document defines; nothing without a user. A large one is read in turns. */
  private read({ key, text, etag, modified }: StoredDocument): MaybePromise<ServiceDocument | undefined> {
    const owner = key.xui;
    if (owner === undefined) return undefined;
    const arriving = this.arriving.get(documentId(key));
    if (arriving?.document.source === text) return { owner, key, etag, modified, ...arriving };
    const know = (document: XmlDocument): MaybePromise<ServiceDocument> => {
      const services = readRlsServices(document);
      const made = (ready: readonly Service[]) => ({ owner, key, etag, modified, document, services: ready });
      return services instanceof Promise ? services.then(made) : made(services);
    };
    // No client could have stored it: no other user's services are to fail for what came into the database otherwise.
    const skip = (error: unknown): undefined => {
      if (!(error instanceof XmlError)) throw error;
      this.unread(key, error);
    };
    try {
      const document = readXml(text, AS_STORED);
      return document instanceof Promise ? document.then(know).catch(skip) : know(document);
    } catch (error) {
      return skip(error);
    }
  }
}

function documentId({ xui, name }: DocumentKey): string {
  return `${xui?.length ?? ''}/${xui ?? ''}/${name}`;
}
