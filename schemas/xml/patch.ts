/**
 * XML patch operations (RFC 5261) that turn one text of a document into another, byte for byte when they are applied to the text:
 * what is added or put in another's place goes in as it stands in the patch, and nothing else is touched.
 *
 * Selectors name elements by position alone, so that they need no namespaces. Operations come in reverse document order: what one of them
 * changes is never counted by the selectors of those after it.
 */
import { align, type Comparisons } from '../alignment.ts';
import { attributeOperations } from './attribute-patch.ts';
import { type ChangedPart, changedPart, unchangedAround } from './changed-part.ts';
import { type Content, type ContentNode, contentOf } from './content-nodes.ts';
import type { PatchOperation } from './patch-operation.ts';
import { inScopeNamespaces, lookupNamespace, type XmlDocument, type XmlElement } from './tree.ts';
import { usedPrefixes } from './used-prefixes.ts';

export interface Patch {
  /** Bindings that hold for the contents of all operations. */
  readonly namespaces: ReadonlyMap<string, string>;
  /** To be applied one after the other; none when the texts are the same. */
  readonly operations: readonly PatchOperation[];
}

/**
 * The patch from one document to another; undefined when none would give the same text, since something outside of the root element
 * differs that cannot be patched (RFC 5261 3), or when it would take too much to make one.
 */
export function createPatch(before: XmlDocument, after: XmlDocument): Patch | undefined {
  const outside = (document: XmlDocument): [string, string] => [
    document.source.slice(0, document.root.start),
    document.source.slice(document.root.end),
  ];
  if (outside(before).some((text, i) => text !== outside(after)[i])) return undefined;
  const namespaces = inScopeNamespaces(after.root);
  const part = changedPart(before, after);
  const patcher = new Patcher(before, after, namespaces, part);
  patcher.element(part.before, part.after, part.sel);
  return patcher.isGivenUp ? undefined : { namespaces, operations: patcher.operations };
}

/** With more operations it is better to put the whole in its place: for who makes them and for who applies them. */
const MOST_OPERATIONS = 1000;
/**
 * What comparing may cost in all: characters of content looked at on every level, each node counting for as many more, and comparisons of
 * nodes. Elements for which nothing is left are put in each other's place as a whole.
 */
const MOST_CHARACTERS = 2_000_000;
const NODE = 60;
const MOST_COMPARISONS = 300_000;
/** Prefixes whose bindings are looked for around the contents of operations: with more of them there is no patch. */
const MOST_LOOKUPS = 20_000;
/** Characters that an operation takes besides its content, about. */
const OVERHEAD = 40;
const WHITE_SPACE = /^[ \t\r\n]+$/;

/** A run of siblings between two that stay: nodes `from` up to `to` and the gaps around them. */
interface Run {
  readonly content: Content;
  readonly from: number;
  readonly to: number;
}

class Patcher {
  readonly operations: PatchOperation[] = [];
  private readonly comparisons: Comparisons = { left: MOST_COMPARISONS };
  private charactersLeft = MOST_CHARACTERS;
  private lookupsLeft = MOST_LOOKUPS;
  private readonly before: XmlDocument;
  private readonly after: XmlDocument;
  private readonly namespaces: ReadonlyMap<string, string>;
  /** The element in which all is that differs. */
  private readonly part: ChangedPart;

  constructor(before: XmlDocument, after: XmlDocument, namespaces: ReadonlyMap<string, string>, part: ChangedPart) {
    this.before = before;
    this.after = after;
    this.namespaces = namespaces;
    this.part = part;
  }

  /** Whether there was more to find out than is worth it. */
  get isGivenUp(): boolean {
    return this.lookupsLeft < 0;
  }

  private get isFull(): boolean {
    return this.operations.length > MOST_OPERATIONS;
  }

  /** Makes one element of another, `sel` being the first one's selector. */
  element(a: XmlElement, b: XmlElement, sel: string): void {
    const raw = this.after.source.slice(b.start, b.end);
    if (this.before.source.slice(a.start, a.end) === raw) return;
    const mark = this.operations.length;
    if (this.inside(a, b, sel) && !this.isFull) {
      let cost = 0;
      for (let i = mark; i < this.operations.length; i++) cost += costOf(this.operations[i]);
      if (cost <= raw.length + sel.length + OVERHEAD) return;
    }
    // Should there be too many, those around it will be given up as well, up to the outermost.
    if (this.isFull && a !== this.part.before) return;
    this.operations.length = mark;
    this.push({ name: 'replace', sel, content: raw }, a.parent);
  }

  /** Patches what is inside of an element; false when its tags differ in what cannot be patched. */
  private inside(a: XmlElement, b: XmlElement, sel: string): boolean {
    if (a.name !== b.name || a.selfClosing !== b.selfClosing) return false;
    const endTag = (document: XmlDocument, e: XmlElement): string => document.source.slice(e.contentEnd, e.end);
    if (endTag(this.before, a) !== endTag(this.after, b)) return false;
    // The outermost is looked at once, however much of it there is.
    if (a !== this.part.before) this.charactersLeft -= a.end - a.start + b.end - b.start + NODE * (a.elements.length + b.elements.length);
    if (this.charactersLeft < 0) return false;
    const attributes = attributeOperations(this.before, a, this.after, b, sel);
    const contents = [contentOf(this.before, a), contentOf(this.after, b)] as const;
    if (!attributes || !contents[0] || !contents[1]) return false;
    this.children(a, contents[0], contents[1], sel);
    this.operations.push(...attributes);
    return true;
  }

  private children(parent: XmlElement, a: Content, b: Content, sel: string): void {
    const { lead, trail } = parent === this.part.before ? unchangedAround(a.nodes, b.nodes, this.part) : { lead: 0, trail: 0 };
    let [to, end] = [a.nodes.length - trail, b.nodes.length - trail];
    const raws = ({ nodes }: Content, last: number): string[] => nodes.slice(lead, last).map(rawOf);
    const kept = align(raws(a, to), raws(b, end), this.comparisons).map(([i, j]) => [i + lead, j + lead] as const);
    const anchors = this.pairRest(a, b, kept, [lead, to, end]);
    for (let i = anchors.length - 1; i >= -1; i--) {
      if (this.isFull) return;
      const [x, y] = anchors[i] ?? [lead - 1, lead - 1];
      this.run({ content: a, from: x + 1, to }, { content: b, from: y + 1, to: end }, parent, sel);
      const [old, fresh] = i < 0 ? [] : [a.nodes[x], b.nodes[y]];
      if (old && fresh) this.node(old, fresh, parent, sel);
      [to, end] = [x, y];
    }
  }

  /** Between the nodes that stay as they are, those that stay but change: of the same start tag, else of the same kind where they are as many. */
  private pairRest(
    a: Content,
    b: Content,
    kept: readonly (readonly [number, number])[],
    [from, to, end]: readonly [from: number, to: number, end: number],
  ): (readonly [number, number])[] {
    const pairs: (readonly [number, number])[] = [];
    let [x, y] = [from, from];
    for (const [i, j] of [...kept, [to, end] as const]) {
      if (i > x && j > y) {
        const tags = (document: XmlDocument, { nodes }: Content, from: number, to: number) =>
          nodes.slice(from, to).map((node) => startTag(document, node));
        let [u, v] = [x, y];
        const alike = align(tags(this.before, a, x, i), tags(this.after, b, y, j), this.comparisons);
        for (const [p, q] of [...alike, [i - x, j - y] as const]) {
          pairs.push(...pairByKind(a, b, [u, x + p], [v, y + q]));
          if (x + p < i && y + q < j) pairs.push([x + p, y + q]);
          [u, v] = [x + p + 1, y + q + 1];
        }
      }
      if (i < to && j < end) pairs.push([i, j]);
      [x, y] = [i + 1, j + 1];
    }
    return pairs;
  }

  private node(old: ContentNode, fresh: ContentNode, parent: XmlElement, sel: string): void {
    if (old.raw === fresh.raw) return;
    if (old.element && fresh.element) this.element(old.element, fresh.element, selectorOf(sel, old));
    else this.push({ name: 'replace', sel: selectorOf(sel, old), content: fresh.raw }, parent);
  }

  /** Makes of one run of siblings another that has none in common with it. */
  private run(a: Run, b: Run, parent: XmlElement, sel: string): void {
    const fresh = b.content.nodes.slice(b.from, b.to);
    const wanted = b.content.gaps.slice(b.from, b.to + 1);
    const gap = this.removeNodes(a, fresh.length === 0 ? wanted[0] : undefined, sel);
    if (fresh.length === 0) {
      this.setText(a, gap, wanted[0] ?? '', parent, sel);
      return;
    }
    const [first, last] = [wanted[0] ?? '', wanted.at(-1) ?? ''];
    let content = '';
    for (const [i, { raw }] of fresh.entries()) content += (wanted[i] ?? '') + raw;
    if (gap === last) this.insertAtStart(a, content, parent, sel);
    else if (gap === first) this.insertAfterText(a, gap, content.slice(first.length) + last, parent, sel);
    else {
      this.setText(a, gap, '', parent, sel);
      this.insertAtStart(a, content + last, parent, sel);
    }
  }

  /** Removes the run's nodes, with white space beside them if that leaves the text that is wanted. Gives the text that is left. */
  private removeNodes({ content: { nodes, gaps }, from, to }: Run, wanted: string | undefined, sel: string): string {
    const texts = gaps.slice(from, to + 1);
    const [first = '', last = ''] = [texts[0], texts.at(-1)];
    const all = texts.join('');
    const isBlank = (text: string | undefined): boolean => text !== undefined && WHITE_SPACE.test(text);
    let ws: 'before' | 'after' | undefined;
    if (to - from === 1 && wanted === '' && isBlank(first) && isBlank(last)) {
      this.operations.push({ name: 'remove', sel: selectorOf(sel, nodes[from]), ws: 'both' });
      return '';
    }
    if (to > from && wanted !== undefined && all !== wanted) {
      const others = (list: readonly string[]): boolean => list.every((text) => text === '' || isBlank(text));
      if (first === wanted && others(texts.slice(1))) ws = 'after';
      else if (last === wanted && others(texts.slice(0, -1))) ws = 'before';
    }
    for (let i = to - 1; i >= from; i--) {
      const beside = ws === 'after' ? gaps[i + 1] : gaps[i];
      const removal: PatchOperation = { name: 'remove', sel: selectorOf(sel, nodes[i]) };
      this.operations.push(ws && beside !== '' ? { ...removal, ws } : removal);
    }
    return ws === undefined ? all : (wanted ?? '');
  }

  /** Changes the text of a run that has no nodes left. */
  private setText(run: Run, text: string, wanted: string, parent: XmlElement, sel: string): void {
    if (text === wanted) return;
    if (text === '') this.insertAtStart(run, wanted, parent, sel);
    else if (wanted === '') this.operations.push({ name: 'remove', sel: textSelector(run, sel) });
    else this.push({ name: 'replace', sel: textSelector(run, sel), content: wanted }, parent);
  }

  /** Before the text of the run, if there is any. */
  private insertAtStart({ content: { nodes, gaps }, from, to }: Run, content: string, parent: XmlElement, sel: string): void {
    const previous = nodes[from - 1];
    if (previous) this.push({ name: 'add', sel: selectorOf(sel, previous), pos: 'after', content }, parent);
    // With nothing else in it, first is last.
    else if (to === nodes.length && gaps.slice(from).every((gap) => gap === '')) this.push({ name: 'add', sel, content }, parent);
    else this.push({ name: 'add', sel, pos: 'prepend', content }, parent);
  }

  private insertAfterText(run: Run, text: string, content: string, parent: XmlElement, sel: string): void {
    if (run.to === run.content.nodes.length) this.push({ name: 'add', sel, content }, parent);
    else if (text === '') this.insertAtStart(run, content, parent, sel);
    else this.push({ name: 'add', sel: textSelector(run, sel), pos: 'after', content }, parent);
  }

  /** Adds an operation whose content goes into `context`. */
  private push(operation: PatchOperation & { readonly content: string }, context: XmlElement | undefined): void {
    const namespaces = this.bindingsFor(operation.content, context);
    this.operations.push(namespaces.size > 0 ? { ...operation, namespaces } : operation);
  }

  /** What must be declared for content that goes into `context` (RFC 5874 3), of what it may use. */
  private bindingsFor(content: string, context: XmlElement | undefined): ReadonlyMap<string, string> {
    const namespaces = new Map<string, string>();
    const used = usedPrefixes(content).add('');
    this.lookupsLeft -= used.size;
    if (this.lookupsLeft < 0) return namespaces;
    for (const prefix of used) {
      const uri = context && prefix !== 'xml' ? lookupNamespace(context, prefix) : undefined;
      if (uri !== undefined && this.namespaces.get(prefix) !== uri) namespaces.set(prefix, uri);
      // A prefix cannot be unbound, nor does it need to be: nothing in the content uses it.
      if (uri === undefined && prefix === '' && this.namespaces.has('')) namespaces.set('', '');
    }
    return namespaces;
  }
}

function rawOf({ raw }: ContentNode): string {
  return raw;
}

function startTag({ source }: XmlDocument, { element, raw }: ContentNode): string {
  return element ? source.slice(element.start, element.contentStart) : raw;
}

/** Pairs nodes of two ranges one by one when they are as many and each is of the same kind as its like. */
function pairByKind(a: Content, b: Content, [x, i]: [number, number], [y, j]: [number, number]): [number, number][] {
  if (i - x !== j - y) return [];
  const pairs: [number, number][] = [];
  for (let k = 0; k < i - x; k++) {
    const [old, fresh] = [a.nodes[x + k], b.nodes[y + k]];
    if (old?.kind !== fresh?.kind) return [];
    pairs.push([x + k, y + k]);
  }
  return pairs;
}

function selectorOf(parent: string, node: ContentNode | undefined): string {
  if (!node) throw new Error('there is no such node');
  return `${parent}/${node.kind === 'element' ? '*' : `${node.kind}()`}[${node.position}]`;
}

/** The selector of the run's text: the first of it, where removed nodes had it in pieces. */
function textSelector({ content: { textPositions }, from }: Run, sel: string): string {
  return `${sel}/text()[${textPositions[from] ?? 1}]`;
}

function costOf(operation: PatchOperation | undefined): number {
  if (!operation) return 0;
  let cost = OVERHEAD + operation.sel.length + (operation.content?.length ?? 0);
  for (const [prefix, uri] of operation.namespaces ?? []) cost += ' xmlns:=""'.length + prefix.length + uri.length;
  return cost;
}
