/**
 * Conference information (RFC 4575 5): kept as its source text, so that what a focus says leaves the server as it came. Partial documents
 * are merged into the one before (RFC 4575 4.6), so that a whole one is always at hand.
 */
import { canonicalAddress } from './address.ts';
import {
  attributesOf,
  CONFERENCE_INFO,
  type ConferencePart,
  childPart,
  isDivisible,
  keyOf,
  type PartState,
  partOf,
  rankOf,
  stateOf,
  textOf,
} from './conference-elements.ts';
import { escapeAttribute } from './xml/escape.ts';
import { FragmentGrowth } from './xml/fragment.ts';
import { parseXml, XmlError } from './xml/parse.ts';
import { attribute, child, childrenNamed, textContent, type XmlElement } from './xml/tree.ts';

export const CONFERENCE_INFO_TYPE = 'application/conference-info+xml';

export interface ConferenceInfo {
  /** URI of the conference. */
  readonly entity: string;
  /** `deleted`: the conference is over (RFC 4575 4.6). */
  readonly state: PartState;
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
  const part = partOf(root, source);
  const content = root.elements.map((element) => textOf(element, part, growth)).join('');
  return { entity, state: stateOf(root), root, source, content, participants: participantsOf(root) };
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

/**
 * The whole document after a change (RFC 4575 4.6): a full one takes the place of the other, a partial one replaces, adds and removes
 * parts of it by their keys. `before` is undefined where nothing is known.
 */
export function mergeConferenceInfo(before: ConferenceInfo | undefined, change: ConferenceInfo): ConferenceInfo {
  if (change.state !== 'partial') return change;
  const known = before?.state === 'deleted' ? undefined : before;
  const attributes = ` xmlns="${CONFERENCE_INFO}" entity="${escapeAttribute(change.entity)}" state="full"`;
  const content = mergeChildren(
    'conference-info',
    known && partOf(known.root, known.source),
    partOf(change.root, change.source),
    new FragmentGrowth(),
  );
  return parseConferenceInfo(`<?xml version="1.0" encoding="UTF-8"?>\n<conference-info${attributes}>\n${content}</conference-info>\n`);
}

function mergeChildren(parent: string, before: ConferencePart | undefined, change: ConferencePart, growth: FragmentGrowth): string {
  const merged = new Map<string, { readonly rank: number; readonly text: string }>();
  const known = new Map<string, XmlElement>();
  for (const element of before?.element.elements ?? []) known.set(keyOf(parent, element), element);
  // What is told anew, or gone, is not to be made a text of.
  const kept = new Set(known.keys());
  for (const element of change.element.elements) kept.delete(keyOf(parent, element));
  for (const [key, element] of known) {
    // It keeps its place.
    const text = before && kept.has(key) ? textOf(element, before, growth) : '';
    merged.set(key, { rank: rankOf(parent, element), text });
  }
  for (const element of change.element.elements) {
    const key = keyOf(parent, element);
    const state = isDivisible(parent, element) ? stateOf(element) : 'full';
    if (state === 'deleted') merged.delete(key);
    else if (state === 'full') merged.set(key, { rank: rankOf(parent, element), text: textOf(element, change, growth) });
    else {
      const old = known.get(key);
      const content = mergeChildren(element.local, old && before && childPart(before, old), childPart(change, element), growth);
      const text = `<${element.local}${attributesOf(element)}>${content}</${element.local}>\n`;
      merged.set(key, { rank: rankOf(parent, element), text });
    }
  }
  return [...merged.values()]
    .sort((a, b) => a.rank - b.rank)
    .map(({ text }) => text)
    .join('');
}

/**
 * Writes the document of a NOTIFY; `version` rises within a subscription.
 * @param changes where it tells these alone, as `conferenceChanges` gives them
 */
export function writeConferenceInfo(version: number, { entity, content }: ConferenceInfo, changes?: string): string {
  const state = changes === undefined ? 'full' : 'partial';
  const attributes = ` xmlns="${CONFERENCE_INFO}" entity="${escapeAttribute(entity)}" state="${state}" version="${version}"`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n<conference-info${attributes}>\n${changes ?? content}</conference-info>\n`;
}
