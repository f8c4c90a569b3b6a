/** Selectors of patch operations (RFC 5261 4.1): the part of XPath that names one node of a document. */
import { type ContentNode, contentOf } from './content-nodes.ts';
import { XmlError } from './parse.ts';
import { attribute, textContent, type XmlAttribute, type XmlDocument, type XmlElement } from './tree.ts';

/** The one node that a selector locates. */
export type PatchTarget =
  | { readonly kind: 'element'; readonly element: XmlElement }
  | { readonly kind: 'attribute'; readonly element: XmlElement; readonly attribute: XmlAttribute }
  | { readonly kind: 'namespace'; readonly element: XmlElement; readonly prefix: string }
  | {
      readonly kind: 'text' | 'comment' | 'processing-instruction';
      readonly parent: XmlElement;
      readonly start: number;
      readonly end: number;
    };

type Predicate = { readonly position: number } | { readonly of: string; readonly value: string };

interface Step {
  /** `*` or a qualified name. */
  readonly test: string;
  readonly predicates: readonly Predicate[];
}

interface LeafStep {
  readonly kind: 'text' | 'comment' | 'processing-instruction' | 'attribute' | 'namespace';
  readonly name: string | undefined;
  readonly position: number | undefined;
}

export interface PatchSelector {
  readonly id: string | undefined;
  readonly steps: readonly Step[];
  readonly leaf: LeafStep | undefined;
  /** How many predicates there are in all, for who must bound what they cost. */
  readonly predicates: number;
}

/** Characters; nobody needs so many to name a node. */
const LONGEST = 1000;
const NAME = String.raw`[\p{L}_][\p{L}\p{N}\p{M}._·-]*`;
const QNAME = `${NAME}(?::${NAME})?`;
const QUOTED = `'[^']*'|"[^"]*"`;
const ID = new RegExp(`^id\\((${QUOTED})\\)`, 'u');
const TEST = new RegExp(`^(?:\\*|${QNAME})`, 'u');
const PREDICATE = new RegExp(`^\\[(?:(\\d{1,6})|(\\.|@?${QNAME})=(${QUOTED}))\\]`, 'u');
const LEAF = new RegExp(`^(?:(text|comment)\\(\\)|(processing-instruction)\\((${QUOTED})?\\))(?:\\[(\\d{1,6})\\])?$`, 'u');
const AXIS = new RegExp(`^(@|namespace::)(${QNAME})$`, 'u');

/** Throws XmlError for what is no such selector. */
export function parsePatchSelector(sel: string): PatchSelector {
  const fault = (): XmlError =>
    new XmlError(`invalid-attribute-value: the selector ${sel.slice(0, 100)} is not one that RFC 5261 4.1 allows`);
  if (sel.length > LONGEST) throw fault();
  let rest = sel.startsWith('/') ? sel.slice(1) : sel;
  let id: string | undefined;
  const quotedId = ID.exec(rest);
  if (quotedId) {
    id = unquoted(quotedId[1]);
    rest = rest.slice(quotedId[0].length);
    if (rest === '') return { id, steps: [], leaf: undefined, predicates: 0 };
    if (!rest.startsWith('/')) throw fault();
    rest = rest.slice(1);
  }
  const steps: Step[] = [];
  let count = 0;
  for (;;) {
    const leaf = leafStep(rest);
    if (leaf) {
      if (steps.length === 0 && id === undefined) throw fault();
      return { id, steps, leaf, predicates: count };
    }
    const test = TEST.exec(rest)?.[0];
    if (test === undefined) throw fault();
    rest = rest.slice(test.length);
    const predicates: Predicate[] = [];
    for (let match = PREDICATE.exec(rest); match; match = PREDICATE.exec(rest)) {
      const [all, position, of = '', value] = match;
      predicates.push(position === undefined ? { of, value: unquoted(value) } : { position: Number(position) });
      rest = rest.slice(all.length);
    }
    count += predicates.length;
    steps.push({ test, predicates });
    if (rest === '') return { id, steps, leaf: undefined, predicates: count };
    if (!rest.startsWith('/')) throw fault();
    rest = rest.slice(1);
  }
}

function leafStep(text: string): LeafStep | undefined {
  const leaf = LEAF.exec(text);
  if (leaf) {
    const [, plain, instruction, target, position] = leaf;
    const kind = plain === 'text' || plain === 'comment' ? plain : instruction === undefined ? undefined : 'processing-instruction';
    if (kind) return { kind, name: target && unquoted(target), position: position === undefined ? undefined : Number(position) };
  }
  const axis = AXIS.exec(text);
  return axis ? { kind: axis[1] === '@' ? 'attribute' : 'namespace', name: axis[2], position: undefined } : undefined;
}

function unquoted(text = ''): string {
  return text.slice(1, -1);
}

/**
 * The node that the selector locates. Throws XmlError where that is none, or several.
 * @param bindings in scope at the patch operation; an unprefixed element name is in the default namespace (RFC 5261 4.2.1)
 * @param rootNames names, as `{namespace}local`, any of which stands for the root if the root has one of them
 */
export function locateTarget(
  document: XmlDocument,
  { id, steps, leaf }: PatchSelector,
  bindings: ReadonlyMap<string, string>,
  rootNames: ReadonlySet<string>,
): PatchTarget {
  let elements: XmlElement[] = [];
  for (const [i, step] of steps.entries()) {
    if (i === 0 && id === undefined) elements = rootStep(document, step, bindings, rootNames);
    else {
      const from = i === 0 ? withId(document.root, id ?? '') : elements;
      elements = from.flatMap((element) => select(element.elements, step, bindings));
    }
  }
  if (steps.length === 0 && id !== undefined) elements = withId(document.root, id);
  const targets: readonly PatchTarget[] = leaf
    ? elements.flatMap((element) => leavesOf(document, element, leaf, bindings))
    : elements.map((element) => ({ kind: 'element', element }) as const);
  const [target] = targets;
  if (!target || targets.length > 1) throw new XmlError(`unlocated-node: the selector locates ${targets.length} nodes, not one`);
  return target;
}

/** Elements whose attribute `id`, which presence has of type ID, or `xml:id` is this. */
function withId(element: XmlElement, id: string): XmlElement[] {
  const own = attribute(element, 'id') === id || attribute(element, 'id', XML) === id ? [element] : [];
  return [...own, ...element.elements.flatMap((inner) => withId(inner, id))];
}

function rootStep({ root }: XmlDocument, step: Step, bindings: ReadonlyMap<string, string>, rootNames: ReadonlySet<string>): XmlElement[] {
  if (step.test === '*') return select([root], step, bindings);
  const [uri, local] = expand(step.test, bindings, true);
  const isAlias = rootNames.has(`{${uri}}${local}`) && rootNames.has(`{${root.uri}}${root.local}`);
  return select([root], isAlias ? { ...step, test: '*' } : step, bindings);
}

function select(siblings: readonly XmlElement[], { test, predicates }: Step, bindings: ReadonlyMap<string, string>): XmlElement[] {
  let found = [...siblings];
  if (test !== '*') {
    const [uri, local] = expand(test, bindings, true);
    found = found.filter((element) => element.local === local && element.uri === uri);
  }
  for (const predicate of predicates) {
    if ('position' in predicate) found = found.slice(predicate.position - 1, predicate.position);
    else found = found.filter((element) => holds(element, predicate, bindings));
    if (found.length === 0) break;
  }
  return found;
}

function holds(element: XmlElement, { of, value }: { of: string; value: string }, bindings: ReadonlyMap<string, string>): boolean {
  if (of === '.') return textContent(element) === value;
  const isAttribute = of.startsWith('@');
  const [uri, local] = expand(isAttribute ? of.slice(1) : of, bindings, !isAttribute);
  if (isAttribute) return attribute(element, local, uri) === value;
  return element.elements.some((child) => child.local === local && child.uri === uri && textContent(child) === value);
}

/** Namespace and local name. An attribute without a prefix is in no namespace. */
function expand(name: string, bindings: ReadonlyMap<string, string>, isElement: boolean): readonly [uri: string, local: string] {
  const colon = name.indexOf(':');
  if (colon < 0) return [isElement ? (bindings.get('') ?? '') : '', name];
  const prefix = name.slice(0, colon);
  const uri = prefix === 'xml' ? XML : bindings.get(prefix);
  if (uri === undefined) throw new XmlError(`invalid-namespace-prefix: ${prefix}`);
  return [uri, name.slice(colon + 1)];
}

const XML = 'http://www.w3.org/XML/1998/namespace';

function leavesOf(
  document: XmlDocument,
  element: XmlElement,
  { kind, name = '', position }: LeafStep,
  bindings: ReadonlyMap<string, string>,
): PatchTarget[] {
  if (kind === 'namespace') return element.declarations?.has(name) ? [{ kind, element, prefix: name }] : [];
  if (kind === 'attribute') {
    const [uri, local] = expand(name, bindings, false);
    return element.attributes.filter((a) => a.local === local && a.uri === uri).map((a) => ({ kind, element, attribute: a }));
  }
  const found = childNodes(document, element)
    .filter((node) => node.kind === kind && (name === '' || instructionName(node.raw) === name))
    .map(({ start, end }) => ({ kind, parent: element, start, end }));
  return position === undefined ? found : found.slice(position - 1, position);
}

function instructionName(raw: string): string | undefined {
  return /^<\?([^\s?]+)/.exec(raw)?.[1];
}

/** A child node with its place in the source. */
export interface PlacedNode {
  readonly kind: ContentNode['kind'] | 'text';
  readonly raw: string;
  readonly start: number;
  readonly end: number;
}

/** All that the element holds, in order. Throws XmlError where the text nodes cannot be told from the source. */
export function childNodes(document: XmlDocument, element: XmlElement): PlacedNode[] {
  const content = contentOf(document, element);
  if (!content) throw new XmlError('an element holds an empty CDATA section, which is no node');
  const placed: PlacedNode[] = [];
  let at = element.contentStart;
  const place = (kind: PlacedNode['kind'], raw: string): void => {
    if (raw !== '') placed.push({ kind, raw, start: at, end: at + raw.length });
    at += raw.length;
  };
  for (const [i, gap] of content.gaps.entries()) {
    place('text', gap);
    const node = content.nodes[i];
    if (node) place(node.kind, node.raw);
  }
  return placed;
}
