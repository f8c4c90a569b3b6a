/** What RFC 5626 6 and RFC 3327 5.3 ask of a registrar before it binds anything. */
import type { SipRequest } from '../message/message.ts';
import { type NameAddr, parseNameAddr } from '../message/name-addr.ts';
import { indexOutsideQuotes } from '../message/params.ts';
import { SipError } from '../message/sip-error.ts';
import { detach } from '../message/text.ts';
import { parseSipUri } from '../message/uri.ts';
import { instanceOf } from './binding.ts';

/** Has the request come from the agent itself, with no proxy between? */
export function isFirstHop(request: SipRequest): boolean {
  return request.headers.count('Via') === 1 && indexOutsideQuotes(request.headers.get('Via') ?? '', ',') < 0;
}

/** Does the message name the option (lower case) in Supported? */
export function supports(request: SipRequest, option: string): boolean {
  return request.headers.has('Supported') && request.headers.list('Supported').some((tag) => tag.toLowerCase() === option);
}

const NO_PATH: readonly string[] = [];

/**
 * The Path values, in order.
 * @param trusted whether the element that the request came from is one that the admin trusts
 * @throws SipError 420 when the agent does not know what was put there on the way; 400
 */
export function pathOf(request: SipRequest, trusted: boolean): readonly string[] {
  if (!request.headers.has('Path')) return NO_PATH;
  const path = request.headers.list('Path').map(detach);
  // RFC 3327 5.3: the recommended policy; what a trusted proxy does is in order.
  if (path.length > 0 && !trusted && !supports(request, 'path')) throw new SipError(420, undefined, [['Unsupported', 'path']]);
  for (const value of path) parseSipUri(parseNameAddr(value).uri);
  return path;
}

/** RFC 5626 10: 1 to 2^31 - 1. */
const REG_ID = /^\d{1,10}$/;
const GREATEST_REG_ID = 2 ** 31 - 1;

/** A reg-id that may count; without an instance it does not (RFC 5626 6). */
function regIdOf({ params }: NameAddr): number | undefined {
  const text = params.get('reg-id');
  if (text === undefined || !REG_ID.test(text) || instanceOf(params.get('+sip.instance')) === undefined) return undefined;
  const regId = Number(text);
  return regId >= 1 && regId <= GREATEST_REG_ID ? regId : undefined;
}

/**
 * The reg-ids of the contacts, undefined for each to which RFC 5626 does not apply.
 * @param bound for each contact whether it is to be bound rather than removed
 * @throws SipError 439 when the way of the request does not allow what the agent wants; 400
 */
export function regIds(
  request: SipRequest,
  contacts: readonly NameAddr[],
  bound: readonly boolean[],
  path: readonly string[],
): readonly (number | undefined)[] {
  if (!contacts.some(({ params }) => params.has('reg-id'))) return contacts.map(() => undefined);
  if (!isFirstHop(request) && !firstHopSupports(path)) {
    if (supports(request, 'outbound')) throw new SipError(439);
    return contacts.map(() => undefined);
  }
  const ids = contacts.map(regIdOf);
  const active = bound.filter((isBound) => isBound).length;
  if (active > 1 && ids.some((id, i) => id !== undefined && bound[i])) {
    throw new SipError(400, 'A contact with a reg-id must be the only one that is bound');
  }
  return ids;
}

/**
 * RFC 5626 5.1: only the agent's first hop marks its Path URI with `ob`. It stands last where more proxies follow; section 6 speaks of the
 * first URI, so that a mark there counts too.
 */
function firstHopSupports(path: readonly string[]): boolean {
  return [path.at(-1), path[0]].some((value) => value !== undefined && /;ob(?:[;=?]|$)/i.test(parseNameAddr(value).uri));
}
