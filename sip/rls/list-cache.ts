/** The lists in memory, each as its documents make it, and which of them a change of a document concerns. */
import { isDeepStrictEqual } from 'node:util';
import type { DocumentKey } from '../../xcap/document-store.ts';
import { documentId, type ListDirectory, type ResolvedList } from './resolved-list.ts';

/** Lists that nobody subscribes to, kept for those who ask next. */
const UNHELD_LIMIT = 1000;

interface Loading {
  readonly done: Promise<void>;
  /** Documents that have changed meanwhile. */
  readonly changed: Set<string>;
}

export interface ListCacheOptions {
  readonly directory: ListDirectory;
  readonly resolve: (uri: string) => Promise<ResolvedList | undefined>;
  /** Brings into memory what the members' states need. */
  readonly prepare: (list: ResolvedList) => Promise<unknown>;
}

export class ListCache {
  private readonly lists = new Map<string, ResolvedList | undefined>();
  /** Lists to be read again before they are used. */
  private readonly stale = new Set<string>();
  private readonly loading = new Map<string, Loading>();
  /** URIs of the lists that may be changed in a document. */
  private readonly bySource = new Map<string, Set<string>>();
  /** How many subscriptions each list has. */
  private readonly holds = new Map<string, number>();
  private readonly options: ListCacheOptions;

  constructor(options: ListCacheOptions) {
    this.options = options;
  }

  /** The list with a canonical URI, once `ready` says so. */
  get(uri: string): ResolvedList | undefined {
    return this.lists.get(uri);
  }

  hold(uri: string): void {
    this.holds.set(uri, (this.holds.get(uri) ?? 0) + 1);
  }

  release(uri: string): void {
    const holds = (this.holds.get(uri) ?? 0) - 1;
    if (holds > 0) this.holds.set(uri, holds);
    else {
      this.holds.delete(uri);
      if (!this.lists.get(uri)) this.drop(uri);
    }
  }

  /** Undefined when the list is in memory as it is now. */
  ready(uri: string): Promise<void> | undefined {
    const loading = this.loading.get(uri);
    if (loading) return loading.done;
    const isKnown = !this.stale.has(uri) && (this.lists.get(uri) ?? (this.lists.has(uri) && !this.options.directory.find(uri)));
    if (isKnown) return undefined;
    const changed = new Set<string>();
    const done = this.load(uri, changed).finally(() => this.loading.delete(uri));
    this.loading.set(uri, { done, changed });
    return done;
  }

  /** The lists that the changed document may make others of. */
  changed(key: DocumentKey): Iterable<string> {
    const id = documentId(key);
    for (const { changed } of this.loading.values()) changed.add(id);
    const concerned = this.bySource.get(id);
    if (!concerned) return [];
    for (const uri of concerned) this.stale.add(uri);
    return [...concerned];
  }

  private async load(uri: string, changed: Set<string>): Promise<void> {
    let list: ResolvedList | undefined;
    do {
      changed.clear();
      list = await this.options.resolve(uri);
      if (list) await this.options.prepare(list);
    } while (isOutdated(list, changed));
    const before = this.lists.get(uri);
    this.stale.delete(uri);
    // A document has changed, but not this list: it stays the one that its subscriptions know.
    if (before && isDeepStrictEqual(before, list)) return;
    this.sweep();
    this.unlink(before, uri);
    this.lists.set(uri, list);
    for (const source of list?.sources ?? []) {
      const uris = this.bySource.get(source);
      if (uris) uris.add(uri);
      else this.bySource.set(source, new Set([uri]));
    }
  }

  private unlink(list: ResolvedList | undefined, uri: string): void {
    for (const source of list?.sources ?? []) {
      const uris = this.bySource.get(source);
      uris?.delete(uri);
      if (uris?.size === 0) this.bySource.delete(source);
    }
  }

  private drop(uri: string): void {
    this.unlink(this.lists.get(uri), uri);
    this.lists.delete(uri);
    this.stale.delete(uri);
  }

  private sweep(): void {
    if (this.lists.size < this.holds.size + UNHELD_LIMIT) return;
    for (const uri of [...this.lists.keys()]) if (!this.holds.has(uri)) this.drop(uri);
  }
}

/** Has a document changed from which the list was read, or which may have made it one? */
function isOutdated(list: ResolvedList | undefined, changed: ReadonlySet<string>): boolean {
  if (changed.size === 0) return false;
  return list ? list.sources.some((source) => changed.has(source)) : [...changed].some((id) => id.startsWith('rls-services '));
}
