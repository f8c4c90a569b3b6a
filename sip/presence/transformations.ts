/**
 * Privacy filtering (RFC 5025 3.3): what of a presence document a watcher's permissions let through.
 * Nothing is let through but by a permission, save what 3.3.2 says is always reported.
 */
import { OMA_PRESENCE } from '../../schemas/oma-presence.ts';
import { DATA_MODEL, PIDF, type PresenceComponent, RPID, summariseTuple, withoutRanges } from '../../schemas/pidf.ts';
import type { Permissions, Selector } from '../../schemas/pres-rules.ts';
import type { SourceRange } from '../../schemas/xml/fragment.ts';
import { child, textContent, type XmlAttribute, type XmlElement } from '../../schemas/xml/tree.ts';

/** The component's text as the permissions leave it, or undefined when they give no access to it at all. */
export function transformComponent(component: PresenceComponent, permissions: Permissions): string | undefined {
  switch (component.kind) {
    case 'tuple':
      if (!granted(component, permissions.provideServices)) return undefined;
      break;
    case 'person':
      if (!granted(component, permissions.providePersons)) return undefined;
      break;
    case 'device':
      if (!granted(component, permissions.provideDevices)) return undefined;
      break;
    case 'note':
      // RFC 5025 has no permission for the document's own notes; they are treated as the notes of its parts are.
      return permissions.provideAllAttributes || permissions.provideNote ? component.text : undefined;
    case 'extension':
      return permissions.provideAllAttributes ? component.text : undefined;
  }
  if (permissions.provideAllAttributes) return component.text;
  const removed: SourceRange[] = [];
  for (const element of component.element.elements) filterAttribute(element, component, permissions, removed);
  return withoutComments(withoutRanges(component, removed));
}

/** What is no element has no permission that could reveal it. A CDATA section is text, whatever it looks like. */
function withoutComments(text: string): string {
  if (!text.includes('<!--') && !text.includes('<?')) return text;
  return text.replace(/<!\[CDATA\[[\s\S]*?\]\]>|<!--[\s\S]*?-->|<\?[\s\S]*?\?>/g, (part) => (part.startsWith('<![') ? part : ''));
}

/**
 * RFC 5025 3.3.1: is the component among those that one of the selectors identifies? One that was put together of several is so if all
 * of them are: their parts are told apart no more.
 */
function granted(component: PresenceComponent, selectors: 'all' | readonly Selector[]): boolean {
  if (selectors === 'all') return true;
  const ids: readonly (string | undefined)[] = component.occurrences ?? [component.id];
  if (ids.length === 0) return selectors.some((selector) => identifies(selector, component, component.id));
  return ids.every((id) => selectors.some((selector) => identifies(selector, component, id)));
}

function identifies(selector: Selector, component: PresenceComponent, id: string | undefined): boolean {
  const { element } = component;
  switch (selector.kind) {
    case 'class':
      return childValue(element, RPID, 'class') === selector.value;
    case 'occurrence-id':
      return id === selector.value;
    case 'deviceID':
      return component.kind === 'device' && childValue(element, DATA_MODEL, 'deviceID') === selector.value;
    case 'service-uri':
      return component.kind === 'tuple' && summariseTuple(component).contact === selector.value;
    case 'service-id': {
      const description = component.kind === 'tuple' ? child(element, OMA_PRESENCE, 'service-description') : undefined;
      return description !== undefined && childValue(description, OMA_PRESENCE, 'service-id') === selector.value;
    }
    case 'service-uri-scheme': {
      const contact = component.kind === 'tuple' ? summariseTuple(component).contact : undefined;
      return contact !== undefined && contact.slice(0, Math.max(0, contact.indexOf(':'))) === selector.value;
    }
  }
}

function childValue(element: XmlElement, uri: string, local: string): string | undefined {
  const found = child(element, uri, local);
  return found && textContent(found).trim();
}

/** RPID attributes and the permission that reveals each (RFC 5025 3.3.2.1 to 3.3.2.11). */
const RPID_PERMISSIONS: Readonly<Record<string, keyof Permissions>> = {
  activities: 'provideActivities',
  class: 'provideClass',
  mood: 'provideMood',
  'place-is': 'providePlaceIs',
  'place-type': 'providePlaceType',
  privacy: 'providePrivacy',
  relationship: 'provideRelationship',
  sphere: 'provideSphere',
  'status-icon': 'provideStatusIcon',
  'time-offset': 'provideTimeOffset',
};

/** Adds to `removed` what the permissions (not all of them) take away of one child element of a tuple, person or device. */
function filterAttribute(element: XmlElement, component: PresenceComponent, permissions: Permissions, removed: SourceRange[]): void {
  const { uri, local } = element;
  if (uri === RPID && local === 'user-input') {
    filterUserInput(element, component, permissions, removed);
  } else if (component.kind === 'tuple' && uri === PIDF && local === 'status') {
    // Basic status is always reported; whatever else an agent put into <status> is an attribute like any other.
    for (const inner of element.elements) {
      if (inner.uri === PIDF && inner.local === 'basic') continue;
      if (!attributeGranted(inner, component, permissions)) removed.push(inner);
    }
  } else if (!attributeGranted(element, component, permissions)) removed.push(element);
}

function attributeGranted({ uri, local }: XmlElement, { kind }: PresenceComponent, permissions: Permissions): boolean {
  if (uri === PIDF) {
    if (kind === 'tuple' && (local === 'contact' || local === 'timestamp')) return true;
    if (local === 'note') return permissions.provideNote;
  }
  if (uri === DATA_MODEL) {
    if (local === 'timestamp' && kind !== 'tuple') return true;
    if (local === 'deviceID') return kind === 'device' || permissions.provideDeviceID;
    if (local === 'note') return permissions.provideNote;
  }
  if (uri === RPID) {
    if (local === 'service-class' && kind === 'tuple') return true;
    const permission = RPID_PERMISSIONS[local];
    if (permission !== undefined) return permissions[permission] === true;
  }
  return permissions.provideUnknownAttributes.some((unknown) => unknown.name === local && unknown.namespace === uri);
}

/** RFC 5025 3.3.2.12; the attribute that the RFC calls "since" is named last-input in RPID (RFC 4480 3.13). */
function filterUserInput(element: XmlElement, { source }: PresenceComponent, permissions: Permissions, removed: SourceRange[]): void {
  const level = permissions.provideUserInput;
  if (level === 'false') removed.push(element);
  else if (level !== 'full') {
    for (const a of element.attributes) {
      if (a.uri === '' && a.local === 'id') continue;
      if (level === 'thresholds' && a.uri === '' && a.local === 'idle-threshold') continue;
      removed.push(withLeadingSpace(a, source));
    }
  }
}

function withLeadingSpace(a: XmlAttribute, source: string): SourceRange {
  let { start } = a;
  while (/\s/.test(source.charAt(start - 1))) start--;
  return { start, end: a.end };
}
