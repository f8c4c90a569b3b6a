import { hash } from 'node:crypto';
import type { NameAddr } from '../message/name-addr.ts';
import { SipError } from '../message/sip-error.ts';
import { detach, unquote } from '../message/text.ts';
import type { Destination, Flow } from '../transport/transport.ts';

/** A contact of an address of record (RFC 3261 10), or one flow of an instance (RFC 5626 6). */
export interface Binding {
  /** Canonical address of record. */
  readonly aor: string;
  /** Stays as it is while the contact is bound; the same again for the same contact (RFC 3680 5.1). */
  readonly id: string;
  /** The Contact URI as written. */
  readonly contact: string;
  /** Contact parameters as written, `;name=value;flag`, without `expires`. */
  readonly params: string;
  readonly displayName: string | undefined;
  /** 0 to 1; 1 where the contact names none. */
  readonly q: number;
  /** URN of `+sip.instance`, without quotes and angle brackets (RFC 5626 4.1). */
  readonly instance: string | undefined;
  /**
   * Set where RFC 5626 applies: the binding is one flow of the instance, replaced by its instance and reg-id, and reached over the flow or
   * the path alone. The address in its Contact leads nowhere.
   */
  readonly regId: number | undefined;
  /** Path values, the one next to us first (RFC 3327 5.3): the route set of requests to the contact. */
  readonly path: readonly string[];
  readonly callId: string;
  readonly cseq: number;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  /** Since when it is bound, in milliseconds since 1970. */
  readonly since: number;
  /** When it was last registered, in milliseconds since 1970. */
  readonly updatedAt: number;
  readonly userAgent: string | undefined;
  /**
   * The way the registration came, if the agent itself sent it and not another element. Undefined too once the connection has ended;
   * that of a connection is not kept over a restart.
   */
  readonly flow: Flow | undefined;
  /** An address translator has made the address in the Contact unreachable (`translated-address.ts`): datagrams go back where they come from. */
  readonly translated: boolean;
  /** What last happened to it (RFC 3680 4.7.1). */
  readonly event: BindingEvent;
  /** Rises with everything that happens to any binding; 0 for what an earlier run has left. */
  readonly revision: number;
}

export type BindingEvent = 'registered' | 'created' | 'refreshed' | 'shortened';

/** Why a binding is no more (RFC 3680 4.7.1). */
export type BindingEnd = 'expired' | 'deactivated' | 'probation' | 'unregistered' | 'rejected';

export interface EndedBinding {
  readonly binding: Binding;
  readonly event: BindingEnd;
  readonly revision: number;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** What a Contact says, nothing of it cut from the message. */
export type ContactDetails = Pick<Binding, 'contact' | 'params' | 'displayName' | 'q' | 'instance'>;

/** GRUUs are the registrar's to give (RFC 5627 5.1), and this one gives none: what an agent sends back of another's is not repeated. */
const NOT_KEPT: ReadonlySet<string> = new Set(['expires', 'pub-gruu', 'temp-gruu']);

/** @throws SipError 400 */
export function contactDetails({ uri, params, displayName }: NameAddr): ContactDetails {
  let text = '';
  for (const [name, value] of params) if (!NOT_KEPT.has(name)) text += value === undefined ? `;${name}` : `;${name}=${value}`;
  return {
    contact: detach(uri),
    params: text === '' ? '' : detach(text),
    displayName: displayName === undefined ? undefined : detach(displayName),
    q: parseQ(params.get('q')),
    instance: instanceOf(params.get('+sip.instance')),
  };
}

/** The URN in a `+sip.instance` value, which stands in quotes and angle brackets; undefined without one. */
export function instanceOf(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const urn = unquote(value).replace(/^<|>$/g, '');
  return urn === '' ? undefined : detach(urn);
}

function parseQ(text: string | undefined): number {
  if (text === undefined) return 1;
  if (!/^(0(\.\d{0,3})?|1(\.0{0,3})?)$/.test(text)) throw new SipError(400, 'Malformed q in Contact');
  return Number(text);
}

/** The `id` of a contact that is new. */
export function bindingId({ contact, instance }: ContactDetails, regId: number | undefined): string {
  return hash('sha1', regId === undefined ? contact : `${contact} ${instance} ${regId}`, 'base64').slice(0, 16);
}

/**
 * Is there a way to it? Nothing but its flow leads to an agent that registered by RFC 5626, or over a WebSocket (RFC 7118 5: its Contact
 * names a host that is none); the flow may have ended with the process or the connection.
 */
export function isReachable({ regId, flow, path, contact }: Binding): boolean {
  if (path.length > 0 || (flow !== undefined && !flow.closed)) return true;
  return regId === undefined && !NOWHERE.test(contact);
}

const NOWHERE = /\.invalid(?=[:;?]|$)|;transport=wss?(?=[;?]|$)/i;

/** The binding as Contact value of a response, with the seconds it has left. */
export function formatBinding({ contact, params, expiresAt }: Binding, now: number): string {
  return `<${contact}>${params};expires=${Math.max(0, Math.ceil((expiresAt - now) / 1000))}`;
}

/** A binding as it is kept: all of an address in one record, so that a REGISTER is kept whole or not at all. */
export interface StoredBinding {
  readonly id: string;
  readonly contact: string;
  readonly params: string;
  readonly displayName?: string | undefined;
  readonly q: number;
  readonly instance?: string | undefined;
  readonly regId?: number | undefined;
  readonly path?: readonly string[] | undefined;
  readonly callId: string;
  readonly cseq: number;
  /** May be later than that of the binding. */
  readonly expiresAt: number;
  readonly since: number;
  readonly updatedAt: number;
  readonly userAgent?: string | undefined;
  readonly event: BindingEvent;
  /** Where datagrams come from that the agent sends; connections do not last. */
  readonly source?: Destination | undefined;
  readonly translated?: true | undefined;
}

const NO_PATH: readonly string[] = [];

export function storedBinding(binding: Binding): StoredBinding {
  const { id, contact, params, displayName, q, instance, regId, path, callId, cseq, expiresAt, since, updatedAt, userAgent, event, flow } =
    binding;
  const source = flow?.protocol === 'UDP' ? { protocol: flow.protocol, address: flow.remoteAddress, port: flow.remotePort } : undefined;
  const kept = {
    id,
    contact,
    params,
    displayName,
    q,
    instance,
    regId,
    callId,
    cseq,
    expiresAt,
    since,
    updatedAt,
    userAgent,
    event,
    source,
    translated: binding.translated || undefined,
  };
  return path.length === 0 ? kept : { ...kept, path };
}

/** The record with time for a refresh to come, which then needs no other: should the process be killed meanwhile, the binding lives that much longer. */
export function storedWithSpare(binding: Binding): StoredBinding {
  const record = storedBinding(binding);
  const { expiresAt, updatedAt, event } = binding;
  return event === 'shortened' ? record : { ...record, expiresAt: expiresAt + (expiresAt - updatedAt) };
}

/** Is what was stored of a binding good for what it is now, but for the time and the CSeq of its last refresh? */
export function isCovered(now: Binding, before: Binding, storedUntil: number): boolean {
  return (
    now.expiresAt <= storedUntil &&
    now.event !== 'shortened' &&
    now.id === before.id &&
    now.contact === before.contact &&
    now.params === before.params &&
    now.displayName === before.displayName &&
    now.regId === before.regId &&
    now.callId === before.callId &&
    now.userAgent === before.userAgent &&
    now.translated === before.translated &&
    sameWay(now, before)
  );
}

function sameWay({ flow, path }: Binding, before: Binding): boolean {
  if (path.length !== before.path.length || path.some((value, i) => value !== before.path[i])) return false;
  if (flow === before.flow) return true;
  const [one, other] = [datagrams(flow), datagrams(before.flow)];
  return one === undefined || other === undefined
    ? one === other
    : one.remotePort === other.remotePort && one.remoteAddress === other.remoteAddress;
}

/** Only where datagrams come from is stored. */
function datagrams(flow: Flow | undefined): Flow | undefined {
  return flow?.protocol === 'UDP' ? flow : undefined;
}

export function restoredBinding(aor: string, record: StoredBinding): Binding {
  const { displayName, instance, regId, userAgent, path, source: _, translated = false, ...rest } = record;
  return { ...rest, aor, displayName, instance, regId, userAgent, path: path ?? NO_PATH, flow: undefined, translated, revision: 0 };
}
