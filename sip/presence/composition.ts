/**
 * One presence document from all that is known of a presentity (RFC 3903 6.3, RFC 3856 9, RFC 4479): what its agents publish, and its
 * hard state (RFC 4827) below all of that.
 *
 * - What was said last goes first: by a component's timestamp, or else by when it was published; then by the order of publication.
 * - A person and a device (by its deviceID) is one, whose attributes are the newest word on each; what only an older publication says stays.
 *   Those of different classes stay apart, and so do those that one publication tells apart.
 * - A service is the newest publication's word on it as a whole. It is the same by its tuple's id, and by its contact, unless that is
 *   the presentity's own address, which each of its agents answers; there it is the same by its deviceID. Different contacts under one id are
 *   different services.
 * - Hard state adds what is not said by any agent.
 * - Unknown extensions are kept as they came.
 */
import { canonicalAddress } from '../../schemas/address.ts';
import { type PresenceComponent, type PresenceDocument, RPID, readComponent } from '../../schemas/pidf.ts';
import { escapeAttribute } from '../../schemas/xml/escape.ts';
import { fragmentText } from '../../schemas/xml/fragment.ts';
import { ownText, textContent, type XmlElement } from '../../schemas/xml/tree.ts';
import { mergeOccurrences } from './merged-component.ts';
import { byPrecedence, classOf, contactOf, deviceIdOf, type Occurrence, occurrencesOf, type PresenceSource, saidAt } from './occurrence.ts';
import { componentAt, mayChange, validityOf } from './timed-presence.ts';

export interface Composition {
  readonly components: readonly PresenceComponent[];
  /** When it becomes another one by itself, in milliseconds since the epoch; infinity if never. */
  readonly changesAt: number;
}

/**
 * The composition of the sources, which come newest first, at `now` (milliseconds since the epoch).
 * Nothing of it depends on the order in which publications came where their timestamps differ.
 * @param presentity canonical address
 */
export function compose(sources: readonly PresenceSource[], presentity: string, now: number): Composition {
  const [only, ...others] = sources;
  if (only && others.length === 0 && isSound(only.document)) return alone(only, now);
  let changesAt = Number.POSITIVE_INFINITY;
  const all: Occurrence[] = [];
  for (const [source, { document, publishedAt }] of sources.entries()) {
    for (const component of document.components) {
      const said = saidAt(component, publishedAt);
      const timed = componentAt(component, said, now);
      changesAt = Math.min(changesAt, timed.changesAt);
      all.push({ component: timed.component, source, isHard: publishedAt === undefined, saidAt: said });
    }
  }
  if (sources.length > 1) all.sort(byPrecedence);
  const of = (kind: PresenceComponent['kind']): Occurrence[] => all.filter(({ component }) => component.kind === kind);
  const kept = [
    ...services(of('tuple'), presentity),
    ...once(notes(of('note'))),
    ...mergeOccurrences(of('person'), () => ''),
    ...mergeOccurrences(of('device'), (device) => deviceIdOf(device) ?? ` ${device.id}`),
    ...once(of('extension')),
  ];
  return { components: withUniqueIds(kept.map(({ component }) => component)), changesAt };
}

/** What is published alone goes out as it came. */
function alone({ document, publishedAt }: PresenceSource, now: number): Composition {
  let changesAt = Number.POSITIVE_INFINITY;
  const components = document.components.map((component) => {
    if (!mayChange(component)) return component;
    const timed = componentAt(component, saidAt(component, publishedAt), now);
    changesAt = Math.min(changesAt, timed.changesAt);
    return timed.component;
  });
  return { components, changesAt };
}

/** Does it keep the rule of RFC 4479 3.5 that an occurrence has an id of its own? */
function isSound({ components }: PresenceDocument): boolean {
  const ids = new Set<string>();
  return components.every(({ id }) => id === undefined || (!ids.has(id) && ids.add(id)));
}

/** In order of precedence, without those on which there is a newer word. */
function services(sorted: readonly Occurrence[], presentity: string): Occurrence[] {
  /** Contacts under each id; '' where there is a tuple without one. */
  const byId = new Map<string, Set<string>>();
  /** The sources that have told of each contact. */
  const byContact = new Map<string, Set<number>>();
  const kept: Occurrence[] = [];
  for (const occurrence of sorted) {
    const { component, source, isHard } = occurrence;
    const contact = contactOf(component);
    const sameId = byId.get(component.id ?? '');
    if (sameId && (contact === '' || sameId.has('') || sameId.has(contact))) continue;
    const keys = contactKeys(occurrence, contact, presentity);
    const told = isHard ? keys.any : keys.own;
    const tellers = told === undefined ? undefined : byContact.get(told);
    if (tellers && (tellers.size > 1 || !tellers.has(source))) continue;
    kept.push(occurrence);
    if (sameId) sameId.add(contact);
    else byId.set(component.id ?? '', new Set([contact]));
    for (const key of [keys.any, keys.own]) {
      if (key === undefined) continue;
      const sources = byContact.get(key);
      if (sources) sources.add(source);
      else byContact.set(key, new Set([source]));
    }
  }
  return kept;
}

/** By what other tuples of the contact are found: any of them, and those that are the same service. */
function contactKeys(
  { component }: Occurrence,
  contact: string,
  presentity: string,
): { readonly any: string | undefined; readonly own: string | undefined } {
  if (contact === '') return { any: undefined, own: undefined };
  // A GRUU is one agent's, though it has the address in it (RFC 5627 3.1).
  const isShared = canonicalAddress(contact) === presentity && !/;gr(?:[=;?]|$)/i.test(contact);
  const device = isShared ? deviceIdOf(component) : '';
  return { any: contact, own: device === undefined ? undefined : JSON.stringify([contact, classOf(component), device]) };
}

/** Hard state has nothing to say beside the notes of agents. */
function notes(sorted: readonly Occurrence[]): readonly Occurrence[] {
  const soft = sorted.filter(({ isHard }) => !isHard);
  return soft.length > 0 ? soft : sorted;
}

/** What is the same, by its id or its text, once. */
function once(sorted: readonly Occurrence[]): Occurrence[] {
  const seen = new Set<string>();
  return sorted.filter(({ component: { id, text, element } }) => {
    const key = id === undefined ? text : JSON.stringify([element.uri, element.local, id]);
    return !seen.has(key) && seen.add(key);
  });
}

/** Components that get another id, each of which is written and read anew; what is older goes untold. */
const MOST_RENAMED = 200;

/** RFC 4479 3.5: occurrence identifiers are unique among all tuples, persons and devices; the newest keeps its own. */
function withUniqueIds(components: readonly PresenceComponent[]): PresenceComponent[] {
  const ids = new Set<string>();
  const numbers = new Map<string, number>();
  let renamed = 0;
  return components.flatMap((component) => {
    const { id } = component;
    if (id === undefined) return component;
    let fresh = id;
    let n = numbers.get(id) ?? 2;
    for (; ids.has(fresh); n++) fresh = `${id}.${n}`;
    if (fresh !== id && ++renamed > MOST_RENAMED) return [];
    numbers.set(id, n);
    ids.add(fresh);
    return fresh === id ? component : withId(component, fresh);
  });
}

function withId(component: PresenceComponent, id: string): PresenceComponent {
  const { element, source, declarations } = component;
  const own = element.attributes.find(({ local, uri }) => local === 'id' && uri === '');
  if (!own) return component;
  const text = fragmentText(element, source, declarations, [{ start: own.valueStart, end: own.valueEnd, text: escapeAttribute(id) }]);
  return readComponent(text, occurrencesOf(component));
}

/**
 * The presentity's sphere (RFC 4480 3.11) at `now`: the value on which all persons of all that is published agree, or undefined when they
 * say none or several (RFC 5025 3.1.2). In lower case, for case does not tell spheres apart (RFC 4745 7.3).
 */
export function sphereOf(documents: readonly PresenceDocument[], now: number): string | undefined {
  let sphere: string | undefined;
  for (const { components } of documents) {
    for (const { kind, element } of components) {
      if (kind !== 'person') continue;
      for (const said of element.elements) {
        if (said.uri !== RPID || said.local !== 'sphere' || !holdsAt(said, now)) continue;
        const value = sphereValue(said)?.toLowerCase();
        if (value === undefined) continue;
        if (sphere !== undefined && sphere !== value) return undefined;
        sphere = value;
      }
    }
  }
  return sphere;
}

function holdsAt(element: XmlElement, now: number): boolean {
  const { from, until } = validityOf(element);
  return from <= now && now < until;
}

/** RPID writes a sphere as an element (`<home/>`) or as text; common policy compares it as a string. */
function sphereValue(sphere: XmlElement): string | undefined {
  const [value] = sphere.elements;
  if (value) return value.local;
  const text = ownText(sphere).trim().replace(/\s+/g, ' ');
  return text === '' ? undefined : text;
}

/** What the presentity does at `now` (RFC 4480 3.2): the names of all activities in lower case, and what stands in `<other>`. */
export function activitiesOf(components: readonly PresenceComponent[], now: number): readonly string[] {
  const activities = new Set<string>();
  for (const { element } of components) {
    const said = element.elements.filter((e) => e.uri === RPID && e.local === 'activities' && holdsAt(e, now));
    for (const activity of said.flatMap(({ elements }) => elements)) {
      if (activity.uri !== RPID || activity.local === 'note') continue;
      activities.add((activity.local === 'other' ? textContent(activity).trim() : activity.local).toLowerCase());
    }
  }
  return [...activities];
}
