/** A document that filters are applied to: read once by xmldom, asked by xpath. */
import { type Attr, DOMParser, type Document, type Element, type Node } from '@xmldom/xmldom';
import * as xpath from 'xpath';
import { type FilterExpression, parseExpression } from './expression.ts';

/** The part of the xpath library that its type declarations leave out. */
interface Evaluator {
  evaluateNodeSet(options: { node: Node; namespaces: Readonly<Record<string, string>> }): { toUnsortedArray(): (Element | Attr)[] };
}
const { parse } = xpath as unknown as { parse(expression: string): Evaluator };

/** An expression ready to be evaluated. */
export class CompiledExpression {
  readonly comparisons: number;
  readonly segments: readonly { readonly evaluator: Evaluator; readonly descends: boolean }[];
  readonly namespaces: Readonly<Record<string, string>>;

  constructor({ segments, namespaces, comparisons }: FilterExpression) {
    this.namespaces = namespaces;
    this.comparisons = comparisons;
    this.segments = segments.map((text) => ({ evaluator: parse(text), descends: text.startsWith('descendant') }));
  }
}

/** Throws FilterError. */
export function compileExpression(text: string, bindings: Readonly<Record<string, string>>): CompiledExpression {
  return new CompiledExpression(parseExpression(text, bindings, 'selection'));
}

/** Nodes that an evaluation may look at; a document in which it would be more is not filtered. */
const MOST_VISITS = 100_000;

export class FilteredDocument {
  readonly root: Element;
  readonly source: string;
  private readonly document: Document;
  /** Elements, and for each element all those below it. */
  private readonly elements: number;
  private readonly reach: number;
  private keyed: WeakMap<Element, string> | undefined;

  /** `source` is a well-formed document without a document type declaration. */
  constructor(source: string) {
    this.source = source;
    this.document = new DOMParser().parseFromString(source, 'text/xml');
    if (!this.document.documentElement) throw new Error('a document without an element');
    this.root = this.document.documentElement;
    let elements = 0;
    let reach = 0;
    const count = (element: Element, depth: number): void => {
      elements++;
      reach += depth;
      for (const child of childElements(element)) count(child, depth + 1);
    };
    count(this.root, 1);
    this.elements = elements;
    this.reach = reach;
  }

  /** Whether the evaluation of all the expressions is work that a server can do for a watcher. */
  bears(expressions: readonly CompiledExpression[]): boolean {
    let visits = 0;
    for (const { segments, comparisons } of expressions) visits += segments.length * this.elements + comparisons * this.reach;
    return visits <= MOST_VISITS;
  }

  /** The elements or attributes that the expression selects. */
  select({ segments, namespaces }: CompiledExpression): Set<Element | Attr> {
    let found: ReadonlySet<Node> = new Set([this.document]);
    for (const { evaluator, descends } of segments) {
      const next = new Set<Element | Attr>();
      for (const node of found) {
        // What is below another one of them is reached from there.
        if (descends && hasAncestorIn(node, found)) continue;
        for (const selected of evaluator.evaluateNodeSet({ node, namespaces }).toUnsortedArray()) next.add(selected);
      }
      found = next;
    }
    return found as Set<Element | Attr>;
  }

  /**
   * What makes an element the same one in another version of the document: its name and that of all around it, with their identifiers,
   * or their places among their like where they have none.
   */
  keyOf(node: Element | Attr): string {
    this.keyed ??= this.keys();
    if (isElement(node)) return this.keyed.get(node) ?? '';
    return `${node.ownerElement ? this.keyed.get(node.ownerElement) : ''}/@${node.namespaceURI ?? ''} ${node.localName}`;
  }

  private keys(): WeakMap<Element, string> {
    const keys = new WeakMap<Element, string>();
    const name = (element: Element, key: string): void => {
      keys.set(element, key);
      const counts = new Map<string, number>();
      for (const child of childElements(element)) {
        const id = child.getAttribute('id');
        let own = `${key}/${child.namespaceURI ?? ''} ${child.localName}`;
        own += id === null ? '' : `#${id}`;
        const count = (counts.get(own) ?? 0) + 1;
        counts.set(own, count);
        name(child, `${own}[${count}]`);
      }
    };
    name(this.root, `${this.root.namespaceURI ?? ''} ${this.root.localName}`);
    return keys;
  }
}

function hasAncestorIn(node: Node, nodes: ReadonlySet<Node>): boolean {
  for (let parent = node.parentNode; parent; parent = parent.parentNode) if (nodes.has(parent)) return true;
  return false;
}

export function isElement(node: Node): node is Element {
  return node.nodeType === 1;
}

export function* childElements(element: Element): Iterable<Element> {
  for (let child = element.firstChild; child; child = child.nextSibling) if (isElement(child)) yield child;
}
