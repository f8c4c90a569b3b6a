/** The message/cpim format (RFC 3862) as far as a server between sender and recipient looks into it. */

/** Lower case, as `SipMessage.contentType` gives it. */
export const CPIM_TYPE = 'message/cpim';
const CORE = 'urn:ietf:params:cpim-headers:';
const IMDN_HEADERS = 'urn:ietf:params:imdn';

export interface CpimHeader {
  /** Namespace and name, so that any prefix will do (RFC 3862 3.4). */
  readonly namespace: string;
  readonly name: string;
  /** As written (UTF-8), escapes kept. */
  readonly value: string;
  /** Where its line begins in the message, and where the next one does. */
  readonly start: number;
  readonly end: number;
}

export interface CpimMessage {
  readonly headers: readonly CpimHeader[];
  /** MIME fields of the content by lower-case name. */
  readonly content: ReadonlyMap<string, string>;
}

/** Message headers looked at; RFC 3862 sets no bound. */
const MAX_LINES = 200;

/**
 * Undefined for what is no such message: a line without a name, control characters (RFC 3862 2.2), no empty line between message headers
 * and content; and for one with more lines than are looked at, since it could be a notification without our seeing it.
 */
export function parseCpim(body: Buffer): CpimMessage | undefined {
  const lines = headLines(body, 0);
  if (lines === undefined || !lines.complete || lines.lines.some(({ text }) => CONTROL.test(text))) return undefined;
  const prefixes = new Map<string, string>([['', CORE]]);
  const headers: CpimHeader[] = [];
  for (const { text, start, end } of lines.lines) {
    const match = /^([^\s:.]+\.)?([^\s:.]+):(?:;\S*)? ?(.*)$/.exec(text);
    if (match === null) return undefined;
    const [, prefix = '', name = '', value = ''] = match;
    const namespace = prefixes.get(prefix.slice(0, -1));
    if (name === 'NS' && (namespace === CORE || prefix === '')) {
      const declared = /^(\S*)\s*<([^>]*)>$/.exec(value);
      if (declared !== null) prefixes.set(declared[1] ?? '', declared[2] ?? '');
    } else if (namespace !== undefined) headers.push({ namespace, name, value, start, end });
  }
  const content = headLines(body, lines.end);
  return content === undefined ? undefined : { headers, content: mimeFields(content.lines) };
}

/** RFC 2045 3 and RFC 5322 2.2.3: names in any case; a line that begins with white space goes on with the one before it. */
function mimeFields(lines: readonly Line[]): Map<string, string> {
  const fields = new Map<string, string>();
  let last = '';
  for (const { text } of lines) {
    const colon = text.indexOf(':');
    if (/^[ \t]/.test(text)) fields.set(last, `${fields.get(last) ?? ''} ${text.trim()}`.trim());
    else if (colon > 0) {
      last = text.slice(0, colon).trim().toLowerCase();
      fields.set(last, text.slice(colon + 1).trim());
    }
  }
  return fields;
}

const CONTROL = /[\0-\x08\x0a-\x1f\x7f]/;

interface Line {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** Up to the empty line, or all there are; undefined where they are too many. */
function headLines(body: Buffer, from: number): { lines: Line[]; end: number; complete: boolean } | undefined {
  const lines: Line[] = [];
  let start = from;
  while (lines.length <= MAX_LINES) {
    const lf = body.indexOf(0x0a, start);
    if (lf < 0) return { lines, end: body.length, complete: false };
    const text = body.toString('utf8', start, body[lf - 1] === 0x0d && lf > start ? lf - 1 : lf);
    if (text === '') return { lines, end: lf + 1, complete: true };
    lines.push({ text, start, end: lf + 1 });
    start = lf + 1;
  }
  return undefined;
}

/** The value of the first header of RFC 3862 with that name (case counts). */
export function coreHeader(message: CpimMessage, name: string): string | undefined {
  return message.headers.find((header) => header.namespace === CORE && header.name === name)?.value;
}

/** The headers of RFC 5438 6 with that name, in order. */
export function imdnHeaders(message: CpimMessage, name: string): CpimHeader[] {
  return message.headers.filter((header) => header.namespace === IMDN_HEADERS && header.name === name);
}

/** The URI of an address header, `Name <uri>`. */
export function headerUri(value: string | undefined): string | undefined {
  return value === undefined ? undefined : /<([^<>\s]+)>\s*$/.exec(value)?.[1];
}

/** Is the message a notification itself (RFC 5438 9)? */
export function isNotification(message: CpimMessage): boolean {
  return /^message\/imdn\+xml\b/i.test(message.content.get('content-type') ?? '') || disposition(message) === 'notification';
}

function disposition(message: CpimMessage): string {
  return (message.content.get('content-disposition') ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
}

/** What the sender asks to be told of (RFC 5438 6.2); nothing for a notification, of which none may be made. */
export function requestedNotifications(message: CpimMessage): ReadonlySet<string> {
  if (isNotification(message)) return new Set();
  const values = imdnHeaders(message, 'Disposition-Notification').flatMap(({ value }) => value.split(','));
  return new Set(values.map((value) => value.split(';')[0]?.trim().toLowerCase() ?? ''));
}
