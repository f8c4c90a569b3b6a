/** What has changed between two states of a conference, as the children of a partial document (RFC 4575 4.4, 4.6). */
import { attributesOf, type ConferencePart, childPart, isDivisible, keyOf, partOf, stateOf, textOf } from './conference-elements.ts';
import type { ConferenceInfo } from './conference-info.ts';
import { escapeAttribute } from './xml/escape.ts';
import { FragmentGrowth } from './xml/fragment.ts';
import { XmlError } from './xml/parse.ts';
import { attribute, type XmlElement } from './xml/tree.ts';

/**
 * The changes that make the one state the other; '' where there are none. Undefined where they cannot be told in parts, or where the whole
 * is no longer than they are.
 */
export function conferenceChanges(before: ConferenceInfo, after: ConferenceInfo): string | undefined {
  if (before.entity !== after.entity) return undefined;
  try {
    const changes = changesOf(
      'conference-info',
      partOf(before.root, before.source),
      partOf(after.root, after.source),
      new FragmentGrowth(),
    );
    return changes !== undefined && changes.length < after.content.length ? changes : undefined;
  } catch (error) {
    // Parts may need more declarations than the whole.
    if (error instanceof XmlError) return undefined;
    throw error;
  }
}

/** Of the children of an element; undefined where it must be told whole. */
function changesOf(parent: string, before: ConferencePart, after: ConferencePart, growth: FragmentGrowth): string | undefined {
  const known = byKey(parent, before.element);
  const wanted = byKey(parent, after.element);
  if (!known || !wanted) return undefined;
  let changes = '';
  const isAlike = sameBindings(before.bindings, after.bindings);
  for (const [key, element] of wanted) {
    const old = known.get(key);
    if (!old) changes += textOf(element, after, growth);
    else if (!isAlike || rawOf(old, before) !== rawOf(element, after)) {
      const isTogether = isAlike && isDivisible(parent, element) && isSameBeside(old, element);
      const part = isTogether ? changesOf(element.local, childPart(before, old), childPart(after, element), growth) : undefined;
      if (part === undefined) changes += textOf(element, after, growth);
      else if (part !== '') changes += `<${element.local}${attributesOf(element)} state="partial">${part}</${element.local}>\n`;
    }
  }
  for (const [key, element] of known) {
    if (wanted.has(key)) continue;
    // What has no state of its own can go only with what it is in; and the schema has no empty <sidebars-by-ref> (RFC 4575 6).
    if (!isDivisible(parent, element) || element.local === 'sidebars-by-ref') return undefined;
    const entity = attribute(element, 'entity');
    changes += `<${element.local}${entity === undefined ? '' : ` entity="${escapeAttribute(entity)}"`} state="deleted"/>\n`;
  }
  return changes;
}

/** The children, by what tells them apart; undefined where that does not, or where they are not whole themselves. */
function byKey(parent: string, { elements }: XmlElement): Map<string, XmlElement> | undefined {
  const found = new Map<string, XmlElement>();
  for (const element of elements) {
    if (isDivisible(parent, element) && stateOf(element) !== 'full') return undefined;
    found.set(keyOf(parent, element), element);
  }
  return found.size === elements.length ? found : undefined;
}

function rawOf({ start, end }: XmlElement, { source }: ConferencePart): string {
  return source.slice(start, end);
}

function sameBindings(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a === b || (a.size === b.size && [...a].every(([prefix, uri]) => b.get(prefix) === uri));
}

/** Do the two differ in nothing but their children? Attributes of other namespaces are told with the whole. */
function isSameBeside(old: XmlElement, element: XmlElement): boolean {
  if (element.attributes.some(({ uri }) => uri !== '') || old.attributes.some(({ uri }) => uri !== '')) return false;
  return attributesOf(old) === attributesOf(element);
}
