/** Registration information (RFC 3680 5). */
import { oneOf, required, requiredNumber, wholeNumber } from './xml/attributes.ts';
import { escapeAttribute, escapeText } from './xml/escape.ts';
import { XmlError } from './xml/parse.ts';
import { attribute, child, childrenNamed, textContent, type XmlDocument, type XmlElement } from './xml/tree.ts';

export const REGINFO = 'urn:ietf:params:xml:ns:reginfo';
export const REGINFO_TYPE = 'application/reginfo+xml';

const REGISTRATION_STATES = ['init', 'active', 'terminated'] as const;
export type RegistrationState = (typeof REGISTRATION_STATES)[number];

const EVENTS = [
  'registered',
  'created',
  'refreshed',
  'shortened',
  'expired',
  'deactivated',
  'probation',
  'unregistered',
  'rejected',
] as const;
/** What moved the contact into its state (RFC 3680 4.7.1). */
export type ContactEvent = (typeof EVENTS)[number];

export interface Reginfo {
  /** 0 in the first document of a subscription, then one more each time. */
  readonly version: number;
  readonly state: 'full' | 'partial';
  readonly registrations: readonly Registration[];
}

export interface Registration {
  /** Address of record. */
  readonly aor: string;
  /** The same in all documents of a subscription. */
  readonly id: string;
  readonly state: RegistrationState;
  readonly contacts: readonly RegisteredContact[];
}

export interface RegisteredContact {
  readonly id: string;
  readonly state: 'active' | 'terminated';
  readonly event: ContactEvent;
  readonly uri: string;
  readonly displayName?: string | undefined;
  /** Whole seconds since it was bound. */
  readonly durationRegistered?: number | undefined;
  /** Whole seconds until it expires; required with the event `shortened`. */
  readonly expires?: number | undefined;
  /** Whole seconds after which to try again; required with the event `probation`. */
  readonly retryAfter?: number | undefined;
  /** As in a Contact header field. */
  readonly q?: string | undefined;
  readonly callId?: string | undefined;
  readonly cseq?: number | undefined;
  /** Contact parameters that RFC 3261 does not define; '' for one without a value. */
  readonly unknownParams?: readonly (readonly [name: string, value: string])[] | undefined;
}

/** Writes the document (RFC 3680 5.4). */
export function writeReginfo({ version, state, registrations }: Reginfo): string {
  let out = `<?xml version="1.0" encoding="UTF-8"?>\n<reginfo xmlns="${REGINFO}" version="${version}" state="${state}">\n`;
  for (const registration of registrations) {
    out += `<registration aor="${escapeAttribute(registration.aor)}" id="${escapeAttribute(registration.id)}" state="${registration.state}">\n`;
    for (const contact of registration.contacts) out += writeContact(contact);
    out += '</registration>\n';
  }
  return `${out}</reginfo>\n`;
}

function writeContact(contact: RegisteredContact): string {
  let out = `<contact id="${escapeAttribute(contact.id)}" state="${contact.state}" event="${contact.event}"`;
  const attributes: readonly (readonly [string, string | number | undefined])[] = [
    ['duration-registered', contact.durationRegistered],
    ['expires', contact.expires],
    ['retry-after', contact.retryAfter],
    ['q', contact.q],
    ['callid', contact.callId],
    ['cseq', contact.cseq],
  ];
  for (const [name, value] of attributes) if (value !== undefined) out += ` ${name}="${escapeAttribute(String(value))}"`;
  out += `><uri>${escapeText(contact.uri)}</uri>`;
  if (contact.displayName !== undefined) out += `<display-name>${escapeText(contact.displayName)}</display-name>`;
  for (const [name, value] of contact.unknownParams ?? []) {
    out += `<unknown-param name="${escapeAttribute(name)}">${escapeText(value)}</unknown-param>`;
  }
  return `${out}</contact>\n`;
}

/** Reads the document; elements of other namespaces are passed over. Throws XmlError for what is not registration information. */
export function parseReginfo({ root }: XmlDocument): Reginfo {
  if (root.local !== 'reginfo' || root.uri !== REGINFO) {
    throw new XmlError(`the root element is {${root.uri}}${root.local}, not {${REGINFO}}reginfo`);
  }
  return {
    version: requiredNumber(root, 'version'),
    state: oneOf(['full', 'partial'] as const, root, 'state'),
    registrations: childrenNamed(root, REGINFO, 'registration').map((registration) => ({
      aor: required(registration, 'aor'),
      id: required(registration, 'id'),
      state: oneOf(REGISTRATION_STATES, registration, 'state'),
      contacts: childrenNamed(registration, REGINFO, 'contact').map(parseContact),
    })),
  };
}

function parseContact(element: XmlElement): RegisteredContact {
  const event = oneOf(EVENTS, element, 'event');
  const expires = wholeNumber(element, 'expires');
  const retryAfter = wholeNumber(element, 'retry-after');
  if (event === 'shortened') required(element, 'expires');
  if (event === 'probation') required(element, 'retry-after');
  const uri = child(element, REGINFO, 'uri');
  if (uri === undefined) throw new XmlError('<contact> needs a <uri>');
  const name = child(element, REGINFO, 'display-name');
  return {
    id: required(element, 'id'),
    state: oneOf(['active', 'terminated'] as const, element, 'state'),
    event,
    uri: textContent(uri).trim(),
    displayName: name === undefined ? undefined : textContent(name),
    durationRegistered: wholeNumber(element, 'duration-registered'),
    expires,
    retryAfter,
    q: attribute(element, 'q'),
    callId: attribute(element, 'callid'),
    cseq: wholeNumber(element, 'cseq'),
    unknownParams: childrenNamed(element, REGINFO, 'unknown-param').map((param) => [required(param, 'name'), textContent(param)] as const),
  };
}
