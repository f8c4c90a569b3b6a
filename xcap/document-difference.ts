import { fitsInRound } from '../schemas/turns.ts';
import { changedRange } from '../schemas/xml/changed-part.ts';
import { parseXml, XmlError } from '../schemas/xml/parse.ts';
import { inScopeNamespaces, type XmlDocument, type XmlElement } from '../schemas/xml/tree.ts';
import type { TreeLimits } from './node-operations.ts';
import type { Range } from './schema-excerpt.ts';
import { editChildren } from './tree-edit.ts';

/**
 * A whole document put in the place of one that it differs from in a single element, as the change of that element. Many clients know
 * no other way to change anything: what stayed as it was has been read and looked at before.
 */
export interface Difference {
  /** The new text and its tree. */
  readonly document: XmlDocument;
  /** The changed element's place in it. */
  readonly changed: Range;
}

/**
 * Gives undefined where the new text is to be read from its beginning: because more than a part of an element below the root is new,
 * or because it is not well-formed, about which only a reading of the whole can say where.
 */
export function differenceOf(stored: XmlDocument, text: string, { depth, nodes }: TreeLimits): Difference | undefined {
  // `<a/>` is the shortest element, ` a=""` the shortest attribute: the nodes need not be counted.
  if (text.length > nodes * 4) return undefined;
  const { source } = stored;
  const growth = text.length - source.length;
  const { start, endBefore: end } = changedRange(source, text);
  const { element, level } = innermost(stored.root, start, end);
  const { parent } = element;
  const length = element.end + growth - element.start;
  if (!parent || length * 2 > text.length || !fitsInRound(length)) return undefined;
  const part = text.slice(element.start, element.end + growth);
  let inserted: XmlElement;
  try {
    inserted = parseXml(part, { maxDepth: depth - level, maxNodes: nodes, namespaces: inScopeNamespaces(parent) }).root;
  } catch (error) {
    if (error instanceof XmlError) return undefined;
    throw error;
  }
  // Or it is no longer one element from end to end: the rest of the text would not be what it was.
  if (inserted.start !== 0 || inserted.end !== part.length) return undefined;
  const splice = { start: element.start, end: element.end, text: part };
  const { root } = editChildren(stored, { parent, splice, removed: element, inserted, lead: 0 });
  return { document: { source: text, root }, changed: { start: element.start, end: element.start + part.length } };
}

/** The innermost element within which the range lies, its first and last character outside of it; the root if there is none. */
function innermost(root: XmlElement, start: number, end: number): { readonly element: XmlElement; readonly level: number } {
  let element = root;
  let level = 0;
  for (let inner: XmlElement | undefined = root; inner; level++) {
    element = inner;
    inner = element.elements.find((child) => child.start < start && end < child.end);
  }
  return { element, level: level - 1 };
}
