import type { SipRequest } from '../message/message.ts';
import { type NameAddr, parseNameAddr } from '../message/name-addr.ts';
import { SipError } from '../message/sip-error.ts';
import { detach, unquote } from '../message/text.ts';
import { parseSipUri } from '../message/uri.ts';
import { sameUri } from '../message/uri-comparison.ts';
import type { Flow } from '../transport/transport.ts';

/** A contact of an address of record (RFC 3261 10). */
export interface Binding {
  /** Canonical address of record. */
  readonly aor: string;
  /** The Contact URI as written. */
  readonly contact: string;
  /** Contact parameters as written, null for flags; `expires` is not among them. */
  readonly params: Readonly<Record<string, string | null>>;
  /** 0 to 1; 1 where the contact names none. */
  readonly q: number;
  /** URN of `+sip.instance`, without quotes and angle brackets (RFC 5626 4.1). */
  readonly instance: string | undefined;
  readonly callId: string;
  readonly cseq: number;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  readonly userAgent: string | undefined;
  /** The way the registration came. Not kept over a restart. */
  readonly flow: Flow | undefined;
}

/** How long registrations hold, in seconds, and how many there may be. */
export interface BindingLimits {
  readonly minExpires: number;
  readonly defaultExpires: number;
  readonly maxExpires: number;
  /** Contacts of one address of record. */
  readonly maxContacts: number;
}

/** RFC 3261 10.3 step 7: an interval of an hour and more is never too brief. */
const NEVER_TOO_BRIEF = 3600;

/**
 * The bindings of an address after a REGISTER (RFC 3261 10.3 steps 6 and 7); the given ones stay as they are, so that a request that
 * fails changes nothing.
 * @param now milliseconds since 1970
 * @throws SipError 400 for what contradicts itself or is out of order, 403 for too many contacts, 423 with Min-Expires
 */
export function updateBindings(
  current: readonly Binding[],
  request: SipRequest,
  aor: string,
  flow: Flow,
  now: number,
  limits: BindingLimits,
): readonly Binding[] {
  const contacts = request.headers.list('Contact');
  if (contacts.length === 0) return current;
  if (contacts.some((contact) => contact === '*')) return removeAll(current, request, contacts.length);
  // Each is compared with all others; more than can be removed and added at once are not worth that.
  if (contacts.length > current.length + limits.maxContacts) throw new SipError(403, `More than ${limits.maxContacts} contacts`);
  let updated = current;
  const sent = { callId: detach(request.callId), cseq: request.cseq.sequence, userAgent: detached(request.headers.get('User-Agent')) };
  for (const contact of contacts.map(parseContact)) {
    const seconds = interval(contact, request, limits);
    const existing = updated.find((binding) => sameUri(binding.contact, contact.uri));
    // A contact that stands twice in one request is not out of order; the last one counts.
    if (existing !== undefined && current.includes(existing)) checkOrder(existing, request);
    const others = existing === undefined ? updated : updated.filter((binding) => binding !== existing);
    if (seconds === 0) updated = others;
    else updated = [...others, { aor, ...contactDetails(contact), ...sent, expiresAt: now + seconds * 1000, flow }];
  }
  if (updated.length > limits.maxContacts && updated.length > current.length) {
    throw new SipError(403, `More than ${limits.maxContacts} contacts`);
  }
  return updated;
}

function removeAll(current: readonly Binding[], request: SipRequest, contacts: number): readonly Binding[] {
  if (contacts > 1) throw new SipError(400, 'Contact * must stand alone');
  if (request.expires !== 0) throw new SipError(400, 'Contact * needs Expires: 0');
  for (const binding of current) checkOrder(binding, request);
  return [];
}

function checkOrder(binding: Binding, request: SipRequest): void {
  if (binding.callId === request.callId && request.cseq.sequence <= binding.cseq) {
    throw new SipError(400, 'CSeq is not higher than that of the last registration');
  }
}

function parseContact(text: string): NameAddr {
  const contact = parseNameAddr(text);
  if (/^sips?:/i.test(contact.uri)) parseSipUri(contact.uri);
  return contact;
}

/** Seconds the contact shall be bound, 0 to remove it. @throws SipError 423 */
function interval(contact: NameAddr, request: SipRequest, limits: BindingLimits): number {
  const parameter = contact.params.get('expires');
  // RFC 3261 20.10: a malformed parameter stands for 3600.
  const asked =
    parameter !== undefined ? (/^\d+$/.test(parameter) ? Number(parameter) : NEVER_TOO_BRIEF) : (request.expires ?? limits.defaultExpires);
  if (asked > 0 && asked < NEVER_TOO_BRIEF && asked < limits.minExpires) {
    throw new SipError(423, undefined, [['Min-Expires', String(limits.minExpires)]]);
  }
  return Math.min(asked, limits.maxExpires);
}

function contactDetails(contact: NameAddr): Pick<Binding, 'contact' | 'params' | 'q' | 'instance'> {
  const params: Record<string, string | null> = {};
  for (const [name, value] of contact.params) if (name !== 'expires') params[detach(name)] = value === undefined ? null : detach(value);
  const instance = params['+sip.instance'];
  return {
    contact: detach(contact.uri),
    params,
    q: parseQ(contact.params.get('q')),
    instance: instance ? unquote(instance).replace(/^<|>$/g, '') : undefined,
  };
}

function parseQ(text: string | undefined): number {
  if (text === undefined) return 1;
  if (!/^(0(\.\d{0,3})?|1(\.0{0,3})?)$/.test(text)) throw new SipError(400, 'Malformed q in Contact');
  return Number(text);
}

function detached(text: string | undefined): string | undefined {
  return text === undefined ? undefined : detach(text);
}

/** The binding as Contact value of a response, with the seconds it has left. */
export function formatBinding(binding: Binding, now: number): string {
  let text = `<${binding.contact}>`;
  for (const [name, value] of Object.entries(binding.params)) text += value === null ? `;${name}` : `;${name}=${value}`;
  return `${text};expires=${Math.max(0, Math.ceil((binding.expiresAt - now) / 1000))}`;
}
