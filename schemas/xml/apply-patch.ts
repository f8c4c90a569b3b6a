/**
 * Applies patch operations (RFC 5261 4) that others wrote to the text of a document.
 *
 * Content keeps the prefixes that it has in the patch, and brings the declarations along that its place in the document does not have: the
 * names come to the same as if it took the document's prefixes (RFC 5261 4.2.3).
 */
import { escapeAttribute } from './escape.ts';
import { FragmentGrowth, fragmentText, missingDeclarations } from './fragment.ts';
import { parseXml, XmlError } from './parse.ts';
import { childNodes, locateTarget, type PatchTarget, type PlacedNode, parsePatchSelector } from './patch-selector.ts';
import { attribute, inScopeNamespaces, textContent, type XmlDocument, type XmlElement } from './tree.ts';

/** Characters that all operations of a patch may look at together: each reads the whole document, and more often with predicates. */
const MOST_CHARACTERS = 2_000_000;
const WHITE_SPACE = /^[ \t\r\n]+$/;

export interface PatchedDocument {
  readonly text: string;
  /** Names, as `{namespace}local`, that stand for one another as the name of the root. */
  readonly rootNames: ReadonlySet<string>;
}

/**
 * The document's text after the operations, which are all the children of the element `patch`. Nothing has been done when it throws XmlError;
 * its reason begins with the name of the error condition (RFC 5261 5.1) where there is one.
 */
export function applyPatch({ text, rootNames }: PatchedDocument, patch: XmlElement, patchSource: string): string {
  const growth = new FragmentGrowth();
  let patched = text;
  let charactersLeft = MOST_CHARACTERS;
  for (const operation of patch.elements) {
    const sel = attribute(operation, 'sel');
    const apply = operation.uri === patch.uri ? OPERATIONS.get(operation.local) : undefined;
    if (!apply || sel === undefined) throw new XmlError(`invalid-diff-format: <${operation.name}>`);
    const selector = parsePatchSelector(sel);
    charactersLeft -= patched.length * (1 + selector.predicates / 4);
    if (charactersLeft < 0) throw new XmlError('there are too many operations on a document of this size');
    const document = parseXml(patched);
    const target = locateTarget(document, selector, inScopeNamespaces(operation), rootNames);
    const { start, end, text: fresh } = apply(new Operation(document, operation, patchSource, growth), target);
    patched = patched.slice(0, start) + fresh + patched.slice(end);
  }
  return patched;
}

/** What comes in the place of a part of the document's text. */
interface Change {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

const OPERATIONS: ReadonlyMap<string, (operation: Operation, target: PatchTarget) => Change> = new Map([
  ['add', (operation: Operation, target: PatchTarget) => operation.add(target)],
  ['replace', (operation: Operation, target: PatchTarget) => operation.replace(target)],
  ['remove', (operation: Operation, target: PatchTarget) => operation.remove(target)],
]);

class Operation {
  private readonly document: XmlDocument;
  private readonly element: XmlElement;
  private readonly patchSource: string;
  private readonly growth: FragmentGrowth;

  constructor(document: XmlDocument, element: XmlElement, patchSource: string, growth: FragmentGrowth) {
    this.document = document;
    this.element = element;
    this.patchSource = patchSource;
    this.growth = growth;
  }

  /** RFC 5261 4.3. */
  add(target: PatchTarget): Change {
    const type = attribute(this.element, 'type');
    const pos = attribute(this.element, 'pos');
    if (type !== undefined) return this.addToTag(target, type);
    if (pos === 'before' || pos === 'after') {
      const { start, end, parent } = placeOf(target);
      const at = pos === 'before' ? start : end;
      return { start: at, end: at, text: this.contentFor(parent) };
    }
    if (pos !== undefined && pos !== 'prepend') throw new XmlError(`invalid-attribute-value: pos is ${pos}`);
    if (target.kind !== 'element') throw new XmlError('invalid-patch-directive: only an element has children');
    const { element } = target;
    const content = this.contentFor(element);
    if (element.selfClosing) return { start: element.end - 2, end: element.end, text: `>${content}</${element.name}>` };
    const at = pos === 'prepend' ? element.contentStart : element.contentEnd;
    return { start: at, end: at, text: content };
  }

  private addToTag(target: PatchTarget, type: string): Change {
    if (target.kind !== 'element') throw new XmlError('invalid-patch-directive: only an element has attributes');
    const { element } = target;
    const value = this.value();
    const at = element.start + 1 + element.name.length;
    const insert = (text: string): Change => ({ start: at, end: at, text });
    const [, axis, name = '', prefix] = /^(@|namespace::)((?:([^\s:<>"'=&/]+):)?[^\s:<>"'=&/]+)$/.exec(type) ?? [];
    if (axis === undefined) throw new XmlError(`invalid-attribute-value: type is ${type.slice(0, 100)}`);
    if (axis === 'namespace::') {
      if (prefix !== undefined || element.declarations?.has(name)) throw new XmlError(`invalid-namespace-prefix: ${name} is declared`);
      return insert(` xmlns:${name}="${escapeAttribute(value)}"`);
    }
    if (prefix === undefined) {
      if (attribute(element, name) !== undefined) throw new XmlError(`invalid-patch-directive: there is an attribute ${name}`);
      return insert(` ${name}="${escapeAttribute(value)}"`);
    }
    const uri = prefix === 'xml' ? undefined : inScopeNamespaces(this.element).get(prefix);
    if (prefix !== 'xml' && uri === undefined) throw new XmlError(`invalid-namespace-prefix: ${prefix}`);
    const isBound = uri === undefined || inScopeNamespaces(element).get(prefix) === uri;
    // A prefix that means another thing in the tag itself cannot be had; the document will not be one then.
    return insert(`${isBound ? '' : ` xmlns:${prefix}="${escapeAttribute(uri)}"`} ${name}="${escapeAttribute(value)}"`);
  }

  /** RFC 5261 4.4. */
  replace(target: PatchTarget): Change {
    switch (target.kind) {
      case 'attribute': {
        const { start, end, name } = target.attribute;
        return { start, end, text: `${name}="${escapeAttribute(this.value())}"` };
      }
      case 'namespace': {
        const { start, end } = this.declaration(target.element, target.prefix);
        return { start, end, text: ` xmlns:${target.prefix}="${escapeAttribute(this.value())}"` };
      }
      case 'text':
        this.value();
        return { start: target.start, end: target.end, text: this.patchSource.slice(this.element.contentStart, this.element.contentEnd) };
      case 'element': {
        const { start, end, parent } = target.element;
        this.only('element');
        return { start, end, text: this.contentFor(parent).trim() };
      }
      default:
        return { start: target.start, end: target.end, text: this.only(target.kind).raw };
    }
  }

  /** RFC 5261 4.5. */
  remove(target: PatchTarget): Change {
    const ws = attribute(this.element, 'ws');
    if (target.kind === 'attribute') {
      let { start } = target.attribute;
      while (isSpace(this.document.source.charCodeAt(start - 1))) start--;
      return { start, end: target.attribute.end, text: '' };
    }
    if (target.kind === 'namespace') return { ...this.declaration(target.element, target.prefix), text: '' };
    const { start, end, parent } = placeOf(target);
    if (ws === undefined) return { start, end, text: '' };
    if (target.kind === 'text' || !['before', 'after', 'both'].includes(ws)) throw new XmlError(`invalid-attribute-value: ws is ${ws}`);
    const siblings = childNodes(this.document, parent);
    const index = siblings.findIndex((node) => node.start === start);
    return {
      start: ws === 'after' ? start : blank(siblings[index - 1]).start,
      end: ws === 'before' ? end : blank(siblings[index + 1]).end,
      text: '',
    };
  }

  /** The operation's content as it can stand in the element. */
  private contentFor(context: XmlElement | undefined): string {
    const { element, patchSource } = this;
    const bindings = inScopeNamespaces(element);
    const ambient = context ? inScopeNamespaces(context) : new Map<string, string>();
    let out = '';
    let at = element.contentStart;
    for (const child of element.elements) {
      const slice = patchSource.slice(child.start, child.end);
      const declarations = missingDeclarations(child, slice, bindings, ambient, this.growth);
      out += patchSource.slice(at, child.start) + fragmentText(child, patchSource, declarations);
      at = child.end;
    }
    return out + patchSource.slice(at, element.contentEnd);
  }

  /** The text that is all of the content. */
  private value(): string {
    const nodes = this.nodes();
    if (nodes.some(({ kind }) => kind !== 'text')) throw new XmlError('invalid-patch-directive: only text can stand there');
    return textContent(this.element);
  }

  /** The one node of the content, white space beside. */
  private only(kind: PlacedNode['kind']): PlacedNode {
    const [node, ...others] = this.nodes().filter((each) => each.kind !== 'text' || !WHITE_SPACE.test(each.raw));
    if (node?.kind !== kind || others.length > 0) throw new XmlError(`invalid-patch-directive: one ${kind} takes the place of another`);
    return node;
  }

  private nodes(): PlacedNode[] {
    return childNodes({ source: this.patchSource, root: this.element }, this.element);
  }

  /** Where the start tag declares the prefix, with the white space before. */
  private declaration(element: XmlElement, prefix: string): { start: number; end: number } {
    const from = element.start + 1 + element.name.length;
    const tag = this.document.source.slice(from, element.contentStart);
    for (const { 0: all, 1: name, index } of tag.matchAll(/\s+([^\s=<>"'/]+)\s*=\s*(?:"[^"]*"|'[^']*')/g)) {
      if (name === `xmlns:${prefix}`) return { start: from + index, end: from + index + all.length };
    }
    throw new XmlError(`unlocated-node: the element does not declare ${prefix}`);
  }
}

/** Where a node stands that has siblings; a root has none that it could be put beside. */
function placeOf(target: PatchTarget): { start: number; end: number; parent: XmlElement } {
  if (target.kind === 'element') {
    const { start, end, parent } = target.element;
    if (!parent) throw new XmlError('invalid-root-element-operation: a document has one root');
    return { start, end, parent };
  }
  if (target.kind === 'attribute' || target.kind === 'namespace') throw new XmlError('invalid-patch-directive: it has no siblings');
  return target;
}

function blank(sibling: PlacedNode | undefined): PlacedNode {
  if (sibling?.kind !== 'text' || !WHITE_SPACE.test(sibling.raw))
    throw new XmlError('invalid-whitespace-directive: there is no white space');
  return sibling;
}

function isSpace(code: number): boolean {
  return code === 32 || code === 10 || code === 13 || code === 9;
}
