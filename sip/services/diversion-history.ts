/** Who diverted a call, and why: History-Info (RFC 7044) with the causes of RFC 4458, and Diversion (RFC 5806) for those who know only that. */
import { canonicalAddress } from '../../schemas/address.ts';
import type { Call } from '../core/call-service.ts';
import { ANONYMOUS } from '../core/identity.ts';
import type { HeaderField } from '../core/respond.ts';
import { type NameAddr, parseNameAddr } from '../message/name-addr.ts';
import { dropEmptyParams, splitOutsideQuotes } from '../message/params.ts';
import { SipError } from '../message/sip-error.ts';

/** Causes of a diversion (RFC 4458 5, 3GPP TS 24.604 4.5.2.6.2): each with the reason that Diversion gives (RFC 5806 4). */
export const DIVERSION_REASONS = {
  302: 'unconditional',
  404: 'unavailable',
  408: 'no-answer',
  486: 'user-busy',
  503: 'unavailable',
} as const;
export type DiversionCause = keyof typeof DIVERSION_REASONS;

/** Those that others use besides: deflection by the called phone. */
const CAUSES: ReadonlySet<string> = new Set([...Object.keys(DIVERSION_REASONS), '480', '487']);

/** How often the call has been diverted, here and before it came here. */
export function diversionsIn(call: Call): number {
  const causes = entriesOf(call).filter(({ entry }) => CAUSES.has(causeOf(entry.uri) ?? '')).length;
  let counted = 0;
  for (const { address } of values(call, 'Diversion')) {
    const counter = address.params.get('counter') ?? '1';
    counted += /^\d{1,4}$/.test(counter) ? Math.max(1, Number(counter)) : 1;
  }
  return Math.max(causes, counted, call.diverted.length);
}

/** Canonical addresses of all that the call was aimed at or diverted by so far. */
export function addressesIn(call: Call): ReadonlySet<string> {
  const addresses = new Set(call.diverted);
  for (const { entry } of entriesOf(call)) addresses.add(canonicalAddress(entry.uri));
  for (const { address } of values(call, 'Diversion')) addresses.add(canonicalAddress(address.uri));
  addresses.delete(ANONYMOUS);
  return addresses;
}

export interface Diversion {
  /** URI of the new target, without a cause. */
  readonly target: string;
  readonly cause: DiversionCause;
  /** Status that the call failed with; undefined where it was not tried. */
  readonly status: number | undefined;
  /** May the target learn who diverts? */
  readonly reveal: boolean;
}

/** What a diverted request carries: its new Request-URI, with the cause in it, and the fields that tell of the diversion. */
export function divertedRequest(call: Call, diversion: Diversion): { readonly uri: string; readonly headers: readonly HeaderField[] } {
  const { cause, reveal } = diversion;
  const uri = `${diversion.target};cause=${cause}`;
  const diverter = reveal ? call.uri : ANONYMOUS;
  const told = `<${diverter}>;reason=${DIVERSION_REASONS[cause]};counter=1;privacy=${reveal ? 'off' : 'full'}`;
  return {
    uri,
    headers: [
      ['History-Info', extendedHistory(call, uri, diversion)],
      // RFC 5806 6: the latest diversion comes first.
      ['Diversion', [told, ...values(call, 'Diversion').map(({ text }) => text)].join(', ')],
    ],
  };
}

function extendedHistory(call: Call, uri: string, { status, reveal }: Diversion): string {
  const entries = entriesOf(call);
  const last = entries.findLast(({ index }) => index !== undefined);
  const isCurrent = last !== undefined && canonicalAddress(last.entry.uri) === canonicalAddress(call.uri) && last === entries.at(-1);
  // RFC 7044 10.3: an address that nobody has written down is made good for with a 0 in its place.
  const index = isCurrent ? (last.index ?? '1') : last?.index === undefined ? '1' : `${last.index}.0`;
  const before = (isCurrent ? entries.slice(0, -1) : entries).map(({ text }) => text);
  const written = isCurrent ? last.entry.uri : call.uri;
  // RFC 7044 10.1.2: who is to stay unknown does not stand there at all, for the next may be the phone of the target.
  const shown = reveal ? written : withCauseOf(ANONYMOUS, written);
  // RFC 7044 10.2: why it did not stay there.
  const reason = status === undefined ? '' : `${shown.includes('?') ? '&' : '?'}Reason=SIP%3Bcause%3D${status}`;
  const params = isCurrent ? otherParams(last.entry) : '';
  // RFC 7044 10.4: mp, for the new target is another user's.
  return [...before, `<${shown}${reason}>;index=${index}${params}`, `<${uri}>;index=${index}.1;mp=${index}`].join(', ');
}

interface Entry {
  readonly text: string;
  readonly entry: NameAddr;
  readonly index: string | undefined;
}

/** What is no address is no entry, and does not go on. */
function entriesOf(call: Call): readonly Entry[] {
  return values(call, 'History-Info').map(({ text, address }) => {
    const index = address.params.get('index');
    return { text, entry: address, index: index !== undefined && /^\d+(?:\.\d+)*$/.test(index) && index.length <= 200 ? index : undefined };
  });
}

interface AddressValue {
  readonly text: string;
  readonly address: NameAddr;
}

/** The values of a field as the call carries it now: after a diversion that of its target, else that of the request. */
function values(call: Call, name: string): readonly AddressValue[] {
  const set = call.headers.find(([field]) => field === name);
  const written = set ? splitOutsideQuotes(set[1], ',') : call.request.headers.list(name);
  return written.flatMap((value) => {
    try {
      const text = dropEmptyParams(value);
      return [{ text, address: parseNameAddr(text) }];
    } catch (error) {
      if (error instanceof SipError) return [];
      throw error;
    }
  });
}

function otherParams({ params }: NameAddr): string {
  let text = '';
  for (const [name, value] of params) if (name !== 'index') text += value === undefined ? `;${name}` : `;${name}=${value}`;
  return text;
}

function causeOf(uri: string): string | undefined {
  return /;cause=(\d{3})(?=[;?]|$)/i.exec(uri)?.[1];
}

function withCauseOf(uri: string, other: string): string {
  const cause = causeOf(other);
  return cause === undefined ? uri : `${uri};cause=${cause}`;
}
