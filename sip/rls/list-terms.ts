/** What a list's watcher asks for in its SUBSCRIBE: a list of its own in the body (RFC 5367), and how parts are to be named. */
import { canonicalAddress } from '../../schemas/address.ts';
import { parseResourceLists, RESOURCE_LISTS_TYPE, type ResourceList } from '../../schemas/resource-lists.ts';
import { decodeUtf8, parseXml, XmlError } from '../../schemas/xml/parse.ts';
import type { EventPackage } from '../events/event-package.ts';
import { decodedBody } from '../message/content-coding.ts';
import type { SipRequest } from '../message/message.ts';
import { withoutParams } from '../message/multipart.ts';
import { SipError } from '../message/sip-error.ts';
import { detach } from '../message/text.ts';
import type { PartNaming } from './list-body.ts';
import { isSubscribable, type ListMember, listMembers, MEMBER_LIMIT } from './resolved-list.ts';

export const BROUGHT_LIST_TAG = 'recipient-list-subscribe';

/** Plain JSON, kept with the subscription. */
export interface ListTerms {
  readonly naming?: PartNaming;
  /** Of a watcher that has brought its list. */
  readonly list?: readonly ListMember[];
  /** What the package of the members made of the SUBSCRIBE. */
  readonly base?: unknown;
}

/** Bytes of a list without its coding: it is read at once, and kept. */
const MAX_LIST = 65_536;
const ACCEPTED = [RESOURCE_LISTS_TYPE];

/** Does the SUBSCRIBE bring the list, and is it said that it must be understood? */
export function bringsList(request: SipRequest): 'required' | 'optional' | undefined {
  if (request.headers.list('Require').some((tag) => tag.toLowerCase() === BROUGHT_LIST_TAG)) return 'required';
  return request.body.length > 0 && isListBody(request) ? 'optional' : undefined;
}

function isListBody({ headers, contentType }: SipRequest): boolean {
  return contentType?.type === RESOURCE_LISTS_TYPE || withoutParams(headers.get('Content-Disposition') ?? '') === 'recipient-list';
}

/**
 * For `EventPackage.readTerms` of lists; undefined when nothing is asked for. A list in a refresh takes the place of the one before:
 * RFC 5367 5.1 gives it no meaning, and agents send their list again in each.
 * @throws SipError 400 for a bad list or none, 413, 415
 */
export function readListTerms(request: SipRequest, previous: ListTerms | undefined, base: EventPackage): ListTerms | undefined {
  const naming = namingFor(request, previous);
  const bringing = bringsList(request);
  const list = bringing ? (readList(request) ?? previous?.list) : previous?.list;
  if (bringing && !list) throw new SipError(400, 'A list is required in the body');
  const asked = bringing ? previous?.base : base.readTerms?.(request, previous?.base);
  if (naming === 'standard' && !list && asked === undefined) return undefined;
  return { ...(naming !== 'standard' && { naming }), ...(list && { list }), ...(asked !== undefined && { base: asked }) };
}

/** Agents that look for the parts by the bare text of RLMI's cid, and in `Content-Id` only. */
const BARE_READERS = /\b(?:linphone|belle-sip)/i;

function namingFor({ headers }: SipRequest, previous: ListTerms | undefined): PartNaming {
  const agent = headers.get('User-Agent');
  if (agent === undefined) return previous?.naming ?? 'standard';
  return BARE_READERS.test(agent) ? 'bare' : 'standard';
}

/** The members in order, each once; undefined without a body. */
function readList(request: SipRequest): ListMember[] | undefined {
  if (request.body.length === 0) return undefined;
  const type = request.contentType?.type;
  // Said to be a list by its disposition alone, it may still be one.
  if (type !== RESOURCE_LISTS_TYPE) throw new SipError(415, 'The list has another format', [['Accept', ACCEPTED.join(', ')]]);
  const bytes = decodedBody(request, MAX_LIST, ACCEPTED);
  let lists: ResourceList[];
  try {
    lists = parseResourceLists(parseXml(decodeUtf8(bytes)));
  } catch (error) {
    if (error instanceof XmlError) throw new SipError(400, `Bad list: ${error.message}`);
    throw error;
  }
  // RFC 5367 4: a flat list; what else it holds may be left out.
  const members = new Map<string, ListMember>();
  for (const { uri, names } of lists.flatMap(listMembers)) {
    const canonical = canonicalAddress(uri);
    if (!isSubscribable(uri) || members.has(canonical)) continue;
    members.set(canonical, { uri: detach(uri), canonical: detach(canonical), names });
  }
  if (members.size > MEMBER_LIMIT) throw new SipError(413, `A list may have ${MEMBER_LIMIT} members at most`);
  return [...members.values()];
}
