/** The texts of document versions that watchers were told of, each once however many know it, and the patches between them. */
import { LARGE } from '../../schemas/turns.ts';
import { AS_STORED, parseXml, readXml } from '../../schemas/xml/parse.ts';
import { createPatch, type Patch } from '../../schemas/xml/patch.ts';
import type { XmlDocument } from '../../schemas/xml/tree.ts';

/** Characters of texts kept, those of trees, and of the patches remembered. */
const KEPT_CHARACTERS = 32 * 1024 * 1024;
const TREE_CHARACTERS = 512 * 1024;
const REMEMBERED_PATCHES = 500;
/** Longer documents are not compared: that would hold up everything else. */
const LONGEST_COMPARED = 100_000;
/** Characters of long documents that are compared in one turn of the event loop, however many watchers know however many versions. */
const COMPARED_IN_TURN = 2 * LONGEST_COMPARED;
const LONG = 16 * 1024;

interface Kept {
  readonly text: string;
  holders: number;
}

export class VersionTexts {
  private readonly kept = new Map<string, Kept>();
  private readonly patches = new Map<string, Patch | undefined>();
  private trees = new Map<string, XmlDocument>();
  private readonly reading = new Map<string, Promise<XmlDocument>>();
  private treeCharacters = 0;
  private characters = 0;
  private comparedInTurn = 0;

  /** Keeps the text of a version until it is released; false when there is no room for more. */
  hold(etag: string, text: string): boolean {
    const kept = this.kept.get(etag);
    if (kept) kept.holders++;
    else {
      if (this.characters + text.length > KEPT_CHARACTERS) return false;
      this.kept.set(etag, { text, holders: 1 });
      this.characters += text.length;
    }
    return true;
  }

  /** Once for each `hold` that was granted. */
  release(etag: string): void {
    const kept = this.kept.get(etag);
    if (!kept || --kept.holders > 0) return;
    this.kept.delete(etag);
    this.characters -= kept.text.length;
  }

  text(etag: string): string | undefined {
    return this.kept.get(etag)?.text;
  }

  /** The tree of a version. */
  tree(etag: string, text: string): XmlDocument {
    let tree = this.trees.get(etag);
    if (!tree) {
      tree = parseXml(text, AS_STORED);
      if (this.treeCharacters + text.length > TREE_CHARACTERS) {
        this.trees = new Map();
        this.treeCharacters = 0;
      }
      this.trees.set(etag, tree);
      this.treeCharacters += text.length;
    }
    return tree;
  }

  /** As `tree`, but a large text is read in turns with everything else. */
  readTree(etag: string, text: string): XmlDocument | Promise<XmlDocument> {
    if (text.length <= LARGE || this.trees.has(etag)) return this.tree(etag, text);
    let reading = this.reading.get(etag);
    if (!reading) {
      reading = Promise.resolve(readXml(text, AS_STORED)).finally(() => this.reading.delete(etag));
      this.reading.set(etag, reading);
    }
    return reading;
  }

  /** The patch from one version to another; undefined when the watcher must fetch the document: none can be made, or it would not be smaller. */
  patch(before: string, beforeText: string, after: string, afterText: string): Patch | undefined {
    const key = `${before} ${after}`;
    if (this.patches.has(key)) return this.patches.get(key);
    let patch: Patch | undefined;
    const longest = Math.max(beforeText.length, afterText.length);
    if (longest <= LONGEST_COMPARED) {
      // Whoever comes too late in this turn fetches the document; in another one it would have been compared.
      if (longest > LONG && !this.mayCompare(beforeText.length + afterText.length)) return undefined;
      patch = createPatch(this.tree(before, beforeText), this.tree(after, afterText));
    }
    if (this.patches.size >= REMEMBERED_PATCHES) this.patches.clear();
    this.patches.set(key, patch);
    return patch;
  }

  private mayCompare(characters: number): boolean {
    if (this.comparedInTurn + characters > COMPARED_IN_TURN) return false;
    if (this.comparedInTurn === 0) setImmediate(() => (this.comparedInTurn = 0));
    this.comparedInTurn += characters;
    return true;
  }
}

/** Characters of a patch as it is sent, about. */
export function patchSize(patch: Patch | undefined): number {
  let size = 0;
  for (const { sel, content = '' } of patch?.operations ?? []) size += 40 + sel.length + content.length;
  return size;
}
