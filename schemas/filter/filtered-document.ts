/** A document that filters are applied to: read once by xmldom, asked by xpath. */
import { type Attr, DOMParser, type Document, type Element, type Node } from '@xmldom/xmldom';
import xpath from 'xpath';
import { type FilterExpression, parseExpression } from './expression.ts';

/** The parts of the xpath library that its type declarations leave out. */
interface Value {
  booleanValue(): boolean;
  toUnsortedArray(): (Element | Attr)[];
}
interface Context {
  expressionContextNode: Node;
  namespaceResolver: { getNamespace(prefix: string): string | undefined };
}
interface Library {
  parse(expression: string): { readonly expression: { evaluate(context: Context): Value } };
  readonly XPathContext: new () => Context;
}
const { parse, XPathContext } = xpath as unknown as Library;

/** An XPath expression that asks for nothing by its position, so that no node has to be put in order: that takes the library ages. */
class Evaluator {
  private readonly expression: { evaluate(context: Context): Value };
  private readonly context: Context;

  constructor(text: string, namespaces: Readonly<Record<string, string>>) {
    this.expression = parse(text).expression;
    this.context = new XPathContext();
    this.context.namespaceResolver = { getNamespace: (prefix) => namespaces[prefix] };
  }

  evaluate(node: Node): Value {
    this.context.expressionContextNode = node;
    return this.expression.evaluate(this.context);
  }
}

/** An expression ready to be evaluated. */
export class CompiledExpression {
  readonly comparisons: number;
  readonly segments: readonly { readonly path: Evaluator; readonly conditions: readonly Evaluator[]; readonly descends: boolean }[];

  constructor({ segments, namespaces, comparisons }: FilterExpression) {
    this.comparisons = comparisons;
    this.segments = segments.map(({ path, conditions }) => ({
      path: new Evaluator(path, namespaces),
      conditions: conditions.map((condition) => new Evaluator(condition, namespaces)),
      descends: path.startsWith('descendant'),
    }));
  }
}

/** Throws FilterError. */
export function compileExpression(text: string, bindings: Readonly<Record<string, string>>): CompiledExpression {
  return new CompiledExpression(parseExpression(text, bindings, 'selection'));
}

/** There is more to do than a server can do for one filter. */
export class TooMuchWork extends Error {}

/** What a filter may still cost: an evaluation as much as looking at ten nodes. */
export class Work {
  private left = MOST_WORK;

  /** Throws TooMuchWork. */
  take(evaluations: number, nodes: number): void {
    this.left -= EVALUATION * evaluations + nodes;
    if (this.left < 0) throw new TooMuchWork();
  }
}

const MOST_WORK = 30_000;
const EVALUATION = 10;

export class FilteredDocument {
  readonly root: Element;
  readonly source: string;
  private readonly document: Document;
  /** Of each element, how many there are from it on downwards. */
  private readonly sizes = new Map<Node, number>();
  private keyed: WeakMap<Element, string> | undefined;

  /** `source` is a well-formed document without a document type declaration. */
  constructor(source: string) {
    this.source = source;
    this.document = new DOMParser().parseFromString(source, 'text/xml');
    if (!this.document.documentElement) throw new Error('a document without an element');
    this.root = this.document.documentElement;
    const measure = (element: Element): number => {
      let size = 1;
      for (const child of childElements(element)) size += measure(child);
      this.sizes.set(element, size);
      return size;
    };
    this.sizes.set(this.document, measure(this.root));
  }

  /** The elements or attributes that the expression selects. Throws TooMuchWork. */
  select({ segments, comparisons }: CompiledExpression, work: Work): Set<Element | Attr> {
    let found: ReadonlySet<Node> = new Set([this.document]);
    for (const { path, conditions, descends } of segments) {
      const next = new Set<Element | Attr>();
      for (const node of found) {
        // What is below another one of them is reached from there.
        if (descends && hasAncestorIn(node, found)) continue;
        work.take(1, this.sizes.get(node) ?? 1);
        for (const selected of path.evaluate(node).toUnsortedArray()) {
          if (conditions.length > 0) work.take(comparisons, comparisons * (this.sizes.get(selected) ?? 1));
          if (conditions.every((condition) => condition.evaluate(selected).booleanValue())) next.add(selected);
        }
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
