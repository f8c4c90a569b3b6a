/** What several publications say about one person or one device (RFC 4479 3.2, 3.4), as one component. */
import { componentBindings, DATA_MODEL, type PresenceComponent, ROOT_BINDINGS, readComponent } from '../../schemas/pidf.ts';
import { escapeAttribute } from '../../schemas/xml/escape.ts';
import { FragmentGrowth, fragmentText, missingDeclarations } from '../../schemas/xml/fragment.ts';
import { XmlError } from '../../schemas/xml/parse.ts';
import type { XmlElement } from '../../schemas/xml/tree.ts';
import { classOf, type Occurrence, occurrencesOf } from './occurrence.ts';
import { type Validity, validityOf } from './timed-presence.ts';

/** Persons or devices that are compared with each other; beyond, only those of one id are taken together. */
const MOST_COMPARED = 200;
/** Elements of one name in a merged component. */
const MOST_OF_A_NAME = 100;

/**
 * Takes together what is about the same person or device: occurrences of one id, and occurrences of other ids too where no publication tells
 * them apart. Those of another class stay apart (RFC 4479 3.5): who may see the one may not be meant to see the other.
 * @param sorted in order of precedence
 * @param identity of whom or what an occurrence tells, beside its class
 */
export function mergeOccurrences(sorted: readonly Occurrence[], identity: (component: PresenceComponent) => string): Occurrence[] {
  if (sorted.length < 2) return [...sorted];
  const byId = new Map<string, Occurrence[]>();
  for (const occurrence of sorted) {
    const { component } = occurrence;
    const key = JSON.stringify([identity(component), classOf(component), component.id]);
    const same = byId.get(key);
    if (same) same.push(occurrence);
    else byId.set(key, [occurrence]);
  }
  let groups = [...byId.values()];
  if (groups.length <= MOST_COMPARED) groups = joinGroups(groups, identity);
  return groups.map(mergeGroup);
}

function joinGroups(groups: readonly Occurrence[][], identity: (component: PresenceComponent) => string): Occurrence[][] {
  const joined: { readonly key: string; readonly members: Occurrence[]; readonly sources: Set<number> }[] = [];
  for (const members of groups) {
    const [first] = members;
    if (!first) continue;
    const key = JSON.stringify([identity(first.component), classOf(first.component)]);
    const sources = new Set(members.map(({ source }) => source));
    const into = joined.find((group) => group.key === key && ![...sources].some((source) => group.sources.has(source)));
    if (!into) joined.push({ key, members: [...members], sources });
    else {
      into.members.push(...members);
      for (const source of sources) into.sources.add(source);
    }
  }
  return joined.map(({ members }) => members);
}

/** The occurrence that stands for all of the group, whose members come in order of precedence. */
function mergeGroup(members: readonly Occurrence[]): Occurrence {
  const [first, ...others] = members;
  if (!first) throw new Error('a group has members');
  if (others.every(({ source }) => source === first.source)) return first;
  try {
    return { ...first, component: merged(members) };
  } catch (error) {
    // Declarations without measure: the newest word alone is told then.
    if (error instanceof XmlError) return first;
    throw error;
  }
}

function merged(members: readonly Occurrence[]): PresenceComponent {
  const { kind } = members[0]?.component ?? {};
  const ids = [...new Set(members.flatMap(({ component }) => occurrencesOf(component)))].sort();
  const taken = new Map<string, { readonly from: Occurrence; readonly validity: Validity }[]>();
  const growth = new FragmentGrowth();
  const parts = { attributes: '', deviceID: '', notes: '', timestamp: '' };
  for (const member of members) {
    for (const element of member.component.element.elements) {
      if (!isNews(element, member, taken)) continue;
      const text = standingAlone(element, member.component, growth);
      parts[partOf(element)] += text;
    }
  }
  // The least of its ids is that which changes the least as publications come and go.
  const id = ids[0] === undefined ? '' : ` id="${escapeAttribute(ids[0])}"`;
  const name = `dm:${kind === 'device' ? 'device' : 'person'}`;
  const content = parts.attributes + parts.deviceID + parts.notes + parts.timestamp;
  return readComponent(`<${name}${id}>${content}</${name}>`, ids);
}

/** RFC 4479 6 has what is of other namespaces first, then the device's id, notes, and the timestamp. */
function partOf({ uri, local }: XmlElement): 'attributes' | 'deviceID' | 'notes' | 'timestamp' {
  if (uri !== DATA_MODEL) return 'attributes';
  if (local === 'timestamp' || local === 'deviceID') return local;
  return local === 'note' ? 'notes' : 'attributes';
}

/**
 * Has no member before said anything else by an element of this name for the same time? Elements with `from` and `until` that do not overlap
 * are all kept (RFC 4480 3.1), so that a calendar's plans stand beside what a phone says of today.
 */
function isNews(element: XmlElement, from: Occurrence, taken: Map<string, { from: Occurrence; validity: Validity }[]>): boolean {
  const key = `${element.uri} ${element.local}`;
  const validity = validityOf(element);
  const known = taken.get(key);
  if (!known) {
    taken.set(key, [{ from, validity }]);
    return true;
  }
  if (known.length >= MOST_OF_A_NAME) return false;
  const overlaps = (other: Validity): boolean => validity.from < other.until && other.from < validity.until;
  if (known.some((other) => other.from !== from && overlaps(other.validity))) return false;
  known.push({ from, validity });
  return true;
}

function standingAlone(element: XmlElement, component: PresenceComponent, growth: FragmentGrowth): string {
  const slice = component.source.slice(element.start, element.end);
  const declarations = missingDeclarations(element, slice, componentBindings(component), ROOT_BINDINGS, growth);
  return fragmentText(element, component.source, declarations);
}
