/** What a filter leaves of a document (RFC 4661 3.5, RFC 4660 5.3.1). */
import type { Attr, Element, Node } from '@xmldom/xmldom';
import { escapeAttribute, escapeText } from '../xml/escape.ts';
import { schemaFor } from '../xml/validate.ts';
import type { Choice, What } from './filter-set.ts';
import {
  type CompiledExpression,
  childElements,
  compileExpression,
  type FilteredDocument,
  isElement,
  TooMuchWork,
  Work,
} from './filtered-document.ts';
import { mandatoryIn } from './mandatory.ts';

interface CompiledChoices {
  readonly expressions: readonly CompiledExpression[];
  readonly namespaces: ReadonlySet<string>;
}

const XMLNS = 'http://www.w3.org/2000/xmlns/';
const XML = 'http://www.w3.org/XML/1998/namespace';

export class ContentFilter {
  private readonly include: CompiledChoices;
  private readonly exclude: CompiledChoices;

  constructor({ include, exclude }: What, bindings: Readonly<Record<string, string>>) {
    this.include = compile(include, bindings);
    this.exclude = compile(exclude, bindings);
  }

  /**
   * The document cut down to what the filter asks for and what cannot be left out of it. `isEmpty`: that is nothing, or finding out would
   * take too long, and only what every such document must have is there.
   */
  apply(document: FilteredDocument): { readonly text: string; readonly isEmpty: boolean } {
    try {
      return this.cut(document, new Work());
    } catch (error) {
      if (error instanceof TooMuchWork) return outlineOf(document);
      throw error;
    }
  }

  private cut(document: FilteredDocument, work: Work): { readonly text: string; readonly isEmpty: boolean } {
    const selected = new Selection(document, this.include, work);
    const excluded = new Selection(document, this.exclude, work);
    // Exceptions alone are exceptions to the whole.
    if (this.include.expressions.length + this.include.namespaces.size === 0) selected.add(document.root);
    for (const [generous, exceptions] of ATTEMPTS) {
      const writer = new Writer(selected, exceptions ? excluded : undefined, generous);
      const text = writer.write(document.root);
      if (!writer.hasContent) return { text, isEmpty: true };
      if (isAsValid(text, document)) return { text, isEmpty: false };
    }
    return { text: document.source, isEmpty: false };
  }
}

/** A document of that kind without anything that could be left out. */
export function outlineOf(document: FilteredDocument): { readonly text: string; readonly isEmpty: true } {
  const nothing = new Selection(document, { expressions: [], namespaces: new Set() }, new Work());
  return { text: new Writer(nothing, undefined, false).write(document.root), isEmpty: true };
}

/**
 * What would make the document invalid is undone (RFC 4661 3.5.2), and what it lacks is given (RFC 4660 5.3.1): first the parts of what is
 * there in part, and if that does not help, what was excepted.
 */
const ATTEMPTS = [
  [false, true],
  [true, true],
  [true, false],
] as const;

function compile(choices: readonly Choice[], bindings: Readonly<Record<string, string>>): CompiledChoices {
  const expressions = choices.filter(({ type }) => type === 'xpath').map(({ value }) => compileExpression(value, bindings));
  return { expressions, namespaces: new Set(choices.filter(({ type }) => type === 'namespace').map(({ value }) => value)) };
}

/** Whether nothing is wrong with the text that is not wrong with the document itself. Of an unknown vocabulary nothing is known that it could lack. */
function isAsValid(text: string, { root, source }: FilteredDocument): boolean {
  const schema = schemaFor(root.namespaceURI ?? '');
  const violations = schema?.violations(text) ?? [];
  if (violations.length === 0) return true;
  const before = new Set(schema?.violations(source).map(({ message }) => message));
  return violations.every(({ message }) => before.has(message));
}

class Selection {
  readonly nodes = new Set<Element | Attr>();
  readonly namespaces: ReadonlySet<string>;
  /** Elements with something selected below them. */
  readonly above = new Set<Node>();

  constructor(document: FilteredDocument, { expressions, namespaces }: CompiledChoices, work: Work) {
    this.namespaces = namespaces;
    for (const expression of expressions) for (const node of document.select(expression, work)) this.add(node);
    if (namespaces.size > 0) this.addNamespaces(document.root);
  }

  add(node: Element | Attr): void {
    this.nodes.add(node);
    this.addAbove(isElement(node) ? node.parentNode : node.ownerElement);
  }

  private addAbove(from: Node | null): void {
    for (let node = from; node && !this.above.has(node); node = node.parentNode) this.above.add(node);
  }

  private addNamespaces(element: Element): void {
    if (this.inNamespace(element)) this.addAbove(element.parentNode);
    for (const child of childElements(element)) this.addNamespaces(child);
  }

  inNamespace(element: Element): boolean {
    return this.namespaces.size > 0 && this.namespaces.has(element.namespaceURI ?? '');
  }

  /** The node itself, for what it is or where it belongs. */
  has(node: Element | Attr): boolean {
    return this.nodes.has(node) || (isElement(node) && this.inNamespace(node));
  }
}

class Writer {
  /** Something that was selected has been written, not only what must stand around it. */
  hasContent = false;
  private readonly selected: Selection;
  private readonly excluded: Selection | undefined;
  private readonly generous: boolean;

  constructor(selected: Selection, excluded: Selection | undefined, generous: boolean) {
    this.selected = selected;
    this.excluded = excluded;
    this.generous = generous;
  }

  write(root: Element): string {
    return `<?xml version="1.0" encoding="UTF-8"?>\n${this.element(root, false, 0)}\n`;
  }

  /** `all`: the element is part of one that was selected, or cannot be done without. */
  private element(element: Element, all: boolean, depth: number): string {
    const chosen = this.selected.nodes.has(element);
    if (chosen || this.selected.inNamespace(element)) this.hasContent = true;
    // A part of a component is given as a whole where it is not valid in parts.
    const whole = all || chosen || (this.generous && depth > 1);
    const inNamespace = this.selected.inNamespace(element);
    const { elements = [], attributes = [] } = mandatoryIn(element.namespaceURI ?? '', element.localName ?? '');
    let tag = `<${element.tagName}`;
    for (const attribute of element.attributes) {
      const mandatory = attribute.namespaceURI === null && attributes.includes(attribute.name);
      if (mandatory && this.selected.nodes.has(attribute)) this.hasContent = true;
      if (!mandatory && !this.keepsAttribute(element, attribute, whole, inNamespace)) continue;
      tag += ` ${attribute.name}="${escapeAttribute(attribute.value)}"`;
    }
    let hasElements = false;
    let text = '';
    let content = '';
    for (let node = element.firstChild; node; node = node.nextSibling) {
      if (isElement(node)) {
        hasElements = true;
        const mandatory = node.namespaceURI === element.namespaceURI && elements.includes(node.localName ?? '');
        if (this.keepsElement(node, whole, mandatory)) {
          const unchosen = mandatory && !this.selected.has(node) && !this.selected.above.has(node);
          content += this.element(node, whole || unchosen, depth + 1);
        }
      } else if (node.nodeType === 3 || node.nodeType === 4) {
        const data = escapeText(node.nodeValue ?? '');
        text += data;
        if (whole || inNamespace) content += data;
      }
    }
    // The value of an element that has nothing but a value is no part that could be missing.
    if (!hasElements) content = text;
    return content === '' ? `${tag}/>` : `${tag}>${content}</${element.tagName}>`;
  }

  private keepsAttribute(element: Element, attribute: Attr, whole: boolean, inNamespace: boolean): boolean {
    if (attribute.namespaceURI === XMLNS) return true;
    if (this.excluded?.nodes.has(attribute)) return false;
    if (attribute.namespaceURI !== null && this.excluded?.namespaces.has(attribute.namespaceURI)) return false;
    if (this.selected.nodes.has(attribute)) {
      this.hasContent = true;
      return true;
    }
    const { namespaceURI } = attribute;
    return whole || (inNamespace && (namespaceURI === null || namespaceURI === XML || namespaceURI === element.namespaceURI));
  }

  private keepsElement(element: Element, whole: boolean, mandatory: boolean): boolean {
    if (mandatory) return true;
    if (this.excluded?.has(element)) return false;
    return whole || this.selected.has(element) || this.selected.above.has(element);
  }
}
