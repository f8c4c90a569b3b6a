import { AS_STORED, parseXml } from '../schemas/xml/parse.ts';
import { inScopeNamespaces, type XmlAttribute, type XmlDocument, type XmlElement, type XmlText } from '../schemas/xml/tree.ts';

/**
 * Edits of an offset tree: each gives the tree of the edited text, made of the old tree and of what was put, without parsing
 * the text again. The old tree stays as it is.
 */

/** Replaces the source between two offsets. */
export interface Splice {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** A change of one element's children: one is taken out, or put in, or both. */
export interface ChildEdit {
  /** Undefined: the document node, whose one child is the root element. */
  readonly parent: XmlElement | undefined;
  readonly splice: Splice;
  readonly removed: XmlElement | undefined;
  /** Root of a tree of its own. */
  readonly inserted: XmlElement | undefined;
  /** Where the inserted element begins in the splice's text. */
  readonly lead: number;
}

type Fresh = { -readonly [K in keyof XmlElement]: XmlElement[K] };
type Building = Fresh & { children: (XmlElement | XmlText)[]; elements: XmlElement[] };

/** The document after a change of children. An element put where none is taken out stands where the splice is. */
export function editChildren(document: XmlDocument, edit: ChildEdit): XmlDocument {
  const { parent, splice, inserted } = edit;
  const source = splicedSource(document, splice);
  if (!parent) {
    const root = inserted && copy(inserted, undefined, splice.start + edit.lead - inserted.start);
    return { source, root: root ?? document.root };
  }
  return { source, root: rebuild(document.root, undefined, parent, splice, (fresh) => changeChildren(fresh, parent, edit)) };
}

/** The document after a change within an element's start tag, behind its name. Throws XmlError if that leaves no start tag. */
export function editStartTag(document: XmlDocument, element: XmlElement, splice: Splice): XmlDocument {
  const source = splicedSource(document, splice);
  const delta = growth(splice);
  return { source, root: rebuild(document.root, undefined, element, splice, (fresh) => changeStartTag(fresh, element, source, delta)) };
}

/** Copies the elements around the splice down to `target`, which `change` makes anew, and all others as they are. */
function rebuild(
  element: XmlElement,
  parent: XmlElement | undefined,
  target: XmlElement,
  splice: Splice,
  change: (fresh: Building) => void,
): XmlElement {
  const fresh = empty(element, parent, 0, growth(splice)) as Building;
  fresh.children = [];
  fresh.elements = [];
  if (element === target) {
    change(fresh);
    return fresh;
  }
  for (const child of element.children) {
    if (child.kind === 'text') fresh.children.push(child);
    else if (child.end <= splice.start) adopt(fresh, copy(child, fresh, 0));
    else if (child.start >= splice.end) adopt(fresh, copy(child, fresh, growth(splice)));
    else adopt(fresh, rebuild(child, fresh, target, splice, change));
  }
  return fresh;
}

function changeChildren(fresh: Building, parent: XmlElement, { splice, removed, inserted, lead }: ChildEdit): void {
  let waiting = inserted;
  const insert = () => {
    if (waiting) adopt(fresh, copy(waiting, fresh, splice.start + lead - waiting.start));
    waiting = undefined;
  };
  for (const child of parent.children) {
    if (child.kind === 'text') fresh.children.push(child);
    else if (child === removed) insert();
    else if (child.end <= splice.start) {
      adopt(fresh, copy(child, fresh, 0));
      if (child.end === splice.start && !removed) insert();
    } else {
      if (!removed) insert();
      adopt(fresh, copy(child, fresh, growth(splice)));
    }
  }
  insert();
  if (parent.selfClosing) {
    // `<x/>` has become `<x>...</x>`.
    fresh.selfClosing = false;
    fresh.contentStart = splice.start + lead;
    fresh.contentEnd = fresh.end - `</${parent.name}>`.length;
  }
}

function changeStartTag(fresh: Building, element: XmlElement, source: string, delta: number): void {
  const contentStart = element.contentStart + delta;
  const tag = source.slice(element.start, contentStart);
  const namespaces = element.parent ? inScopeNamespaces(element.parent) : new Map<string, string>();
  const { root } = parseXml(element.selfClosing ? tag : `${tag.slice(0, -1)}/>`, { ...AS_STORED, namespaces });
  fresh.attributes = root.attributes.map((a) => shifted(a, element.start));
  fresh.declarations = root.declarations;
  fresh.contentStart = contentStart;
  for (const child of element.children) {
    if (child.kind === 'text') fresh.children.push(child);
    else adopt(fresh, copy(child, fresh, delta));
  }
}

function copy(element: XmlElement, parent: XmlElement | undefined, shift: number): XmlElement {
  const fresh = empty(element, parent, shift, shift);
  const { children, elements } = element;
  if (elements.length === 0) {
    // Text does not know where it stands: both trees can have it.
    fresh.children = children;
    return fresh;
  }
  fresh.elements = elements.map((child) => copy(child, fresh, shift));
  let next = 0;
  fresh.children =
    children.length === elements.length
      ? fresh.elements
      : children.map((child) => (child.kind === 'text' ? child : (fresh.elements[next++] ?? child)));
  return fresh;
}

/** The element without its children, the offsets of its start tag moved by `shift`, those of its end by `endShift`. */
function empty(element: XmlElement, parent: XmlElement | undefined, shift: number, endShift: number): Fresh {
  return {
    kind: 'element',
    name: element.name,
    prefix: element.prefix,
    local: element.local,
    uri: element.uri,
    attributes: shift === 0 ? element.attributes : element.attributes.map((a) => shifted(a, shift)),
    declarations: element.declarations,
    parent,
    children: NONE,
    elements: NONE,
    start: element.start + shift,
    contentStart: element.contentStart + (element.selfClosing ? endShift : shift),
    contentEnd: element.contentEnd + endShift,
    end: element.end + endShift,
    selfClosing: element.selfClosing,
  };
}

const NONE: readonly never[] = [];

function shifted({ name, prefix, local, uri, value, start, end, valueStart, valueEnd }: XmlAttribute, shift: number): XmlAttribute {
  return {
    name,
    prefix,
    local,
    uri,
    value,
    start: start + shift,
    end: end + shift,
    valueStart: valueStart + shift,
    valueEnd: valueEnd + shift,
  };
}

function adopt(parent: Building, child: XmlElement): void {
  parent.children.push(child);
  parent.elements.push(child);
}

function growth({ start, end, text }: Splice): number {
  return text.length - (end - start);
}

function splicedSource({ source }: XmlDocument, { start, end, text }: Splice): string {
  return source.slice(0, start) + text + source.slice(end);
}
