/** Where two texts of a document differ, and the innermost element of each in which all of that is. */
import type { XmlDocument, XmlElement } from './tree.ts';

/** What differs is from `start` on, up to an end in either text. */
export interface ChangedRange {
  readonly start: number;
  readonly endBefore: number;
  readonly endAfter: number;
}

/** Characters that are compared together before one of them is looked for. */
const BLOCK = 1024;

/** What is left of two texts without what they begin and end alike with. */
export function changedRange(before: string, after: string): ChangedRange {
  const most = Math.min(before.length, after.length);
  let start = 0;
  while (start + BLOCK <= most && before.slice(start, start + BLOCK) === after.slice(start, start + BLOCK)) start += BLOCK;
  while (start < most && before.charCodeAt(start) === after.charCodeAt(start)) start++;
  let [endBefore, endAfter] = [before.length, after.length];
  const room = (): number => Math.min(endBefore, endAfter) - start;
  while (room() >= BLOCK && before.slice(endBefore - BLOCK, endBefore) === after.slice(endAfter - BLOCK, endAfter)) {
    endBefore -= BLOCK;
    endAfter -= BLOCK;
  }
  while (room() > 0 && before.charCodeAt(endBefore - 1) === after.charCodeAt(endAfter - 1)) {
    endBefore--;
    endAfter--;
  }
  return { start, endBefore, endAfter };
}

export interface ChangedPart extends ChangedRange {
  readonly before: XmlElement;
  readonly after: XmlElement;
  /** Selects the element in both. */
  readonly sel: string;
}

/** The two elements whose tags are alike, and between whose tags all is that differs; the roots, where that is in no element of theirs. */
export function changedPart(before: XmlDocument, after: XmlDocument): ChangedPart {
  const range = changedRange(before.source, after.source);
  const { start, endBefore, endAfter } = range;
  let part: ChangedPart = { ...range, before: before.root, after: after.root, sel: '*' };
  for (;;) {
    const at = lastStartingBy(part.before.elements, start);
    const [a, b] = [part.before.elements[at], part.after.elements[at]];
    // Up to `start` both texts are read alike; behind it the element may end elsewhere.
    if (!a || !b || a.start !== b.start || a.selfClosing || b.selfClosing) return part;
    if (start < a.contentStart || endBefore > a.contentEnd || endAfter > b.contentEnd) return part;
    part = { ...range, before: a, after: b, sel: `${part.sel}/*[${at + 1}]` };
  }
}

interface Placed {
  readonly kind: string;
  readonly start: number;
  readonly end: number;
}

/** How many of the nodes in two elements stand before, and how many behind, all that differs: they are the same in both. */
export function unchangedAround(
  before: readonly Placed[],
  after: readonly Placed[],
  { start, endBefore, endAfter }: ChangedRange,
): { readonly lead: number; readonly trail: number } {
  const least = Math.min(before.length, after.length);
  let lead = 0;
  for (; lead < least; lead++) {
    const [a, b] = [before[lead], after[lead]];
    if (!a || !b || a.end > start || a.start !== b.start || a.end !== b.end || a.kind !== b.kind) break;
  }
  let trail = 0;
  const shift = endAfter - endBefore;
  for (; trail < least - lead; trail++) {
    const [a, b] = [before.at(-1 - trail), after.at(-1 - trail)];
    // What differs may put a part of what is alike into a comment.
    if (!a || !b || a.start < endBefore || a.start + shift !== b.start || a.end + shift !== b.end || a.kind !== b.kind) break;
  }
  return { lead, trail };
}

/** The index of the last element that starts at or before the place. */
function lastStartingBy(elements: readonly XmlElement[], place: number): number {
  let [from, to] = [0, elements.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((elements[middle]?.start ?? 0) <= place) from = middle + 1;
    else to = middle;
  }
  return from - 1;
}
