/** Presence authorisation rules (RFC 5025): common policy with what a watcher may do and see, and how such grants combine. */
import { type Condition, rulesOf } from './common-policy.ts';
import { OMA_PRES_RULES, omaAttributes } from './oma-presence.ts';
import { attribute, textContent, type XmlDocument, type XmlElement } from './xml/tree.ts';

export const PRES_RULES = 'urn:ietf:params:xml:ns:pres-rules';

/** In rising order: RFC 5025 3.2.1 gives them 0, 10, 20 and 30. */
export const SUB_HANDLINGS = ['block', 'confirm', 'polite-block', 'allow'] as const;
export type SubHandling = (typeof SUB_HANDLINGS)[number];

/** In rising order (RFC 5025 3.3.2.12). */
export const USER_INPUTS = ['false', 'bare', 'thresholds', 'full'] as const;
export type UserInput = (typeof USER_INPUTS)[number];

/** Those of RFC 5025, and OMA's `service-id`. */
export type SelectorKind = 'class' | 'occurrence-id' | 'deviceID' | 'service-uri' | 'service-uri-scheme' | 'service-id';

/** Names occurrences of a person, device or service (RFC 5025 3.3.1). */
export interface Selector {
  readonly kind: SelectorKind;
  readonly value: string;
}

/** A set: in no particular order, no member twice. */
export type Provided = 'all' | readonly Selector[];

export interface UnknownAttribute {
  readonly namespace: string;
  /** Local name. */
  readonly name: string;
}

/** Each boolean permission of RFC 5025 3.3.2 by the element that grants it. */
export const ATTRIBUTE_PERMISSIONS = {
  'provide-activities': 'provideActivities',
  'provide-class': 'provideClass',
  'provide-deviceID': 'provideDeviceID',
  'provide-mood': 'provideMood',
  'provide-place-is': 'providePlaceIs',
  'provide-place-type': 'providePlaceType',
  'provide-privacy': 'providePrivacy',
  'provide-relationship': 'provideRelationship',
  'provide-sphere': 'provideSphere',
  'provide-status-icon': 'provideStatusIcon',
  'provide-time-offset': 'provideTimeOffset',
  'provide-note': 'provideNote',
} as const;
export type AttributePermission = (typeof ATTRIBUTE_PERMISSIONS)[keyof typeof ATTRIBUTE_PERMISSIONS];
const BOOLEANS: readonly AttributePermission[] = Object.values(ATTRIBUTE_PERMISSIONS);

/** Values made here keep one form: with `provideAllAttributes` every attribute's own permission is granted too (RFC 5025 3.3.2.15). */
export interface Permissions extends Readonly<Record<AttributePermission, boolean>> {
  readonly provideDevices: Provided;
  readonly provideServices: Provided;
  readonly providePersons: Provided;
  readonly provideUserInput: UserInput;
  /** Attributes outside RPID, the data model and PIDF that are shown; empty when all are. */
  readonly provideUnknownAttributes: readonly UnknownAttribute[];
  readonly provideAllAttributes: boolean;
}

export interface PresenceRule {
  readonly id: string;
  /** All must hold; see `Rule.conditions`. */
  readonly conditions: readonly Condition[];
  /** Absent when the rule says nothing of it. */
  readonly subHandling?: SubHandling;
  readonly permissions: Permissions;
}

/**
 * The rules of a pres-rules document, in document order. Actions and transformations that are neither RFC 5025's nor OMA's grant nothing.
 * Throws XmlError if the root is not a common policy `<ruleset>`.
 * @param actionNamespace that of the action `sub-handling`; rules about other things than presence have one of their own
 */
export function parsePresenceRules(document: XmlDocument, actionNamespace = PRES_RULES): PresenceRule[] {
  return [...presenceRulesOf(document, actionNamespace)];
}

/** As `parsePresenceRules`, one rule after the other. */
export function* presenceRulesOf(document: XmlDocument, actionNamespace: string): Generator<PresenceRule, void> {
  for (const { id, conditions, actions, transformations } of rulesOf(document)) {
    const subHandling = parseSubHandling(actions, actionNamespace);
    const permissions = parsePermissions(transformations);
    yield subHandling === undefined ? { id, conditions, permissions } : { id, conditions, subHandling, permissions };
  }
}

function parseSubHandling(actions: readonly XmlElement[], namespace: string): SubHandling | undefined {
  const written = actions.filter((e) => e.uri === namespace && e.local === 'sub-handling').map(token);
  return combineSubHandling(written.map((text) => SUB_HANDLINGS.find((value) => value === text)));
}

function parsePermissions(transformations: readonly XmlElement[]): Permissions {
  const grants: Partial<Permissions>[] = [];
  for (const e of transformations) {
    const grant = e.uri === PRES_RULES ? parseGrant(e) : e.uri === OMA_PRES_RULES ? parseOmaGrant(e) : undefined;
    if (grant) grants.push(grant);
  }
  return combinePermissions(grants);
}

const PERSON_SELECTORS: readonly SelectorKind[] = ['class', 'occurrence-id'];
const DEVICE_SELECTORS: readonly SelectorKind[] = [...PERSON_SELECTORS, 'deviceID'];
const SERVICE_SELECTORS: readonly SelectorKind[] = [...PERSON_SELECTORS, 'service-uri', 'service-uri-scheme'];

function parseGrant(element: XmlElement): Partial<Permissions> | undefined {
  const { local } = element;
  if (Object.hasOwn(ATTRIBUTE_PERMISSIONS, local)) {
    return { [ATTRIBUTE_PERMISSIONS[local as keyof typeof ATTRIBUTE_PERMISSIONS]]: isTrue(element) };
  }
  switch (local) {
    case 'provide-devices':
      return { provideDevices: parseProvided(element, 'all-devices', DEVICE_SELECTORS) };
    case 'provide-services':
      return { provideServices: parseProvided(element, 'all-services', SERVICE_SELECTORS) };
    case 'provide-persons':
      return { providePersons: parseProvided(element, 'all-persons', PERSON_SELECTORS) };
    case 'provide-user-input':
      return { provideUserInput: USER_INPUTS.find((value) => value === token(element)) ?? 'false' };
    case 'provide-unknown-attribute': {
      const name = attribute(element, 'name');
      const namespace = attribute(element, 'ns');
      return name && namespace !== undefined && isTrue(element) ? { provideUnknownAttributes: [{ namespace, name }] } : undefined;
    }
    case 'provide-all-attributes':
      return { provideAllAttributes: true };
    default:
      return undefined;
  }
}

function parseOmaGrant(element: XmlElement): Partial<Permissions> {
  return { provideUnknownAttributes: omaAttributes(element.local, token(element)) };
}

function parseProvided(element: XmlElement, all: string, kinds: readonly SelectorKind[]): Provided {
  const selectors: Selector[] = [];
  for (const e of element.elements) {
    if (e.uri === OMA_PRES_RULES && e.local === 'service-id' && kinds === SERVICE_SELECTORS) {
      selectors.push({ kind: 'service-id', value: token(e) });
    }
    if (e.uri !== PRES_RULES) continue;
    if (e.local === all) return 'all';
    const kind = kinds.find((name) => name === e.local);
    if (kind) selectors.push({ kind, value: token(e) });
  }
  return selectors;
}

/** The content as an xs:token: white space at the ends dropped, other runs of it made one space. */
function token(element: XmlElement): string {
  return textContent(element).trim().replace(/\s+/g, ' ');
}

function isTrue(element: XmlElement): boolean {
  const value = token(element);
  return value === 'true' || value === '1';
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function blank(): Mutable<Permissions> {
  return {
    provideDevices: [],
    provideServices: [],
    providePersons: [],
    provideActivities: false,
    provideClass: false,
    provideDeviceID: false,
    provideMood: false,
    providePlaceIs: false,
    providePlaceType: false,
    providePrivacy: false,
    provideRelationship: false,
    provideSphere: false,
    provideStatusIcon: false,
    provideTimeOffset: false,
    provideNote: false,
    provideUserInput: 'false',
    provideUnknownAttributes: [],
    provideAllAttributes: false,
  };
}

/** Grows in place: a document may hold thousands of selectors. */
class Union {
  private all = false;
  private members: Map<string, Selector> | undefined;

  add(set: Provided | undefined): void {
    if (set === 'all') this.all = true;
    if (set === 'all' || set === undefined || set.length === 0) return;
    this.members ??= new Map();
    for (const selector of set) this.members.set(`${selector.kind} ${selector.value}`, selector);
  }

  value(): Provided {
    if (this.all) return 'all';
    return this.members ? [...this.members.values()] : [];
  }
}

/** Grants nothing beyond what every watcher sees. */
export const NO_PERMISSIONS: Permissions = Object.freeze(blank());

/** Grants all there is. */
export const ALL_PERMISSIONS: Permissions = Object.freeze(
  combinePermissions([{ provideDevices: 'all', provideServices: 'all', providePersons: 'all', provideAllAttributes: true }]),
);

/**
 * The combined grant of several rules (RFC 4745 10.2): booleans by OR, sets by union, user input by maximum. Of none: NO_PERMISSIONS.
 * A permission left out grants nothing.
 */
export function combinePermissions(list: Iterable<Partial<Permissions>>): Permissions {
  const out = blank();
  const devices = new Union();
  const services = new Union();
  const persons = new Union();
  const unknown = new Map<string, UnknownAttribute>();
  let input = 0;
  for (const p of list) {
    devices.add(p.provideDevices);
    services.add(p.provideServices);
    persons.add(p.providePersons);
    for (const name of BOOLEANS) if (p[name]) out[name] = true;
    if (p.provideUserInput) input = Math.max(input, USER_INPUTS.indexOf(p.provideUserInput));
    for (const attribute of p.provideUnknownAttributes ?? []) unknown.set(JSON.stringify([attribute.namespace, attribute.name]), attribute);
    if (p.provideAllAttributes) out.provideAllAttributes = true;
  }
  out.provideDevices = devices.value();
  out.provideServices = services.value();
  out.providePersons = persons.value();
  if (out.provideAllAttributes) {
    for (const name of BOOLEANS) out[name] = true;
    out.provideUserInput = 'full';
  } else {
    out.provideUserInput = USER_INPUTS[input] ?? 'false';
    out.provideUnknownAttributes = [...unknown.values()];
  }
  return out;
}

/** The greatest of the rules' values; undefined if none has one, which RFC 5025 3.2.1 takes as block. */
export function combineSubHandling(list: Iterable<SubHandling | undefined>): SubHandling | undefined {
  let greatest = -1;
  for (const value of list) if (value !== undefined) greatest = Math.max(greatest, SUB_HANDLINGS.indexOf(value));
  return SUB_HANDLINGS[greatest];
}

/** A string that two permissions share exactly when they grant the same; the order inside sets does not matter. */
export function permissionsKey(p: Permissions): string {
  const { provideAllAttributes: all, provideUnknownAttributes: unknown } = p;
  let booleans = all ? '1' : '0';
  for (const name of BOOLEANS) booleans += all || p[name] ? '1' : '0';
  const input = all ? 'full' : p.provideUserInput;
  const others = all || unknown.length === 0 ? '' : sortedOnce(unknown.map(({ namespace, name }) => JSON.stringify([namespace, name])));
  return `${booleans} ${input} ${setKey(p.provideDevices)} ${setKey(p.provideServices)} ${setKey(p.providePersons)} [${others}]`;
}

function setKey(set: Provided): string {
  return set === 'all' ? 'all' : `[${set.length === 0 ? '' : sortedOnce(set.map(({ kind, value }) => JSON.stringify([kind, value])))}]`;
}

function sortedOnce(members: readonly string[]): string {
  return [...new Set(members)].sort().join();
}
