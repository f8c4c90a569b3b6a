/**
 * Conference information (RFC 4575 5): kept as its source text, so that what a focus says leaves the server as it came. Partial documents
 * are merged into the one before (RFC 4575 4.6), so that a whole one is always at hand.
 */
import { canonicalAddress } from './address.ts';
import { escapeAttribute } from './xml/escape.ts';
import { FragmentGrowth, fragmentBindings, fragmentText, missingDeclarations } from './xml/fragment.ts';
import { parseXml, XmlError } from './xml/parse.ts';
import { attribute, child, childrenNamed, textContent, type XmlElement } from './xml/tree.ts';

export const CONFERENCE_INFO = 'urn:ietf:params:xml:ns:conference-info';
export const CONFERENCE_INFO_TYPE = 'application/conference-info+xml';

export interface ConferenceInfo {
  /** URI of the conference. */
  readonly entity: string;
  /** `deleted`: the conference is over (RFC 4575 4.6). */
  readonly state: 'full' | 'partial' | 'deleted';
  readonly root: XmlElement;
  readonly source: string;
  /** The children of the root as they stand below that which `writeConferenceInfo` writes. */
  readonly content: string;
  /** Canonical addresses of those in the roster. */
  readonly participants: ReadonlySet<string>;
}

/** Reads a document. Elements that are not known are kept in the text. Throws XmlError for what is not conference information. */
export function parseConferenceInfo(source: string): ConferenceInfo {
  const { root } = parseXml(source);
  if (root.local !== 'conference-info' || root.uri !== CONFERENCE_INFO) {
    throw new XmlError(`the root element is {${root.uri}}${root.local}, not {${CONFERENCE_INFO}}conference-info`);
  }
  const entity = attribute(root, 'entity');
  if (!entity) throw new XmlError('the conference has no entity');
  const growth = new FragmentGrowth();
  const content = root.elements.map((element) => textOf({ element, source }, growth)).join('');
  return { entity, state: stateOf(root), root, source, content, participants: participantsOf(root) };
}

function stateOf(element: XmlElement): ConferenceInfo['state'] {
  const state = attribute(element, 'state') ?? 'full';
  if (state === 'full' || state === 'partial' || state === 'deleted') return state;
  throw new XmlError(`the state of <${element.local}> is none of full, partial, deleted`);
}

/** The users of the roster under all their addresses. */
function participantsOf(root: XmlElement): Set<string> {
  const participants = new Set<string>();
  for (const users of childrenNamed(root, CONFERENCE_INFO, 'users')) {
    for (const user of childrenNamed(users, CONFERENCE_INFO, 'user')) {
      const entity = attribute(user, 'entity');
      if (entity) participants.add(canonicalAddress(entity));
      const others = child(user, CONFERENCE_INFO, 'associated-aors');
      for (const entry of others ? childrenNamed(others, CONFERENCE_INFO, 'entry') : []) {
        const uri = child(entry, CONFERENCE_INFO, 'uri');
        if (uri) participants.add(canonicalAddress(textContent(uri)));
      }
    }
  }
  return participants;
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

const AMBIENT = new Map([['', CONFERENCE_INFO]]);

/**
 * The whole document after a change (RFC 4575 4.6): a full one takes the place of the other, a partial one replaces, adds and removes
 * parts of it by their keys. `before` is undefined where nothing is known.
 */
export function mergeConferenceInfo(before: ConferenceInfo | undefined, change: ConferenceInfo): ConferenceInfo {
  if (change.state !== 'partial') return change;
  const known = before?.state === 'deleted' ? undefined : before;
  const attributes = ` xmlns="${CONFERENCE_INFO}" entity="${escapeAttribute(change.entity)}" state="full"`;
  const content = mergeChildren('conference-info', known && { element: known.root, source: known.source }, change, new FragmentGrowth());
  return parseConferenceInfo(`<?xml version="1.0" encoding="UTF-8"?>\n<conference-info${attributes}>\n${content}</conference-info>\n`);
}

/** An element and the text of its document. */
interface Part {
  readonly element: XmlElement;
  readonly source: string;
}

function mergeChildren(
  parent: string,
  before: Part | undefined,
  { root, source }: { root: XmlElement; source: string },
  growth: FragmentGrowth,
): string {
  const merged = new Map<string, { readonly rank: number; readonly text: string }>();
  for (const element of before?.element.elements ?? []) {
    merged.set(keyOf(parent, element), { rank: rankOf(parent, element), text: textOf({ element, source: before?.source ?? '' }, growth) });
  }
  const known = new Map((before?.element.elements ?? []).map((element) => [keyOf(parent, element), element]));
  for (const element of root.elements) {
    const key = keyOf(parent, element);
    const state = isDivisible(parent, element) ? stateOf(element) : 'full';
    if (state === 'deleted') merged.delete(key);
    else if (state === 'full') merged.set(key, { rank: rankOf(parent, element), text: textOf({ element, source }, growth) });
    else {
      const old = known.get(key);
      const content = mergeChildren(
        element.local,
        old && before && { element: old, source: before.source },
        { root: element, source },
        growth,
      );
      const text = `<${element.local}${attributesOf(element)}>${content}</${element.local}>\n`;
      merged.set(key, { rank: rankOf(parent, element), text });
    }
  }
  return [...merged.values()]
    .sort((a, b) => a.rank - b.rank)
    .map(({ text }) => text)
    .join('');
}

/** May the element be told in part? */
function isDivisible(parent: string, { uri, local }: XmlElement): boolean {
  return uri === CONFERENCE_INFO && Object.hasOwn(CHILDREN, local) && (local !== 'entry' || parent === 'sidebars-by-val');
}

/** RFC 4575 4.5: what tells an element from its siblings; of most there is one. */
function keyOf(parent: string, element: XmlElement): string {
  const { uri, local } = element;
  const name = `${uri} ${local}`;
  if (uri !== CONFERENCE_INFO) return name;
  if (local === 'user' || local === 'endpoint') return `${name} ${attribute(element, 'entity') ?? ''}`;
  if (local === 'media') return `${name} ${attribute(element, 'id') ?? ''}`;
  if (local !== 'entry') return name;
  const address = child(element, CONFERENCE_INFO, 'uri');
  return `${name} ${parent === 'sidebars-by-val' || !address ? (attribute(element, 'entity') ?? '') : textContent(address).trim()}`;
}

function rankOf(parent: string, { uri, local }: XmlElement): number {
  const order = CHILDREN[parent] ?? [];
  const rank = uri === CONFERENCE_INFO ? order.indexOf(local) : -1;
  return rank < 0 ? order.length : rank;
}

function attributesOf({ attributes }: XmlElement): string {
  const own = attributes.filter(({ uri, local }) => uri === '' && local !== 'state');
  return own.map(({ name, value }) => ` ${name}="${escapeAttribute(value)}"`).join('');
}

function textOf({ element, source }: Part, growth: FragmentGrowth): string {
  const bindings = element.parent ? fragmentBindings(element.parent) : new Map<string, string>();
  const declarations = missingDeclarations(element, source.slice(element.start, element.end), bindings, AMBIENT, growth);
  return `${fragmentText(element, source, declarations)}\n`;
}

/** Writes the whole document for a NOTIFY; `version` rises within a subscription. */
export function writeConferenceInfo(version: number, { entity, content }: ConferenceInfo): string {
  const attributes = ` xmlns="${CONFERENCE_INFO}" entity="${escapeAttribute(entity)}" state="full" version="${version}"`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n<conference-info${attributes}>\n${content}</conference-info>\n`;
}
