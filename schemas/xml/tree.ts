/**
 * The offset tree: a light DOM in which every element and attribute knows where it stands in the source text.
 * Offsets are UTF-16 code units into `XmlDocument.source`, so `source.slice(start, end)` is the exact text of a node
 * and an edit is a splice of the source.
 */

export interface XmlAttribute {
  /** Qualified name as written, e.g. `xml:lang`. */
  readonly name: string;
  readonly prefix: string;
  readonly local: string;
  /** Namespace name; the empty string for an unprefixed attribute. */
  readonly uri: string;
  /** Normalised value, references resolved. */
  readonly value: string;
  /** Offset of the name's first character. */
  readonly start: number;
  /** Offset after the closing quote. */
  readonly end: number;
  /** Offset of the value's first character, inside the quotes. */
  readonly valueStart: number;
  /** Offset of the closing quote. */
  readonly valueEnd: number;
}

export interface XmlText {
  readonly kind: 'text';
  /** Character data with references resolved; CDATA sections included. */
  readonly text: string;
}

export interface XmlElement {
  readonly kind: 'element';
  /** Qualified name as written, e.g. `cr:rule`. */
  readonly name: string;
  readonly prefix: string;
  readonly local: string;
  /** Namespace name; the empty string when in none. */
  readonly uri: string;
  /** Attributes in document order, namespace declarations left out (see `declarations`). */
  readonly attributes: readonly XmlAttribute[];
  /** Namespace declarations on this element itself: prefix ('' for the default) to namespace name. */
  readonly declarations: ReadonlyMap<string, string> | undefined;
  readonly parent: XmlElement | undefined;
  /** Child elements and text in document order; comments and processing instructions are left out. */
  readonly children: readonly (XmlElement | XmlText)[];
  /** Child elements alone, in document order. */
  readonly elements: readonly XmlElement[];
  /** Offset of the start tag's `<`. */
  readonly start: number;
  /** Offset after the start tag's `>`. */
  readonly contentStart: number;
  /** Offset of the end tag's `<`; equals `contentStart` for an empty-element tag. */
  readonly contentEnd: number;
  /** Offset after the element's last character. */
  readonly end: number;
  /** Written as an empty-element tag, `<x/>`. */
  readonly selfClosing: boolean;
}

export interface XmlDocument {
  readonly source: string;
  readonly root: XmlElement;
}

/** The value of the attribute `local` in namespace `uri` (none by default), or undefined. */
export function attribute(element: XmlElement, local: string, uri = ''): string | undefined {
  for (const a of element.attributes) if (a.local === local && a.uri === uri) return a.value;
  return undefined;
}

/** The first child element `local` in namespace `uri`, or undefined. */
export function child(element: XmlElement, uri: string, local: string): XmlElement | undefined {
  for (const e of element.elements) if (e.local === local && e.uri === uri) return e;
  return undefined;
}

/** All child elements `local` in namespace `uri`, in document order. */
export function childrenNamed(element: XmlElement, uri: string, local: string): XmlElement[] {
  return element.elements.filter((e) => e.local === local && e.uri === uri);
}

/** All character data below the element, descendants included, in document order. */
export function textContent(element: XmlElement): string {
  let out = '';
  for (const c of element.children) out += c.kind === 'text' ? c.text : textContent(c);
  return out;
}

/** The character data that stands in the element itself, and not in its descendants. */
export function ownText(element: XmlElement): string {
  let out = '';
  for (const c of element.children) if (c.kind === 'text') out += c.text;
  return out;
}

/** The namespace name bound to `prefix` ('' for the default namespace) at the element, or undefined. */
export function lookupNamespace(element: XmlElement, prefix: string): string | undefined {
  if (prefix === 'xml') return 'http://www.w3.org/XML/1998/namespace';
  for (let e: XmlElement | undefined = element; e; e = e.parent) {
    const uri = e.declarations?.get(prefix);
    if (uri !== undefined) return uri === '' ? undefined : uri;
  }
  return undefined;
}

/** Every namespace binding in scope at the element: prefix to namespace name, `xml` left out. */
export function inScopeNamespaces(element: XmlElement): Map<string, string> {
  const chain: XmlElement[] = [];
  for (let e: XmlElement | undefined = element; e; e = e.parent) if (e.declarations) chain.push(e);
  const out = new Map<string, string>();
  for (const e of chain.reverse()) {
    for (const [prefix, uri] of e.declarations ?? []) {
      if (uri === '') out.delete(prefix);
      else out.set(prefix, uri);
    }
  }
  return out;
}
