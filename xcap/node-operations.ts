import { escapeAttribute } from '../schemas/xml/escape.ts';
import { decodeUtf8, parseXml, XmlError } from '../schemas/xml/parse.ts';
import { inScopeNamespaces, lookupNamespace, type XmlAttribute, type XmlDocument, type XmlElement } from '../schemas/xml/tree.ts';
import { XcapConflict } from './errors.ts';
import type { ExpandedName, NodeSelector, Step, Terminal } from './node-selector.ts';

/**
 * The nodes of a document: selected on its offset tree (RFC 4825 6.3) and changed by splices of its source (8.2.3, 8.2.4, 8.4),
 * so that not a character of anything else changes.
 */

export type Selection =
  | { readonly kind: 'element'; readonly element: XmlElement }
  | { readonly kind: 'attribute'; readonly attribute: XmlAttribute }
  | { readonly kind: 'namespaces'; readonly element: XmlElement };

/** Replaces the source between two offsets. */
interface Splice {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** An edited text, and where in it the source of the node that was put now stands. */
export interface Placed {
  readonly text: string;
  readonly start: number;
  readonly end: number;
  /** The node is new; otherwise it took the place of one. */
  readonly created: boolean;
}

/** The node that the selector names, or undefined when a step or the terminal names none, or several. */
export function selectNode(document: XmlDocument, { steps, terminal }: NodeSelector): Selection | undefined {
  const chosen = walk(document, steps);
  const element = chosen[steps.length - 1];
  if (!element) return undefined;
  if (!terminal) return { kind: 'element', element };
  if (terminal.kind === 'namespaces') return { kind: 'namespaces', element };
  const attribute = findAttribute(element, terminal);
  return attribute && { kind: 'attribute', attribute };
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
    if (name && (element.local !== name.local || element.uri !== name.uri)) continue;
    if (position !== undefined && ++count !== position) continue;
    if (test && findAttribute(element, test)?.value !== test.value) continue;
    if (found) return undefined;
    found = element;
  }
  return found;
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

/**
 * Puts the element in `body` where the steps point, replacing what is there (RFC 4825 8.2.3, 8.2.4).
 * The parent is known to exist. The caller must still see that the steps select what was put.
 * Throws XcapConflict.
 */
export function placeElement(document: XmlDocument, steps: readonly Step[], body: Uint8Array): Placed {
  const chosen = walk(document, steps);
  const parent = chosen[steps.length - 2];
  const target = chosen[steps.length - 1];
  const step = steps.at(-1);
  const fragment = parseFragment(body, parent);
  if (target) return place(document, { start: target.start, end: target.end, text: fragment.text }, 0, fragment.text.length, false);
  const splice = parent && step && insertion(parent, step, fragment);
  if (!splice) throw cannotInsert('the element cannot be put at the position that the URI asks for');
  return place(document, splice, parent.selfClosing ? 1 : 0, fragment.text.length, true);
}

interface Fragment {
  /** Source of the one element, the white space around it left out. */
  readonly text: string;
  readonly name: ExpandedName;
}

function parseFragment(body: Uint8Array, parent: XmlElement | undefined): Fragment {
  try {
    const source = decodeUtf8(body);
    const { root } = parseXml(source, parent ? { namespaces: inScopeNamespaces(parent) } : {});
    // RFC 4825 8.2.2: a single element, so neither an XML declaration nor a comment beside it.
    if ((source.slice(0, root.start) + source.slice(root.end)).trim() === '') {
      return { text: source.slice(root.start, root.end), name: { uri: root.uri, local: root.local } };
    }
  } catch (error) {
    throw xmlConflict(error, 'not-xml-frag');
  }
  throw new XcapConflict('not-xml-frag', 'the body must hold one element and nothing beside it');
}

/** Where a new element goes (RFC 4825 8.2.3); undefined when its position cannot be had. */
function insertion(parent: XmlElement, step: Step, { text, name }: Fragment): Splice | undefined {
  const counted = step.name ?? (step.position === undefined ? name : undefined);
  const siblings = counted ? parent.elements.filter((e) => e.local === counted.local && e.uri === counted.uri) : parent.elements;
  // Without siblings, and without a position or with the first: last of all, behind the white space that ends the parent's content.
  if (siblings.length === 0) return (step.position ?? 1) === 1 ? append(parent, text) : undefined;
  // Earliest nth: right behind the (n-1)th, or before the first. Without a position: earliest last.
  if (step.position === 1) return at(siblings[0]?.start, text);
  return at(siblings[(step.position ?? siblings.length + 1) - 2]?.end, text);
}

function append(parent: XmlElement, text: string): Splice {
  if (!parent.selfClosing) return { start: parent.contentEnd, end: parent.contentEnd, text };
  return { start: parent.end - 2, end: parent.end, text: `>${text}</${parent.name}>` };
}

function at(offset: number | undefined, text: string): Splice | undefined {
  return offset === undefined ? undefined : { start: offset, end: offset, text };
}

/**
 * Gives the element that the steps select the attribute with the value in `body` (RFC 4825 8.2.3, 8.2.4).
 * The element is known to exist. The caller must still see that the selector selects what was put.
 * Throws XcapConflict.
 */
export function placeAttribute(
  document: XmlDocument,
  element: XmlElement,
  name: Terminal & { kind: 'attribute' },
  body: Uint8Array,
): Placed {
  const value = attributeValue(body);
  const quote = value.includes('"') ? "'" : '"';
  const present = findAttribute(element, name);
  if (present) {
    const splice = { start: present.valueStart - 1, end: present.end, text: quote + value + quote };
    return place(document, splice, 1, value.length, false);
  }
  if (name.uri === '' && name.local === 'xmlns') throw cannotInsert('a namespace declaration is not an attribute');
  const lead = ` ${nameAt(element, name)}=${quote}`;
  const offset = endOfStartTag(document, element);
  return place(document, { start: offset, end: offset, text: lead + value + quote }, lead.length, value.length, true);
}

/** The place behind the last attribute (or the name) in an element's start tag. */
function endOfStartTag({ source }: XmlDocument, element: XmlElement): number {
  let offset = element.contentStart - (element.selfClosing ? 2 : 1);
  while (isSpace(source.charCodeAt(offset - 1))) offset--;
  return offset;
}

/** The qualified name of an attribute with the prefix that the document has for its namespace at the element. */
function nameAt(element: XmlElement, { prefix, uri, local }: Terminal & { kind: 'attribute' }): string {
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

/** The text without the selected node (RFC 4825 8.4). White space around an element stays. Throws XcapConflict for the root element. */
export function removeNode({ source, root }: XmlDocument, selection: Selection): string {
  if (selection.kind === 'attribute') {
    let { start } = selection.attribute;
    while (isSpace(source.charCodeAt(start - 1))) start--;
    return source.slice(0, start) + source.slice(selection.attribute.end);
  }
  const { element } = selection;
  if (element === root) throw new XcapConflict('schema-validation-error', 'a document cannot be without its root element');
  return source.slice(0, element.start) + source.slice(element.end);
}

/** RFC 4825 8.2.3, 8.2.4: a GET of the URI must now give what was put. Throws XcapConflict. */
export function checkPlaced(document: XmlDocument, selector: NodeSelector, { start, end }: Placed): void {
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

/** An XmlError as the conflict it means: `element`, or not-utf-8. Anything else comes back as it is. */
export function xmlConflict(error: unknown, element: 'not-well-formed' | 'not-xml-frag' | 'not-xml-att-value'): unknown {
  if (!(error instanceof XmlError)) return error;
  return new XcapConflict(error.notUtf8 ? 'not-utf-8' : element, error.message);
}

/** Applies the splice; the node put stands in its text behind the first `lead` characters and is `length` long. */
function place({ source }: XmlDocument, splice: Splice, lead: number, length: number, created: boolean): Placed {
  const start = splice.start + lead;
  return { text: source.slice(0, splice.start) + splice.text + source.slice(splice.end), start, end: start + length, created };
}

function cannotInsert(phrase: string): XcapConflict {
  return new XcapConflict('cannot-insert', phrase);
}

function isSpace(code: number): boolean {
  return code === 32 || code === 10 || code === 13 || code === 9;
}
