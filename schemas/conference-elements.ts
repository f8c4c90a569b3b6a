/** The elements of conference information (RFC 4575 4.4, 4.5): which of them may be told in part, what tells them apart, and how they stand alone. */
import { escapeAttribute } from './xml/escape.ts';
import { type FragmentGrowth, fragmentBindings, fragmentText, missingDeclarations } from './xml/fragment.ts';
import { XmlError } from './xml/parse.ts';
import { attribute, child, textContent, type XmlElement } from './xml/tree.ts';

export const CONFERENCE_INFO = 'urn:ietf:params:xml:ns:conference-info';

export type PartState = 'full' | 'partial' | 'deleted';

/** An element, the text of its document, and the namespaces in scope in it. */
export interface ConferencePart {
  readonly element: XmlElement;
  readonly source: string;
  readonly bindings: ReadonlyMap<string, string>;
}

/** Throws XmlError. */
export function partOf(root: XmlElement, source: string): ConferencePart {
  return { element: root, source, bindings: fragmentBindings(root) };
}

/** Throws XmlError. */
export function childPart({ source, bindings }: ConferencePart, element: XmlElement): ConferencePart {
  return { element, source, bindings: element.declarations?.size ? fragmentBindings(element) : bindings };
}

/** Throws XmlError. */
export function stateOf(element: XmlElement): PartState {
  const state = attribute(element, 'state') ?? 'full';
  if (state === 'full' || state === 'partial' || state === 'deleted') return state;
  throw new XmlError(`the state of <${element.local}> is none of full, partial, deleted`);
}

/** The order of the children of elements that may be partial (RFC 4575 4.4); elements of other namespaces come last. */
const CONFERENCE = ['conference-description', 'host-info', 'conference-state', 'users', 'sidebars-by-ref', 'sidebars-by-val'];
const CHILDREN: Readonly<Record<string, readonly string[]>> = {
  'conference-info': CONFERENCE,
  entry: CONFERENCE,
  users: ['user'],
  user: ['display-text', 'associated-aors', 'roles', 'languages', 'cascaded-focus', 'endpoint'],
  endpoint: [
    ...['display-text', 'referred', 'status', 'joining-method', 'joining-info'],
    ...['disconnection-method', 'disconnection-info', 'media', 'call-info'],
  ],
  'sidebars-by-ref': ['entry'],
  'sidebars-by-val': ['entry'],
};

/** May the element be told in part? */
export function isDivisible(parent: string, { uri, local }: XmlElement): boolean {
  return uri === CONFERENCE_INFO && Object.hasOwn(CHILDREN, local) && (local !== 'entry' || parent === 'sidebars-by-val');
}

/** RFC 4575 4.5: what tells an element from its siblings; of most there is one. */
export function keyOf(parent: string, element: XmlElement): string {
  const { uri, local } = element;
  const name = `${uri} ${local}`;
  if (uri !== CONFERENCE_INFO) return name;
  if (local === 'user' || local === 'endpoint') return `${name} ${attribute(element, 'entity') ?? ''}`;
  if (local === 'media') return `${name} ${attribute(element, 'id') ?? ''}`;
  if (local !== 'entry') return name;
  const address = child(element, CONFERENCE_INFO, 'uri');
  return `${name} ${parent === 'sidebars-by-val' || !address ? (attribute(element, 'entity') ?? '') : textContent(address).trim()}`;
}

/** Where among its siblings the schema has it. */
export function rankOf(parent: string, { uri, local }: XmlElement): number {
  const order = CHILDREN[parent] ?? [];
  const rank = uri === CONFERENCE_INFO ? order.indexOf(local) : -1;
  return rank < 0 ? order.length : rank;
}

/** As they are written, without `state`. */
export function attributesOf({ attributes }: XmlElement): string {
  const own = attributes.filter(({ uri, local }) => uri === '' && local !== 'state');
  return own.map(({ name, value }) => ` ${name}="${escapeAttribute(value)}"`).join('');
}

const AMBIENT = new Map([['', CONFERENCE_INFO]]);

/** The text of a child as it stands below the root that `writeConferenceInfo` writes. Throws XmlError. */
export function textOf(element: XmlElement, { source, bindings }: ConferencePart, growth: FragmentGrowth): string {
  const declarations = missingDeclarations(element, source.slice(element.start, element.end), bindings, AMBIENT, growth);
  return `${fragmentText(element, source, declarations)}\n`;
}
