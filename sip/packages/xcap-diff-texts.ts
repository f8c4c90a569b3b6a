/** The texts of document versions that watchers were told of, each once however many know it, and the patches between them. */
import { fitsInRound, LARGE, turn } from '../../schemas/turns.ts';
import { changedRange } from '../../schemas/xml/changed-part.ts';
import { AS_STORED, parseXml, readXml } from '../../schemas/xml/parse.ts';
import { createPatch, type Patch } from '../../schemas/xml/patch.ts';
import type { XmlDocument } from '../../schemas/xml/tree.ts';
import type { MaybePromise } from '../../xcap/document-store.ts';

/** Characters of texts kept, those of trees, and of the patches remembered. */
const KEPT_CHARACTERS = 32 * 1024 * 1024;
const TREE_CHARACTERS = 512 * 1024;
const REMEMBERED_PATCHES = 500;
/**
 * Longer documents are compared only where what differs lies within so many characters: their watchers fetch them otherwise. And of no more
 * than so many characters at a time, half as many where long documents are among them: who comes too late fetches the document.
 */
const LONGEST_COMPARED = 100_000;
const MOST_CHANGED = 40_000;
/** Comments, processing instructions and CDATA sections in a long document: each has to be looked at, wherever the change is. */
const MOST_ASIDES = 3000;
const MOST_WAITING = 8 * 1024 * 1024;

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
  private readonly comparing = new Map<string, Promise<Patch | undefined>>();
  private last: Promise<unknown> = Promise.resolve();
  /** Characters of the texts that are being compared. */
  private waiting = 0;

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

  /** The tree of a version: at once while there is not much to do in this round of the event loop, else in turns with everything else. */
  readTree(etag: string, text: string): MaybePromise<XmlDocument> {
    const known = this.trees.get(etag) ?? this.reading.get(etag);
    if (known) return known;
    return fitsInRound(text.length) ? this.tree(etag, text) : this.readLater(etag, text);
  }

  /**
   * The patch from one version to another, by the same rule; undefined when the watcher must fetch the document: none can be made, or it
   * would not be smaller. The promise never rejects.
   */
  patch(before: string, beforeText: string, after: string, afterText: string): MaybePromise<Patch | undefined> {
    const key = `${before} ${after}`;
    if (this.patches.has(key)) return this.patches.get(key);
    const comparing = this.comparing.get(key);
    if (comparing) return comparing;
    const isLong = Math.max(beforeText.length, afterText.length) > LONGEST_COMPARED;
    if (isLong && !isWorthComparing(beforeText, afterText)) return undefined;
    const characters = beforeText.length + afterText.length;
    if (fitsInRound(characters)) {
      return this.remember(key, createPatch(this.tree(before, beforeText), this.tree(after, afterText)));
    }
    if (this.waiting + characters > (isLong ? MOST_WAITING / 2 : MOST_WAITING)) return undefined;
    this.waiting += characters;
    // One after the other, so that however many there are, they take no more turns from everything else than one.
    const made = this.last
      .then(() => this.compareInTurns(before, beforeText, after, afterText))
      // What cannot be read is nothing to make a patch of.
      .catch(() => undefined)
      .then((patch) => {
        this.waiting -= characters;
        this.comparing.delete(key);
        return this.remember(key, patch);
      });
    this.comparing.set(key, made);
    this.last = made;
    return made;
  }

  private async compareInTurns(before: string, beforeText: string, after: string, afterText: string): Promise<Patch | undefined> {
    const old = this.trees.get(before) ?? (await this.readLater(before, beforeText));
    const fresh = this.trees.get(after) ?? (await this.readLater(after, afterText));
    await turn();
    return createPatch(old, fresh);
  }

  private remember(key: string, patch: Patch | undefined): Patch | undefined {
    if (this.patches.size >= REMEMBERED_PATCHES) this.patches.clear();
    this.patches.set(key, patch);
    return patch;
  }

  private tree(etag: string, text: string): XmlDocument {
    return this.trees.get(etag) ?? this.keep(etag, parseXml(text, AS_STORED));
  }

  private readLater(etag: string, text: string): Promise<XmlDocument> {
    let reading = this.reading.get(etag);
    if (!reading) {
      reading = turn()
        .then(() => (text.length > LARGE ? readXml(text, AS_STORED) : parseXml(text, AS_STORED)))
        .then((tree) => this.keep(etag, tree))
        .finally(() => this.reading.delete(etag));
      this.reading.set(etag, reading);
    }
    return reading;
  }

  private keep(etag: string, tree: XmlDocument): XmlDocument {
    const { length } = tree.source;
    if (length > TREE_CHARACTERS / 2) return tree;
    if (this.treeCharacters + length > TREE_CHARACTERS) {
      this.trees = new Map();
      this.treeCharacters = 0;
    }
    if (!this.trees.has(etag)) this.treeCharacters += length;
    this.trees.set(etag, tree);
    return tree;
  }
}

/** Of long texts. */
function isWorthComparing(before: string, after: string): boolean {
  const { start, endBefore, endAfter } = changedRange(before, after);
  if (endBefore - start + endAfter - start > MOST_CHANGED) return false;
  let asides = 0;
  for (const opening of ['<!', '<?']) {
    for (let at = after.indexOf(opening); at >= 0 && asides <= MOST_ASIDES; at = after.indexOf(opening, at + 2)) asides++;
  }
  return asides <= MOST_ASIDES;
}

/** Characters of a patch as it is sent, about. */
export function patchSize(patch: Patch | undefined): number {
  let size = 0;
  for (const { sel, content = '' } of patch?.operations ?? []) size += 40 + sel.length + content.length;
  return size;
}
