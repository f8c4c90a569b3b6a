/** A MESSAGE as it waits for its recipient: what its sender wrote, without what belonged to the way it came. */
import { Headers, longName } from '../message/headers.ts';
import { SipRequest } from '../message/message.ts';
import { dropEmptyParams } from '../message/params.ts';
import { detach } from '../message/text.ts';

/** Plain JSON. */
export interface QueuedMessage {
  /** Canonical address. */
  readonly recipient: string;
  /** Canonical address of who sent it; '' where that is not known for certain. */
  readonly sender: string;
  /** What else was asserted to be who sent it, as canonical addresses. */
  readonly aliases?: readonly string[];
  /** In their order, long names, one character a byte. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  /** In base64: bodies are bytes and need not be text. */
  readonly body: string;
  /** When it came, in milliseconds since 1970; unlike Date, nobody else says it. Messages of earlier versions have none. */
  readonly receivedAt?: number;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/**
 * Fields of one hop or of one transaction (RFC 3261 16.6), those that show credentials or assert identities to those who are trusted
 * (RFC 3325 5), and those that no MESSAGE has (RFC 3428 9).
 * Require was met when the message was taken in, and what it says to the recipient's agent still holds, so it stays.
 */
const LEFT_OUT: ReadonlySet<string> = new Set(
  'via route record-route max-forwards max-breadth content-length authorization proxy-authorization proxy-require timestamp contact p-asserted-identity p-preferred-identity'.split(
    ' ',
  ),
);
const MAX_FORWARDS = '70';

/**
 * @param lifetime milliseconds for which it may wait at most, whatever it says itself
 * @param now milliseconds since 1970
 */
export function queuedMessage(request: SipRequest, recipient: string, sender: string, lifetime: number, now: number): QueuedMessage {
  const fields: [string, string][] = [];
  for (const [name, value] of request.headers) {
    const long = longName(name);
    if (LEFT_OUT.has(long.toLowerCase())) continue;
    fields.push([detach(long), detach(written(long, value, request))]);
  }
  // RFC 3428 4 and 7: Expires counts from Date, and the recipient shall see when the message was sent.
  if (!request.headers.has('Date')) fields.push(['Date', new Date(now).toUTCString()]);
  return {
    recipient: detach(recipient),
    sender: detach(sender),
    fields,
    body: request.body.toString('base64'),
    receivedAt: now,
    expiresAt: Math.min(now + lifetime, expiryOf(request, now)),
  };
}

/** What lenient reading has let pass is not written again. */
function written(name: string, value: string, { cseq, from, to }: SipRequest): string {
  if (name === 'CSeq') return `${cseq.sequence} ${cseq.method}`;
  if (name !== 'From' && name !== 'To') return value;
  return value.includes('<') ? dropEmptyParams(value) : (name === 'From' ? from : to).toString();
}

/** RFC 3428 7: from Date, where there is one, else from now; without Expires never. */
function expiryOf(request: SipRequest, now: number): number {
  const { expires } = request;
  if (expires === undefined) return Number.POSITIVE_INFINITY;
  const date = Date.parse(request.headers.get('Date') ?? '');
  // Date tells no fractions of its second. A clock that is ahead must not make a message live longer than its sender said.
  const from = Number.isNaN(date) ? now : Math.min(date + 999, now);
  return from + expires * 1000;
}

/** The request that delivers it to a binding: the sender's From with its tag, To, Call-ID and CSeq, so that copies can be told. */
export function deliveryRequest(message: QueuedMessage, uri: string): SipRequest {
  const headers = new Headers();
  headers.append('Max-Forwards', MAX_FORWARDS);
  for (const [name, value] of message.fields) headers.append(name, value);
  return new SipRequest('MESSAGE', uri, headers, Buffer.from(message.body, 'base64'));
}

/** The first value of a field, by its long name. */
export function fieldOf(message: QueuedMessage, name: string): string | undefined {
  return message.fields.find(([field]) => field === name)?.[1];
}
