import { escapeAttribute } from '../schemas/xml/escape.ts';
import { decodeUtf8, MAX_TAG, type ParseOptions, parseXml, readXml, XmlError } from '../schemas/xml/parse.ts';
import { inScopeNamespaces, lookupNamespace, type XmlAttribute, type XmlDocument, type XmlElement } from '../schemas/xml/tree.ts';
import { chooseIndexed } from './child-index.ts';
import { XcapConflict, XcapRefusal } from './errors.ts';
import type { ExpandedName, NodeSelector, Step, Terminal } from './node-selector.ts';
import { editChildren, editStartTag } from './tree-edit.ts';

/**
 * The nodes of a document: selected on its offset tree (RFC 4825 6.3) and changed by splices of its source (8.2.3, 8.2.4, 8.4),
 * so that not a character of anything else changes.
 */

export type Selection =
  | { readonly kind: 'element'; readonly element: XmlElement }
  | { readonly kind: 'attribute'; readonly element: XmlElement; readonly attribute: XmlAttribute }
  | { readonly kind: 'namespaces'; readonly element: XmlElement };

type AttributeSelector = Terminal & { kind: 'attribute' };

/** A document in which a node was put, and where in its source that node stands (an attribute's value without the quotes). */
export interface Placed {
  readonly document: XmlDocument;
  readonly start: number;
  readonly end: number;
  /** The node is new; otherwise it took the place of one. */
  readonly created: boolean;
  /** It is known to be what the selector selects; otherwise that is still to be seen. */
  readonly isSelected: boolean;
}

/** The node that the selector names, or undefined when a step or the terminal names none, or several. */
export function selectNode(document: XmlDocument, selector: NodeSelector): Selection | undefined {
  return selectionOf(walk(document, selector.steps)[selector.steps.length - 1], selector);
}

/** As `selectNode`, for a tree that is going to be read again. */
export function readNode({ root }: XmlDocument, selector: NodeSelector): Selection | undefined {
  const [first, ...rest] = selector.steps;
  let element = first && chooseOne([root], first);
  for (const step of rest) element = element && chooseIndexed(element, step, chooseOne);
  return selectionOf(element, selector);
}

function selectionOf(element: XmlElement | undefined, { terminal }: NodeSelector): Selection | undefined {
  if (!element) return undefined;
  if (!terminal) return { kind: 'element', element };
  if (terminal.kind === 'namespaces') return { kind: 'namespaces', element };
  const attribute = findAttribute(element, terminal);
  return attribute && { kind: 'attribute', element, attribute };
}

/** The elements that the steps choose, one each from the root on, as far as each chooses exactly one. */
export function walk(document: XmlDocument, steps: readonly Step[]): XmlElement[] {
  const chosen: XmlElement[] = [];
  let siblings: readonly XmlElement[] = [document.root];
  for (const step of steps) {
    const element = chooseOne(siblings, step);
    if (!element) break;
    chosen.push(element);
    siblings = element.elements;
  }
  return chosen;
}

/** RFC 4825 6.3: name, then position, then attribute; exactly one element must be left. */
function chooseOne(siblings: readonly XmlElement[], { name, position, test }: Step): XmlElement | undefined {
  let found: XmlElement | undefined;
  let count = 0;
  for (const element of siblings) {
    if (!isNamed(element, name)) continue;
    if (position !== undefined && ++count !== position) continue;
    if (!passes(element, test)) continue;
    if (found) return undefined;
    found = element;
  }
  return found;
}

function isNamed(element: XmlElement, name: Step['name']): boolean {
  return !name || (element.local === name.local && element.uri === name.uri);
}

function passes(element: XmlElement, test: Step['test']): boolean {
  return !test || findAttribute(element, test)?.value === test.value;
}

function findAttribute(element: XmlElement, { uri, local }: ExpandedName): XmlAttribute | undefined {
  for (const a of element.attributes) if (a.local === local && a.uri === uri) return a;
  return undefined;
}

/** The element of RFC 4825 10: the name of the one selected, with every binding in scope there and nothing else. */
export function namespaceElement(element: XmlElement): string {
  let text = `<${element.name}`;
  for (const [prefix, uri] of inScopeNamespaces(element)) text += ` xmlns${prefix && ':'}${prefix}="${escapeAttribute(uri)}"`;
  return `${text}/>`;
}

/** What the tree of a document may be at most. */
export interface TreeLimits {
  /** Nested elements. */
  readonly depth: number;
  /** Elements and attributes. */
  readonly nodes: number;
}

/** Throws XcapRefusal 413 when an edit has left a document with more elements and attributes than `limit`, and more than before. */
export function checkNodes({ source, root }: XmlDocument, before: XmlDocument, limit: number): void {
  // `<a/>` is the shortest element, ` a=""` the shortest attribute.
  if (source.length <= limit * 4) return;
  const count = countNodes(root);
  if (count <= limit || count <= countNodes(before.root)) return;
  throw new XcapRefusal(413, `the document would have more than ${limit} elements and attributes`);
}

function countNodes({ attributes, declarations, elements }: XmlElement): number {
  let count = 1 + attributes.length + (declarations?.size ?? 0);
  for (const element of elements) count += countNodes(element);
  return count;
}

/** Where an element is to be put: what the steps before the last select, what the last selects, and the last itself. */
export interface Place {
  /** Undefined: the document node. */
  readonly parent: XmlElement | undefined;
  readonly element: XmlElement | undefined;
  readonly step: Step | undefined;
}

/**
 * Puts the element in `body`, which may have been read already, at a place, replacing what is there (RFC 4825 8.2.3, 8.2.4).
 * The caller must still see that the selector selects what was put.
 * Throws XcapConflict, or XcapRefusal 413.
 */
export function placeElement(
  document: XmlDocument,
  { parent, element: removed, step }: Place,
  body: Uint8Array | XmlDocument,
  limits: TreeLimits,
): Placed {
  const { source, root: inserted } = body instanceof Uint8Array ? parseFragment(body, parent, limits) : body;
  const text = source.slice(inserted.start, inserted.end);

  let edit: { start: number; end: number; before: string; after: string } | undefined;
  if (removed) edit = { start: removed.start, end: removed.end, before: '', after: '' };
  else if (parent) edit = insertion(parent, step, inserted);
  if (!edit) throw cannotInsert('the element cannot be put at the position that the URI asks for');
  const splice = { start: edit.start, end: edit.end, text: edit.before + text + edit.after };
  const start = splice.start + edit.before.length;
  return {
    document: editChildren(document, { parent, splice, removed, inserted, lead: edit.before.length }),
    start,
    end: start + text.length,
    created: !removed,
    // It stands where the one stood that the step selected, among the same siblings.
    isSelected: removed !== undefined && step !== undefined && isNamed(inserted, step.name) && passes(inserted, step.test),
  };
}

function parseFragment(body: Uint8Array, parent: XmlElement | undefined, limits: TreeLimits): XmlDocument {
  try {
    return onlyElement(parseXml(decodeUtf8(body), surroundings(parent, limits)));
  } catch (error) {
    throw xmlConflict(error, 'not-xml-frag');
  }
}

/**
 * The body as a document of one element, with the bindings that are in scope where it goes and room for the depth that is left
 * there; in turns where it is large. Rejects with XcapConflict, or XcapRefusal 413.
 */
export async function readFragment(body: Uint8Array, parent: XmlElement | undefined, limits: TreeLimits): Promise<XmlDocument> {
  try {
    return onlyElement(await readXml(decodeUtf8(body), surroundings(parent, limits)));
  } catch (error) {
    throw xmlConflict(error, 'not-xml-frag');
  }
}

function surroundings(parent: XmlElement | undefined, { depth, nodes }: TreeLimits): ParseOptions {
  let room = depth;
  for (let e = parent; e; e = e.parent) room--;
  return { maxDepth: room, maxNodes: nodes, namespaces: parent ? inScopeNamespaces(parent) : new Map() };
}

/** RFC 4825 8.2.2: a single element, so neither an XML declaration nor a comment beside it. White space is left out. */
function onlyElement(fragment: XmlDocument): XmlDocument {
  const { source, root } = fragment;
  if ((source.slice(0, root.start) + source.slice(root.end)).trim() === '') return fragment;
  throw new XcapConflict('not-xml-frag', 'the body must hold one element and nothing beside it');
}

/** Where a new element goes (RFC 4825 8.2.3), and what must stand around it; undefined when its position cannot be had. */
function insertion(
  parent: XmlElement,
  step: Step | undefined,
  fresh: ExpandedName,
): { start: number; end: number; before: string; after: string } | undefined {
  const position = step?.position;
  const counted = step?.name ?? (position === undefined ? fresh : undefined);
  const siblings = counted ? parent.elements.filter((e) => e.local === counted.local && e.uri === counted.uri) : parent.elements;
  let offset: number | undefined;
  if (siblings.length === 0) {
    // Last of all, behind the white space that ends the parent's content; only the first position can be had here.
    if (position !== undefined && position !== 1) return undefined;
    if (parent.selfClosing) return { start: parent.end - 2, end: parent.end, before: '>', after: `</${parent.name}>` };
    offset = parent.contentEnd;
  } else if (position === undefined) offset = siblings.at(-1)?.end;
  else offset = position === 1 ? siblings[0]?.start : siblings[position - 2]?.end;
  return offset === undefined ? undefined : { start: offset, end: offset, before: '', after: '' };
}

/**
 * Gives an element the attribute that `name` selects, with the value in `body` (RFC 4825 8.2.3, 8.2.4).
 * The caller must still see that the selector selects what was put. Throws XcapConflict.
 */
export function placeAttribute(document: XmlDocument, element: XmlElement, name: AttributeSelector, body: Uint8Array): Placed {
  const value = attributeValue(body);
  const quote = value.includes('"') ? "'" : '"';
  const present = findAttribute(element, name);
  let splice = { start: 0, end: 0, text: '' };
  let lead = quote;
  if (present) splice = { start: present.valueStart - 1, end: present.end, text: quote + value + quote };
  else {
    if (name.uri === '' && name.local === 'xmlns') throw cannotInsert('a namespace declaration is not an attribute');
    lead = ` ${nameAt(element, name)}=${quote}`;
    const offset = endOfStartTag(document, element);
    splice = { start: offset, end: offset, text: lead + value + quote };
  }
  const start = splice.start + lead.length;
  if (element.contentStart - element.start + splice.text.length > MAX_TAG) throw tagTooLong();
  return { document: editStartTag(document, element, splice), start, end: start + value.length, created: !present, isSelected: false };
}

function tagTooLong(): XcapRefusal {
  return new XcapRefusal(413, `the element's start tag would be longer than ${MAX_TAG} characters`);
}

/** The place behind the last attribute (or the name) in an element's start tag. */
function endOfStartTag({ source }: XmlDocument, element: XmlElement): number {
  let offset = element.contentStart - (element.selfClosing ? 2 : 1);
  while (isSpace(source.charCodeAt(offset - 1))) offset--;
  return offset;
}

/** The qualified name of an attribute with the prefix that the document has for its namespace at the element. */
function nameAt(element: XmlElement, { prefix, uri, local }: AttributeSelector): string {
  if (uri === '') return local;
  if (lookupNamespace(element, prefix) === uri) return `${prefix}:${local}`;
  for (const [bound, namespace] of inScopeNamespaces(element)) if (namespace === uri && bound !== '') return `${bound}:${local}`;
  throw cannotInsert(`the document has no prefix for the namespace ${uri} at the element`);
}

/**
 * The attribute value in a body, as it may stand between double quotes, or between single ones if it holds a double one.
 * RFC 4825 7.7 asks for an AttValue, which has quotes of its own; half of all clients leave them out.
 */
function attributeValue(body: Uint8Array): string {
  let value: string;
  if (body.length > MAX_TAG) throw tagTooLong();
  try {
    value = decodeUtf8(body);
    const quoted = /^\s*(?:"([^"]*)"|'([^']*)')\s*$/.exec(value);
    if (quoted) value = quoted[1] ?? quoted[2] ?? '';
    if (value.includes('"') && value.includes("'")) value = value.replaceAll('"', '&quot;');
    const quote = value.includes('"') ? "'" : '"';
    parseXml(`<a a=${quote}${value}${quote}/>`);
  } catch (error) {
    throw xmlConflict(error, 'not-xml-att-value');
  }
  return value;
}

/** The document without the selected node (RFC 4825 8.4). White space around an element stays. Throws XcapConflict for the root element. */
export function removeNode(document: XmlDocument, selection: Selection): XmlDocument {
  const { element } = selection;
  if (selection.kind === 'attribute') {
    let { start } = selection.attribute;
    while (isSpace(document.source.charCodeAt(start - 1))) start--;
    return editStartTag(document, element, { start, end: selection.attribute.end, text: '' });
  }
  const { parent, start, end } = element;
  if (!parent) throw new XcapConflict('schema-validation-error', 'a document cannot be without its root element');
  return editChildren(document, { parent, splice: { start, end, text: '' }, removed: element, inserted: undefined, lead: 0 });
}

/** RFC 4825 8.2.3, 8.2.4: a GET of the URI must now give what was put. Throws XcapConflict. */
export function checkPlaced({ document, start, end }: Placed, selector: NodeSelector): void {
  const selected = selectNode(document, selector);
  const found =
    selected?.kind === 'attribute'
      ? selected.attribute.valueStart === start && selected.attribute.valueEnd === end
      : selected?.kind === 'element' && selected.element.start === start && selected.element.end === end;
  if (!found) throw cannotInsert('after this change the URI would not select what was put (RFC 4825 8.2.3)');
}

/** RFC 4825 8.4: the URI must now select nothing. Throws XcapConflict. */
export function checkRemoved(document: XmlDocument, selector: NodeSelector): void {
  if (!selectNode(document, selector)) return;
  throw new XcapConflict('cannot-delete', 'after the removal the URI would select another node (RFC 4825 8.4)');
}

/** An XmlError as what it means: the conflict `element`, or not-utf-8, or a refusal with 413. Anything else comes back as it is. */
export function xmlConflict(error: unknown, element: 'not-well-formed' | 'not-xml-frag' | 'not-xml-att-value'): unknown {
  if (!(error instanceof XmlError)) return error;
  if (error.tooLarge) return new XcapRefusal(413, error.message);
  return new XcapConflict(error.notUtf8 ? 'not-utf-8' : element, error.message);
}

function cannotInsert(phrase: string): XcapConflict {
  return new XcapConflict('cannot-insert', phrase);
}

function isSpace(code: number): boolean {
  return code === 32 || code === 10 || code === 13 || code === 9;
}
