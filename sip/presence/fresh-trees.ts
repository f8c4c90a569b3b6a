import type { XmlDocument } from '../../schemas/xml/tree.ts';
import type { StoredDocument } from '../../xcap/document-store.ts';

/** What documents read as that have been stored in this turn of the event loop: who follows them at once need not read them again. */
export class FreshTrees {
  private trees: { readonly etag: string; readonly tree: XmlDocument }[] = [];
  private readonly drop = (): void => {
    this.trees = [];
  };

  /** Until the turn is over. @param etag of the version that reads so */
  keep(etag: string, tree: XmlDocument): void {
    if (this.trees.length === 0) setImmediate(this.drop);
    this.trees.push({ etag, tree });
  }

  of({ etag }: StoredDocument): XmlDocument | undefined {
    for (let i = this.trees.length - 1; i >= 0; i--) if (this.trees[i]?.etag === etag) return this.trees[i]?.tree;
    return undefined;
  }
}
