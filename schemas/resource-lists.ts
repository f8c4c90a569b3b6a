/** Resource lists (RFC 4826 3): a document's lists as typed values. */
import { type DisplayName, readDisplayName } from './display-name.ts';
import { XmlError } from './xml/parse.ts';
import { attribute, child, childrenNamed, type XmlDocument, type XmlElement } from './xml/tree.ts';

export const RESOURCE_LISTS = 'urn:ietf:params:xml:ns:resource-lists';
export const RESOURCE_LISTS_TYPE = 'application/resource-lists+xml';

export interface ResourceList {
  readonly kind: 'list';
  readonly name: string | undefined;
  readonly displayName: DisplayName | undefined;
  /** In document order; elements of other namespaces left out. */
  readonly items: readonly ListItem[];
  readonly element: XmlElement;
}

export type ListItem = ResourceList | Entry | EntryRef | External;

export interface Entry {
  readonly kind: 'entry';
  /** As written, trimmed. */
  readonly uri: string;
  readonly displayNames: readonly DisplayName[];
}

export interface EntryRef {
  readonly kind: 'entryRef';
  /** Relative to the XCAP root, percent-encoded as written. */
  readonly ref: string;
  readonly displayNames: readonly DisplayName[];
}

export interface External {
  readonly kind: 'external';
  /** Absolute HTTP URI, percent-encoded as written. */
  readonly anchor: string;
  readonly displayNames: readonly DisplayName[];
}

/** The lists of a resource-lists document, in document order. Throws XmlError if its root is not `<resource-lists>`. */
export function parseResourceLists(document: XmlDocument): ResourceList[] {
  const { root } = document;
  if (root.local !== 'resource-lists' || root.uri !== RESOURCE_LISTS) {
    throw new XmlError(`the root element is {${root.uri}}${root.local}, not {${RESOURCE_LISTS}}resource-lists`);
  }
  return childrenNamed(root, RESOURCE_LISTS, 'list').map(parseList);
}

/** One element of the list type, whatever its own name (rls-services has a `<list>` in its own namespace, RFC 4826 4.2). */
export function parseList(element: XmlElement): ResourceList {
  const name = child(element, RESOURCE_LISTS, 'display-name');
  const items: ListItem[] = [];
  for (const e of element.elements) {
    const item = e.uri === RESOURCE_LISTS ? parseItem(e) : undefined;
    if (item) items.push(item);
  }
  return { kind: 'list', name: attribute(element, 'name'), displayName: name && readDisplayName(name), items, element };
}

function parseItem(element: XmlElement): ListItem | undefined {
  switch (element.local) {
    case 'list':
      return parseList(element);
    case 'entry':
      return parseEntry(element);
    case 'entry-ref':
      return { kind: 'entryRef', ref: unfolded(attribute(element, 'ref')), displayNames: displayNames(element) };
    case 'external':
      return { kind: 'external', anchor: unfolded(attribute(element, 'anchor')), displayNames: displayNames(element) };
    default:
      return undefined;
  }
}

/** An `<entry>` element. */
export function parseEntry(element: XmlElement): Entry {
  return { kind: 'entry', uri: (attribute(element, 'uri') ?? '').trim(), displayNames: displayNames(element) };
}

function displayNames(element: XmlElement): DisplayName[] {
  return childrenNamed(element, RESOURCE_LISTS, 'display-name').map(readDisplayName);
}

/** A URI has no white space: what there is was put in to fold the line. */
function unfolded(uri: string | undefined): string {
  return (uri ?? '').replace(/\s+/g, '');
}
