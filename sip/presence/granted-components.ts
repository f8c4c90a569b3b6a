/** Which persons, devices and services a watcher's permissions give access to (RFC 5025 3.3.1). */
import { OMA_PRESENCE } from '../../schemas/oma-presence.ts';
import { DATA_MODEL, PIDF, type PresenceComponent, RPID } from '../../schemas/pidf.ts';
import type { Permissions, Provided, Selector, SelectorKind } from '../../schemas/pres-rules.ts';
import { child, ownText, type XmlElement } from '../../schemas/xml/tree.ts';
import { equivalenceBucket, equivalentUris } from './uri-equivalence.ts';

/** URIs of a set that one component is compared with by more than their spelling. */
const EQUIVALENCE_LIMIT = 100;

/** May the watcher see the component at all? Only of tuples, persons and devices. */
export function isGranted(component: PresenceComponent, permissions: Permissions): boolean {
  switch (component.kind) {
    case 'tuple':
      return identifies(permissions.provideServices, component);
    case 'person':
      return identifies(permissions.providePersons, component);
    case 'device':
      return identifies(permissions.provideDevices, component);
    case 'note':
    case 'extension':
      return false;
  }
}

/** The values of a set by their kinds: a set can have thousands, and documents hundreds of components. */
class SelectorSet {
  private readonly values = new Map<SelectorKind, Set<string>>();
  private readonly uris = new Map<string, string[]>();

  constructor(selectors: readonly Selector[]) {
    for (const { kind, value } of selectors) {
      const known = this.values.get(kind);
      if (known) known.add(value);
      else this.values.set(kind, new Set([value]));
      if (kind !== 'service-uri' && kind !== 'deviceID') continue;
      const bucket = `${kind} ${equivalenceBucket(value)}`;
      const alike = this.uris.get(bucket);
      if (!alike) this.uris.set(bucket, [value]);
      else if (alike.length < EQUIVALENCE_LIMIT) alike.push(value);
    }
  }

  /** By case-sensitive equality. */
  has(kind: SelectorKind, value: string | undefined): boolean {
    return value !== undefined && (this.values.get(kind)?.has(value) ?? false);
  }

  hasUri(kind: 'service-uri' | 'deviceID', uri: string | undefined): boolean {
    if (uri === undefined || !this.values.has(kind)) return false;
    if (this.has(kind, uri)) return true;
    return this.uris.get(`${kind} ${equivalenceBucket(uri)}`)?.some((value) => equivalentUris(value, uri)) ?? false;
  }
}

const sets = new WeakMap<readonly Selector[], SelectorSet>();

/**
 * One that was put together of several is identified if all of them are: their parts are told apart no more. What identifies them apart
 * from their ids they have in common.
 */
function identifies(provided: Provided, { kind, id, occurrences, element }: PresenceComponent): boolean {
  if (provided === 'all') return true;
  if (provided.length === 0) return false;
  let set = sets.get(provided);
  if (!set) {
    set = new SelectorSet(provided);
    sets.set(provided, set);
  }
  const ids: readonly (string | undefined)[] = occurrences && occurrences.length > 0 ? occurrences : [id];
  if (ids.every((one) => set.has('occurrence-id', one)) || set.has('class', tokenIn(child(element, RPID, 'class')))) return true;
  if (kind === 'device') return set.hasUri('deviceID', tokenIn(child(element, DATA_MODEL, 'deviceID')));
  if (kind !== 'tuple') return false;
  const contact = tokenIn(child(element, PIDF, 'contact'));
  const description = child(element, OMA_PRESENCE, 'service-description');
  return (
    set.hasUri('service-uri', contact) ||
    set.has('service-uri-scheme', schemeOf(contact)) ||
    set.has('service-id', description && tokenIn(child(description, OMA_PRESENCE, 'service-id')))
  );
}

/** As an xs:token, the form that rules have their values in. */
function tokenIn(element: XmlElement | undefined): string | undefined {
  return element && ownText(element).trim().replace(/\s+/g, ' ');
}

/** As written: RFC 5025 3.3.1.3 compares schemes with regard to case. */
function schemeOf(uri: string | undefined): string | undefined {
  const colon = uri?.indexOf(':') ?? -1;
  return colon > 0 ? uri?.slice(0, colon) : undefined;
}
