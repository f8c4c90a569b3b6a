/**
 * One presence state from all publications of a presentity (RFC 3903 6.3, RFC 3856 9):
 * tuples, persons and devices with the same id are one, and the newest publication's word on it holds.
 */
import { type PresenceComponent, type PresenceDocument, RPID } from '../../schemas/pidf.ts';
import { child, childrenNamed, ownText, textContent, type XmlElement } from '../../schemas/xml/tree.ts';

/** Components of all documents, which come newest first. The order of the result depends on nothing but the documents. */
export function compose(newestFirst: readonly PresenceDocument[]): readonly PresenceComponent[] {
  const [only, ...others] = newestFirst;
  if (only === undefined) return [];
  const seen = new Set<string>();
  const components: PresenceComponent[] = [];
  for (const { components: own } of others.length === 0 ? [only] : newestFirst) {
    for (const component of own) {
      const key = `${component.kind} ${component.id ?? component.text}`;
      if (seen.has(key)) continue;
      seen.add(key);
      components.push(component);
    }
  }
  return components;
}

/**
 * The presentity's sphere (RFC 4480 3.11): the value on which all persons of all that is published agree, or undefined when they say none or
 * several (RFC 5025 3.1.2). In lower case, for case does not tell spheres apart (RFC 4745 7.3).
 */
export function sphereOf(documents: readonly PresenceDocument[]): string | undefined {
  let sphere: string | undefined;
  for (const { components } of documents) {
    for (const { kind, element } of components) {
      if (kind !== 'person') continue;
      for (const said of childrenNamed(element, RPID, 'sphere')) {
        const value = sphereValue(said)?.toLowerCase();
        if (value === undefined) continue;
        if (sphere !== undefined && sphere !== value) return undefined;
        sphere = value;
      }
    }
  }
  return sphere;
}

/** RPID writes a sphere as an element (`<home/>`) or as text; common policy compares it as a string. */
function sphereValue(sphere: XmlElement): string | undefined {
  const [value] = sphere.elements;
  if (value) return value.local;
  const text = ownText(sphere).trim().replace(/\s+/g, ' ');
  return text === '' ? undefined : text;
}

/** What the presentity does (RFC 4480 3.2): the names of all activities in lower case, and what stands in `<other>`. */
export function activitiesOf(components: readonly PresenceComponent[]): readonly string[] {
  const activities = new Set<string>();
  for (const { element } of components) {
    for (const activity of child(element, RPID, 'activities')?.elements ?? []) {
      if (activity.uri !== RPID || activity.local === 'note') continue;
      activities.add((activity.local === 'other' ? textContent(activity).trim() : activity.local).toLowerCase());
    }
  }
  return [...activities];
}
