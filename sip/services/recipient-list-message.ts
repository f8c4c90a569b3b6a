/** A MESSAGE to many (RFC 5365): the list in its body, and the message that each recipient gets. */
import { parseRecipientList, type Recipient, writeRecipientHistory } from '../../schemas/recipient-list.ts';
import { RESOURCE_LISTS_TYPE } from '../../schemas/resource-lists.ts';
import { decodeUtf8, parseXml, XmlError } from '../../schemas/xml/parse.ts';
import { ACCEPTED_CODINGS, decodedBody } from '../message/content-coding.ts';
import { longName } from '../message/headers.ts';
import { createCallId, createTag } from '../message/identifiers.ts';
import type { SipRequest } from '../message/message.ts';
import { type BodyPart, joinMultipart, partField, splitMultipart, withoutParams } from '../message/multipart.ts';
import { NameAddr } from '../message/name-addr.ts';
import { SipError } from '../message/sip-error.ts';
import { encodeText } from '../message/text.ts';
import { parseSipUri } from '../message/uri.ts';
import type { QueuedMessage } from './queued-message.ts';

export const LIST_OPTION_TAG = 'recipient-list-message';

export interface ListMessage {
  readonly recipients: readonly Recipient[];
  /** What remains for the recipients, with the list of those who are shown. */
  readonly content: { readonly fields: readonly (readonly [name: string, value: string])[]; readonly body: Buffer };
}

/** Bytes of a list; it is read at once. */
const MAX_LIST = 65_536;
/** Bytes of a body without its coding. */
const MAX_BODY = 1_048_576;
const ACCEPTED_TYPES = ['multipart/mixed', RESOURCE_LISTS_TYPE, 'text/plain', 'message/cpim'];

/** Does the message carry a list of recipients, or say that it does? */
export function isListMessage(request: SipRequest): boolean {
  if (request.headers.list('Require').some((tag) => tag.toLowerCase() === LIST_OPTION_TAG)) return true;
  if (withoutParams(request.headers.get('Content-Disposition') ?? '') === 'recipient-list') return true;
  const type = request.contentType;
  const parts = type?.type === 'multipart/mixed' ? splitMultipart(request.body, type) : undefined;
  return parts?.some(isRecipientList) ?? false;
}

function isRecipientList(part: BodyPart): boolean {
  return withoutParams(partField(part, 'Content-Disposition') ?? '') === 'recipient-list';
}

/**
 * Reads the list and composes what the recipients get (RFC 5365 7.3).
 * @throws SipError 400 for a body without a list or with a bad one, 415 for a list or a body in another format
 */
export function readListMessage(request: SipRequest): ListMessage {
  const parts = partsOf(request);
  const lists = parts.filter(isRecipientList);
  const [list] = lists;
  if (list === undefined) throw new SipError(400, 'A message to a list without a body of disposition recipient-list');
  if (lists.length > 1) throw new SipError(400, 'More than one body of disposition recipient-list');
  if (withoutParams(partField(list, 'Content-Type') ?? '') !== RESOURCE_LISTS_TYPE)
    throw unsupported('The list of recipients has another format');
  const recipients = readRecipients(decoded(list).content);
  const rest = parts.filter((part) => part !== list);
  const history = writeRecipientHistory(recipients);
  if (history !== undefined) {
    const fields: [string, string][] = [
      ['Content-Type', RESOURCE_LISTS_TYPE],
      // RFC 5365 7.3, RFC 5364 7: agents that do not know it still take the message.
      ['Content-Disposition', 'recipient-list-history; handling=optional'],
    ];
    rest.push({ fields, content: Buffer.from(history, 'utf8') });
  }
  return { recipients, content: compose(rest) };
}

/** The parts of the body; one that is no multipart is the only one. */
function partsOf(request: SipRequest): readonly BodyPart[] {
  const { contentType, headers } = request;
  if (contentType === undefined) throw new SipError(400, 'A message to a list without a body');
  const body = decodedBody(request, MAX_BODY, ACCEPTED_TYPES);
  if (contentType.type !== 'multipart/mixed') {
    const fields = [...headers].map(([name, value]) => [longName(name), value] as const);
    // The coding has just been undone.
    const own = fields.filter(([name]) => isPartField(name) && name.toLowerCase() !== 'content-encoding');
    return [{ fields: own, content: body }];
  }
  const parts = splitMultipart(body, contentType);
  if (parts === undefined) throw new SipError(400, 'Malformed multipart body');
  return parts;
}

function unsupported(reason: string): SipError {
  return new SipError(415, reason, [
    ['Accept', ACCEPTED_TYPES.join(', ')],
    ['Accept-Encoding', ACCEPTED_CODINGS.join(', ')],
  ]);
}

function readRecipients(bytes: Buffer): Recipient[] {
  if (bytes.length > MAX_LIST) throw new SipError(413, `A list of recipients may have ${MAX_LIST} bytes at most`);
  try {
    const recipients = parseRecipientList(parseXml(decodeUtf8(bytes)));
    for (const { uri } of recipients) if (!/^(im|pres):/i.test(uri)) parseSipUri(uri);
    return recipients;
  } catch (error) {
    if (error instanceof XmlError) throw new SipError(400, `Bad list of recipients: ${error.message}`);
    // 416 would be said of the Request-URI.
    if (error instanceof SipError) throw new SipError(400, `Bad list of recipients: ${error.reason}`);
    throw error;
  }
}

/** RFC 5365 7.3: one body that is left stands alone. */
function compose(parts: readonly BodyPart[]): ListMessage['content'] {
  const [only, ...others] = parts;
  if (only === undefined) return { fields: [], body: Buffer.alloc(0) };
  const part = decoded(only);
  if (others.length === 0 && partField(part, 'Content-Transfer-Encoding') === undefined) {
    return { fields: part.fields.filter(([name]) => isPartField(name)), body: part.content };
  }
  const { boundary, body } = joinMultipart(parts);
  return { fields: [['Content-Type', `multipart/mixed;boundary=${boundary}`]], body };
}

function isPartField(name: string): boolean {
  return /^content-(?!length$)/i.test(name);
}

/** Without a transfer encoding, which SIP does not need and a message that is no multipart cannot have. */
function decoded(part: BodyPart): BodyPart {
  const encoding = partField(part, 'Content-Transfer-Encoding')?.toLowerCase();
  if (encoding === undefined || !/^(7bit|8bit|binary|base64)$/.test(encoding)) return part;
  const fields = part.fields.filter(([name]) => name.toLowerCase() !== 'content-transfer-encoding');
  return { fields, content: encoding === 'base64' ? Buffer.from(part.content.toString('latin1'), 'base64') : part.content };
}

/** Of the incoming message's fields, those that the copies have anew, or that were for this server (RFC 5365 7.2). */
const NOT_COPIED: ReadonlySet<string> = new Set(
  'via route record-route max-forwards max-breadth from to call-id cseq date content-length contact timestamp proxy-require require supported p-asserted-identity p-preferred-identity'.split(
    ' ',
  ),
);
/** RFC 3261 19.1.5: what a URI may add to a request without making it another's or aiming it elsewhere. */
const FROM_URI: ReadonlySet<string> = new Set(
  'accept-contact reject-contact request-disposition priority subject in-reply-to reply-to organization content-language'.split(' '),
);

export interface CopyTerms {
  /** Canonical address of the sender. */
  readonly sender: string;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly expiresAt: number;
  /** Is it this server that a realm of credentials means? */
  isOwnRealm(realm: string): boolean;
}

/** The message for one recipient (RFC 5365 7.2): the sender's From with a tag of its own, and a Call-ID that no other copy has. */
export function copyFor(recipient: Recipient, request: SipRequest, content: ListMessage['content'], terms: CopyTerms): QueuedMessage {
  const { from, headers } = request;
  const fields: [string, string][] = [
    ['From', new NameAddr(from.uri, new Map([['tag', createTag()]]), from.displayName).toString()],
    ['To', `<${targetUri(recipient)}>`],
    ['Call-ID', createCallId()],
    ['CSeq', '1 MESSAGE'],
    ['Date', headers.get('Date') ?? new Date(terms.now).toUTCString()],
  ];
  const added = fieldsOfUri(recipient.uri);
  for (const [name, value] of headers) {
    const long = longName(name);
    const lower = long.toLowerCase();
    if (NOT_COPIED.has(lower) || isPartField(long) || added.some(([other]) => other.toLowerCase() === lower)) continue;
    if (/^(proxy-)?authorization$/.test(lower) && terms.isOwnRealm(/realm="([^"]*)"/i.exec(value)?.[1] ?? '')) continue;
    fields.push([long, value]);
  }
  const required = headers.list('Require').filter((tag) => tag.toLowerCase() !== LIST_OPTION_TAG);
  if (required.length > 0) fields.push(['Require', required.join(', ')]);
  return {
    recipient: recipient.canonical,
    sender: terms.sender,
    fields: [...fields, ...added, ...content.fields.map(([name, value]): [string, string] => [name, value])],
    body: content.body.toString('base64'),
    expiresAt: terms.expiresAt,
  };
}

/** The URI that a recipient's copy is aimed at: without header fields, and of a scheme that requests have (RFC 3428 5). */
export function targetUri({ uri, canonical }: Recipient): string {
  return /^(im|pres):/i.test(uri) ? canonical : uri.replace(/\?.*$/s, '');
}

/** Header fields behind the question mark of a URI. */
function fieldsOfUri(uri: string): [string, string][] {
  const query = /\?(.*)$/s.exec(uri)?.[1];
  if (query === undefined) return [];
  return query.split('&').flatMap((pair): [string, string][] => {
    const equals = pair.indexOf('=');
    const [name, value] = [unescaped(pair.slice(0, equals)), unescaped(pair.slice(equals + 1))];
    if (equals <= 0 || name === undefined || value === undefined || !FROM_URI.has(name.toLowerCase())) return [];
    return /[\x00-\x1f\x7f]/.test(value) ? [] : [[name, encodeText(value)]];
  });
}

function unescaped(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
