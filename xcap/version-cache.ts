import { GenerationCache } from '../schemas/generation-cache.ts';
import { documentId, type StoredDocument } from './document-store.ts';

interface Made<V> {
  readonly etag: string;
  readonly value: V;
}

/**
 * What was made of documents, of one version each: an entity tag never stands for other content, so that nothing here is ever stale.
 * The newest takes the place of the one before. Were each version an entry that comes and goes, the map would be made anew every few
 * edits, and the maps that were would keep what they held from the garbage collector until it looks at everything.
 */
export class VersionCache<V> {
  private readonly made: GenerationCache<Made<V>>;

  /** @param bound how many characters the values may have, of all documents; `length` gives those of one */
  constructor(bound: number, length: (value: V) => number) {
    this.made = new GenerationCache(bound, ({ value }) => length(value) + OVERHEAD);
  }

  get({ key, etag }: Pick<StoredDocument, 'key' | 'etag'>): V | undefined {
    const made = this.made.get(documentId(key));
    return made?.etag === etag ? made.value : undefined;
  }

  set({ key, etag }: Pick<StoredDocument, 'key' | 'etag'>, value: V): void {
    this.made.set(documentId(key), { etag, value });
  }

  delete({ key }: Pick<StoredDocument, 'key'>): void {
    this.made.delete(documentId(key));
  }
}

/** What an entry takes besides its text, in characters, about. */
const OVERHEAD = 200;
