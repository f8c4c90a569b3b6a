import type { SipRequest } from '../message/message.ts';
import { type NameAddr, parseNameAddr } from '../message/name-addr.ts';
import { SipError } from '../message/sip-error.ts';
import { detach } from '../message/text.ts';
import { parseSipUri } from '../message/uri.ts';
import { sameUri } from '../message/uri-comparison.ts';
import type { Flow } from '../transport/transport.ts';
import { type Binding, bindingId, type ContactDetails, contactDetails } from './binding.ts';
import { pathOf, regIds } from './outbound.ts';
import { isTranslated } from './translated-address.ts';

/** How long registrations hold, in seconds, and how many there may be. */
export interface BindingLimits {
  readonly minExpires: number;
  readonly defaultExpires: number;
  readonly maxExpires: number;
  /** Contacts of one address of record. */
  readonly maxContacts: number;
}

/** Where and when a REGISTER has come in. */
export interface Arrival {
  /** Canonical address of record. */
  readonly aor: string;
  /** Undefined where it does not lead to the agent that is registered. */
  readonly flow: Flow | undefined;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Has it come from an element that the admin trusts? */
  readonly trusted: boolean;
  /** For the bindings that the request changes. */
  readonly revision: number;
}

export interface Update {
  readonly bindings: readonly Binding[];
  /** Has RFC 5626 been applied? */
  readonly outbound: boolean;
  /** As the answer repeats it (RFC 3327 5.3). */
  readonly path: readonly string[];
}

/** Characters of one binding: it is kept as long as it is bound, and sent back in every answer. */
const LARGEST_BINDING = 4096;
/** RFC 3261 10.3 step 7: an interval of an hour and more is never too brief. */
const NEVER_TOO_BRIEF = 3600;

/**
 * The bindings of an address after a REGISTER (RFC 3261 10.3 steps 6 and 7, RFC 5626 6); the given ones stay as they are, so that a
 * request that fails changes nothing, and come back themselves from one that only asks.
 * @throws SipError 400 for what contradicts itself or is out of order, 403 for too many contacts, 420 and 439 as `outbound.ts` says, 423
 * with Min-Expires
 */
export function updateBindings(current: readonly Binding[], request: SipRequest, arrival: Arrival, limits: BindingLimits): Update {
  const values = request.headers.list('Contact');
  const path = pathOf(request, arrival.trusted);
  if (values.length === 0) return { bindings: current, outbound: false, path };
  if (values.some((contact) => contact === '*')) return { bindings: removeAll(current, request, values.length), outbound: false, path };
  // Each is compared with all others; more than can be removed and added at once are not worth that.
  if (values.length > current.length + limits.maxContacts) throw tooMany(limits);
  const contacts = values.map(parseContact);
  const seconds = contacts.map((contact) => interval(contact, request, limits));
  const ids = regIds(
    request,
    contacts,
    seconds.map((s) => s > 0),
    path,
  );
  let updated = current;
  for (const [i, contact] of contacts.entries()) {
    const regId = ids[i];
    const details = contactDetails(contact);
    const existing = updated.find((binding) => isOf(binding, details, regId, seconds[i] === 0));
    // A contact that stands twice in one request is not out of order; the last one counts.
    if (existing !== undefined && current.includes(existing)) checkOrder(existing, request);
    const others = existing === undefined ? updated : updated.filter((binding) => binding !== existing);
    const left = seconds[i] ?? 0;
    updated = left === 0 ? others : [...others, bind(details, regId, existing, request, arrival, path, left)];
  }
  if (updated.length > limits.maxContacts && updated.length > current.length) throw tooMany(limits);
  return { bindings: updated, outbound: ids.some((id) => id !== undefined), path };
}

function bind(
  details: ContactDetails,
  regId: number | undefined,
  existing: Binding | undefined,
  request: SipRequest,
  { aor, flow, now, revision }: Arrival,
  path: readonly string[],
  seconds: number,
): Binding {
  const { callId } = request;
  const size = path.reduce((sum, { length }) => sum + length, details.contact.length + details.params.length + callId.length);
  if (size > LARGEST_BINDING) throw new SipError(403, 'The contact is too long');
  const userAgent = request.headers.get('User-Agent');
  return {
    aor,
    id: existing?.id ?? bindingId(details, regId),
    contact: details.contact,
    params: details.params,
    displayName: details.displayName,
    q: details.q,
    instance: details.instance,
    regId,
    path,
    callId: callId === existing?.callId ? existing.callId : detach(callId),
    cseq: request.cseq.sequence,
    expiresAt: now + seconds * 1000,
    since: existing?.since ?? now,
    updatedAt: now,
    userAgent: userAgent === undefined || userAgent === existing?.userAgent ? existing?.userAgent : detach(userAgent),
    flow,
    translated: flow !== undefined && isTranslated(`<${details.contact}>`, request, flow),
    event: existing === undefined ? 'registered' : 'refreshed',
    revision,
  };
}

/**
 * Is it the binding that the contact is about? RFC 5626 6: by instance and reg-id where they count; else by the URI (RFC 3261 10.3). An
 * agent that begins to use flows takes over its earlier binding, and one may remove any of its contacts by its URI alone.
 */
function isOf(binding: Binding, { contact, instance }: ContactDetails, regId: number | undefined, removes: boolean): boolean {
  if (regId !== undefined && binding.regId !== undefined) return binding.instance === instance && binding.regId === regId;
  if (regId !== undefined) return binding.instance === instance && sameUri(binding.contact, contact);
  return (binding.regId === undefined || removes) && sameUri(binding.contact, contact);
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

function tooMany({ maxContacts }: BindingLimits): SipError {
  return new SipError(403, `More than ${maxContacts} contacts`);
}
