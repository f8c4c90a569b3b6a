/**
 * Presence that outlasts every agent (RFC 4827, RFC 3903 3: hard state): the document that a user keeps by XCAP, read as it changes.
 */
import { type PresenceDocument, readStoredPidf } from '../../schemas/pidf.ts';
import { XmlError } from '../../schemas/xml/parse.ts';
import type { DocumentChange, DocumentKey, DocumentStore, MaybePromise, StoredDocument } from '../../xcap/document-store.ts';

const AUID = 'pidf-manipulation';
/** RFC 4827 9: each user has one document, of this name. */
const NAME = 'index';

/** Presentities whose documents, or whose want of one, are kept in memory; the first read go first. */
const LIMIT = 50_000;

export class HardState {
  private readonly known = new Map<string, PresenceDocument | undefined>();
  private readonly loading = new Map<string, Promise<void>>();
  /** Presentities whose documents changed while they were being read. */
  private readonly stale = new Set<string>();
  private readonly documents: DocumentStore;

  constructor(documents: DocumentStore) {
    this.documents = documents;
  }

  /** Reads the presentity's document; undefined when it is in memory. */
  ready(presentity: string): Promise<void> | undefined {
    if (this.known.has(presentity)) return undefined;
    let loading = this.loading.get(presentity);
    if (!loading) {
      const found = this.tryToRead(presentity);
      if (!(found instanceof Promise)) {
        this.keep(presentity, found);
        return undefined;
      }
      loading = this.load(presentity, found).finally(() => this.loading.delete(presentity));
      this.loading.set(presentity, loading);
    }
    return loading;
  }

  /** What the presentity has stored. Must only be called once `ready` has said that it is in memory. */
  document(presentity: string): PresenceDocument | undefined {
    if (this.ready(presentity)) throw new Error(`the hard state of ${presentity} is not in memory`);
    return this.known.get(presentity);
  }

  /** The presentity whose hard state the change makes another one; undefined for other documents. */
  changed({ key }: DocumentChange): string | undefined {
    if (key.xui === undefined || key.auid !== AUID || key.name !== NAME) return undefined;
    this.known.delete(key.xui);
    if (this.loading.has(key.xui)) this.stale.add(key.xui);
    return key.xui;
  }

  private async load(presentity: string, first: Promise<PresenceDocument | undefined>): Promise<void> {
    let state = await first;
    while (this.stale.delete(presentity)) state = await this.read(presentity);
    this.keep(presentity, state);
  }

  /** Fails only where it is waited for: whoever asks has more to wait for. */
  private tryToRead(presentity: string): MaybePromise<PresenceDocument | undefined> {
    try {
      return this.read(presentity);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  private read(presentity: string): MaybePromise<PresenceDocument | undefined> {
    const found = this.documents.get(keyOf(presentity));
    return found instanceof Promise ? found.then(parse) : parse(found);
  }

  private keep(presentity: string, state: PresenceDocument | undefined): void {
    if (this.known.size >= LIMIT) {
      const [oldest] = this.known.keys();
      if (oldest !== undefined) this.known.delete(oldest);
    }
    this.known.set(presentity, state);
  }
}

function keyOf(presentity: string): DocumentKey {
  return { auid: AUID, xui: presentity, name: NAME };
}

function parse(stored: StoredDocument | undefined): MaybePromise<PresenceDocument | undefined> {
  if (!stored) return undefined;
  try {
    const state = readStoredPidf(stored.text);
    return state instanceof Promise ? state.catch(ignoreFault) : state;
  } catch (error) {
    return ignoreFault(error);
  }
}

/** No client could have stored it: nobody's presence is to fail for what came into the database otherwise. */
function ignoreFault(error: unknown): undefined {
  if (!(error instanceof XmlError)) throw error;
}
