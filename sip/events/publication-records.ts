import type { StateStore, StateTable } from '../core/state-store.ts';

/** A publication as it outlives the process. */
export interface StoredPublication {
  readonly resource: string;
  readonly contentType: string;
  readonly body: string;
  /** Rises with every publication made or modified. */
  readonly order: number;
  /** When it was made or modified last, in milliseconds since the epoch. */
  readonly publishedAt: number;
  readonly etag: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
  readonly held: boolean;
}

interface PublicationRecord extends Omit<StoredPublication, 'etag' | 'publishedAt' | 'held'> {
  /** Earlier versions stored each under its entity-tag, and not when it was made. */
  readonly etag?: string;
  readonly publishedAt?: number;
  readonly held?: true;
}

/** What a refresh changes, of the publication as `order` says it was then. */
interface RefreshRecord {
  readonly order: number;
  readonly etag: string;
  readonly expiresAt: number;
}

/**
 * The stored publications of one package, by an identifier that stays when the entity-tag changes. A refresh, which is what agents send
 * the most, stores no body again.
 */
export class PublicationRecords {
  private readonly publications: StateTable<PublicationRecord>;
  private readonly refreshes: StateTable<RefreshRecord>;

  constructor(state: StateStore, eventName: string) {
    this.publications = state.table(`publications-${eventName}`);
    this.refreshes = state.table(`publication-refreshes-${eventName}`);
  }

  *load(): Iterable<readonly [id: string, publication: StoredPublication]> {
    const refreshes = new Map(this.refreshes.load());
    for (const [id, record] of this.publications.load()) {
      const refresh = refreshes.get(id);
      const { etag = id, publishedAt = 0, held = false } = record;
      const latest = refresh?.order === record.order ? refresh : { etag, expiresAt: record.expiresAt };
      yield [id, { ...record, publishedAt, held, etag: latest.etag, expiresAt: latest.expiresAt }];
    }
  }

  put(id: string, { resource, contentType, body, order, publishedAt, etag, expiresAt, held }: StoredPublication): void {
    const record = { resource, contentType, body, order, publishedAt, etag, expiresAt };
    this.publications.put(id, held ? { ...record, held } : record);
  }

  /** The same publication goes on under another entity-tag. */
  refresh(id: string, { order, etag, expiresAt }: RefreshRecord): void {
    this.refreshes.put(id, { order, etag, expiresAt });
  }

  delete(id: string): void {
    this.publications.delete(id);
    this.refreshes.delete(id);
  }
}
