import { childrenNamed, expectElement, readXml, requiredAttribute, type XmlElement } from './xml-reader.ts';

const REGINFO = 'urn:ietf:params:xml:ns:reginfo';
const REGISTRATION_STATES = ['init', 'active', 'terminated'];
const EVENTS: Readonly<Record<string, readonly string[]>> = {
  active: ['registered', 'created', 'refreshed', 'shortened'],
  terminated: ['expired', 'deactivated', 'probation', 'unregistered', 'rejected'],
};

export interface ReadContact {
  readonly id: string;
  readonly state: string;
  readonly event: string;
  readonly uri: string;
  readonly displayName: string | undefined;
  readonly attributes: ReadonlyMap<string, string>;
  readonly params: Readonly<Record<string, string>>;
}

export interface ReadReginfo {
  readonly version: number;
  readonly state: string;
  readonly aor: string;
  readonly id: string;
  readonly registration: string;
  readonly contacts: readonly ReadContact[];
}

/** Reads a reginfo document with one registration (RFC 3680 5.1), throwing on anything the format forbids. */
export function readReginfo(text: string): ReadReginfo {
  const root = readXml(text);
  expectElement(root, REGINFO, 'reginfo');
  const state = requiredAttribute(root, 'state');
  if (state !== 'full' && state !== 'partial') throw new Error(`state is "${state}"`);
  const version = requiredAttribute(root, 'version');
  if (!/^\d+$/.test(version)) throw new Error(`version is "${version}"`);
  const [registration, ...more] = childrenNamed(root, REGINFO, 'registration');
  if (!registration || more.length > 0) throw new Error(`expected one <registration>\n${text}`);
  const registrationState = requiredAttribute(registration, 'state');
  if (!REGISTRATION_STATES.includes(registrationState)) throw new Error(`registration state is "${registrationState}"`);
  const contacts = childrenNamed(registration, REGINFO, 'contact').map(readContact);
  const ids = contacts.map(({ id }) => id);
  if (new Set(ids).size !== ids.length) throw new Error(`contact ids are not unique: ${ids.join(', ')}`);
  const active = contacts.some((contact) => contact.state === 'active');
  if (active && registrationState !== 'active') throw new Error(`an active contact in a registration that is ${registrationState}`);
  return {
    version: Number(version),
    state,
    aor: requiredAttribute(registration, 'aor'),
    id: requiredAttribute(registration, 'id'),
    registration: registrationState,
    contacts,
  };
}

function readContact(element: XmlElement): ReadContact {
  const state = requiredAttribute(element, 'state');
  const event = requiredAttribute(element, 'event');
  if (!EVENTS[state]?.includes(event)) throw new Error(`contact is ${state} by ${event}`);
  for (const name of ['duration-registered', 'expires', 'retry-after', 'cseq']) {
    const value = element.attributes.get(name);
    if (value !== undefined && !/^\d+$/.test(value)) throw new Error(`${name} is "${value}"`);
  }
  if (event === 'shortened') requiredAttribute(element, 'expires');
  if (event === 'probation') requiredAttribute(element, 'retry-after');
  if (state === 'terminated' && element.attributes.has('expires')) throw new Error('a terminated contact expires');
  const [uri, ...more] = childrenNamed(element, REGINFO, 'uri');
  if (!uri || more.length > 0) throw new Error('a contact has one <uri>');
  const params = childrenNamed(element, REGINFO, 'unknown-param').map((param) => [requiredAttribute(param, 'name'), param.text] as const);
  return {
    id: requiredAttribute(element, 'id'),
    state,
    event,
    uri: uri.text,
    displayName: childrenNamed(element, REGINFO, 'display-name')[0]?.text,
    attributes: element.attributes,
    params: Object.fromEntries(params),
  };
}
