import { DOMParser, type Element, Node } from '@xmldom/xmldom';
import { XMLParser } from 'fast-xml-parser';
import type { XmlElement } from '../../schemas/xml/tree.ts';
import { pick, type Random } from './random-xml.ts';

/** Documents as parsers that are not ours see them. */

/** The root element as xmldom reads it. Throws for what is not well-formed. */
export function parseIndependently(text: string): Element {
  const document = new DOMParser({
    onError: (level, message) => {
      if (level !== 'warning') throw new Error(`xmldom: ${message}`);
    },
  }).parseFromString(text, 'text/xml');
  if (!document.documentElement) throw new Error('xmldom: no root element');
  return document.documentElement;
}

export type Picture = { name: string; attributes: [string, string][]; content: (string | Picture)[] };

/** Expanded names, attributes in order of their names, and content with character data joined; nothing of comments and the like. */
export function pictureOf(element: Element): Picture {
  const content: (string | Picture)[] = [];
  for (let node = element.firstChild; node; node = node.nextSibling) {
    if (node.nodeType === Node.ELEMENT_NODE) content.push(pictureOf(node as Element));
    else if (node.nodeType === Node.TEXT_NODE || node.nodeType === Node.CDATA_SECTION_NODE) addText(content, node.nodeValue ?? '');
  }
  const attributes = [...element.attributes]
    .filter((a) => a.namespaceURI !== 'http://www.w3.org/2000/xmlns/')
    .map((a): [string, string] => [`{${a.namespaceURI ?? ''}}${a.localName ?? a.name}`, a.value]);
  return { name: `{${element.namespaceURI ?? ''}}${element.localName}`, attributes: attributes.sort(), content };
}

/** The same, of our own tree. */
export function pictureOfOurs(element: XmlElement): Picture {
  const content: (string | Picture)[] = [];
  for (const child of element.children) {
    if (child.kind === 'element') content.push(pictureOfOurs(child));
    else addText(content, child.text);
  }
  const attributes = element.attributes.map((a): [string, string] => [`{${a.uri}}${a.local}`, a.value]);
  return { name: `{${element.uri}}${element.local}`, attributes: attributes.sort(), content };
}

function addText(content: (string | Picture)[], text: string): void {
  const last = content.at(-1);
  if (text === '') return;
  if (typeof last === 'string') content[content.length - 1] = last + text;
  else content.push(text);
}

const fast = new XMLParser({ preserveOrder: true, ignoreAttributes: false, attributeNamePrefix: '', processEntities: false });

/** Qualified names of all elements in document order, each with its attributes' names, as fast-xml-parser reads them. */
export function outlineOf(text: string): string[] {
  const names: string[] = [];
  const visit = (nodes: unknown): void => {
    if (!Array.isArray(nodes)) return;
    for (const node of nodes as Record<string, unknown>[]) {
      const attributes = Object.keys((node[':@'] as object | undefined) ?? {});
      for (const name of Object.keys(node)) {
        if (name === ':@' || name === '#text' || name.startsWith('?')) continue;
        names.push([name, ...attributes.sort()].join(' '));
        visit(node[name]);
      }
    }
  };
  visit(fast.parse(text));
  return names;
}

/** The same, of our own tree. */
export function outlineOfOurs(element: XmlElement): string[] {
  const declared = [...(element.declarations?.keys() ?? [])].map((prefix) => (prefix === '' ? 'xmlns' : `xmlns:${prefix}`));
  const attributes = [...element.attributes.map(({ name }) => name), ...declared].sort();
  return [[element.name, ...attributes].join(' '), ...element.elements.flatMap(outlineOfOurs)];
}

export function elementsOf(element: Element): Element[] {
  return [...element.childNodes].filter((node): node is Element => node.nodeType === Node.ELEMENT_NODE);
}

export function descendantsOf(element: Element): Element[] {
  return [element, ...elementsOf(element).flatMap(descendantsOf)];
}

const LISTS = 'urn:ietf:params:xml:ns:resource-lists';

/** Makes node selectors; the namespaces that they need collect in the query component. */
export class SelectorWriter {
  private readonly random: Random;
  private readonly prefixes = new Map<string, string>();

  constructor(random: Random) {
    this.random = random;
  }

  /** A random selector of those that select the element. */
  selectorOf(element: Element): string {
    const { parentNode } = element;
    const parent = parentNode?.nodeType === Node.ELEMENT_NODE ? (parentNode as Element) : undefined;
    const step = this.stepTo(element, parent ? elementsOf(parent) : [element]);
    return parent ? `${this.selectorOf(parent)}/${step}` : step;
  }

  /** A step by the attribute `k`, and by the name if there is one. */
  byKey(namespace: string, local: string | undefined, k: string): string {
    return encodeURIComponent(`${local === undefined ? '*' : this.name(namespace, local)}[@k="${k}"]`);
  }

  attributeStep(namespace: string, local: string): string {
    return encodeURIComponent(`@${namespace === '' ? local : this.prefixed(namespace, local)}`);
  }

  query(): string {
    if (this.prefixes.size === 0) return '';
    return `?${[...this.prefixes].map(([uri, prefix]) => encodeURIComponent(`xmlns(${prefix}=${uri})`)).join('')}`;
  }

  private stepTo(element: Element, siblings: readonly Element[]): string {
    const { random } = this;
    const named = siblings.filter((e) => e.localName === element.localName && e.namespaceURI === element.namespaceURI);
    // No name of a URI's is in no namespace.
    const byName = element.namespaceURI !== null && random(3) > 0;
    const candidates = byName ? named : siblings;
    const name = byName ? this.name(element.namespaceURI ?? '', element.localName ?? '') : '*';
    const attribute = element.attributes.length === 0 ? undefined : pick(random, [...element.attributes]);
    const usable = attribute && attribute.namespaceURI !== 'http://www.w3.org/2000/xmlns/' ? attribute : undefined;
    const test = usable
      ? `[@${usable.namespaceURI === null ? usable.localName : this.prefixed(usable.namespaceURI, usable.localName ?? '')}=${literal(usable.value, random)}]`
      : '';
    const same = candidates.filter((e) => usable && e.getAttributeNS(usable.namespaceURI, usable.localName ?? '') === usable.value);
    const forms = [`${name}[${candidates.indexOf(element) + 1}]`, `${name}[${candidates.indexOf(element) + 1}]${test}`];
    if (candidates.length === 1) forms.push(name);
    if (same.length === 1) forms.push(name + test);
    return encodeURIComponent(pick(random, forms));
  }

  private name(namespace: string, local: string): string {
    return namespace === LISTS && this.random(2) === 0 ? local : this.prefixed(namespace, local);
  }

  private prefixed(namespace: string, local: string): string {
    const prefix = this.prefixes.get(namespace) ?? `n${this.prefixes.size}`;
    this.prefixes.set(namespace, prefix);
    return `${prefix}:${local}`;
  }
}

/** An AttValue for the value. */
function literal(value: string, random: Random): string {
  const quote = pick(random, ['"', "'"]);
  const escaped = value.replace(/[&<"'\0-\x1f]/g, (c) => `&#${c.charCodeAt(0)};`);
  return quote + escaped + quote;
}
