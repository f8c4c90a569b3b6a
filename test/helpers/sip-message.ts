/** One SIP message as it stood on the wire, read strictly: what a lenient parser would forgive comes back as a fault. */
export interface SipMessage {
  readonly kind: 'request' | 'response';
  /** The request's method, or for a response the method of its CSeq. */
  readonly method: string;
  /** Of a request. */
  readonly requestUri: string;
  /** Of a response; 0 for a request. */
  readonly status: number;
  readonly reason: string;
  /** In the order of the wire, names as they were spelled. */
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  readonly body: Buffer;
  readonly raw: Buffer;
}

export interface ParsedMessage {
  /** Undefined when not even the start line could be read. */
  readonly message: SipMessage | undefined;
  readonly faults: readonly string[];
}

const HEADER_LINE = /^([A-Za-z0-9\-.!%*_+`'~]+)([ \t]*):[ \t]*(.*?)[ \t]*$/;
const MAY_BE_EMPTY = new Set(['supported', 'accept', 'accept-encoding', 'accept-language', 'allow', 'subject', 'organization', 'server']);
const ONCE = [
  'from',
  'to',
  'call-id',
  'cseq',
  'max-forwards',
  'content-length',
  'content-type',
  'event',
  'expires',
  'min-expires',
  'subscription-state',
  'sip-etag',
];

/** Reads one whole message: RFC 3261 7, held to what a sender may emit and not to what a receiver must put up with. */
export function parseMessage(raw: Buffer): ParsedMessage {
  const faults: string[] = [];
  const end = raw.indexOf('\r\n\r\n');
  if (end < 0) faults.push('no empty line (CRLF CRLF) ends the header');
  const head = (end < 0 ? raw : raw.subarray(0, end)).toString('utf8');
  const body = end < 0 ? Buffer.alloc(0) : raw.subarray(end + 4);
  if (/(^|[^\r])\n|\r(?!\n)/.test(head)) faults.push('a line of the header does not end in CRLF');
  const [startLine = '', ...lines] = head.split(/\r\n|\n|\r/);

  const headers: { name: string; value: string }[] = [];
  for (const line of lines) {
    const previous = headers[headers.length - 1];
    if (/^[ \t]/.test(line)) {
      faults.push(`header folding (RFC 3261 7.3.1 is to be read, not written): "${line.trim()}"`);
      if (previous) previous.value += ` ${line.trim()}`;
      continue;
    }
    const match = HEADER_LINE.exec(line);
    if (!match) {
      faults.push(`not a header field: "${line}"`);
      continue;
    }
    const [, name = '', space = '', value = ''] = match;
    if (space !== '') faults.push(`white space before the colon of ${name}`);
    if (name.length === 1) faults.push(`compact header name "${name}"`);
    if (value === '' && !MAY_BE_EMPTY.has(name.toLowerCase())) faults.push(`${name} is empty`);
    if (/;[ \t]*(;|,|$)/.test(unquoted(value))) faults.push(`empty parameter in ${name}: ${value}`);
    headers.push({ name, value });
  }

  const request = /^([A-Z]+) ([^ ]+) SIP\/2\.0$/.exec(startLine);
  const response = /^SIP\/2\.0 ([1-6][0-9]{2}) (.*)$/.exec(startLine);
  if (!request && !response) {
    faults.push(`not a start line: "${startLine}"`);
    return { message: undefined, faults };
  }
  const cseq = headers.find((header) => header.name.toLowerCase() === 'cseq')?.value ?? '';
  const message: SipMessage = {
    kind: request ? 'request' : 'response',
    method: request?.[1] ?? / ([A-Z]+)$/.exec(cseq)?.[1] ?? '',
    requestUri: request?.[2] ?? '',
    status: Number(response?.[1] ?? 0),
    reason: response?.[2] ?? '',
    headers,
    body,
    raw,
  };
  for (const name of ONCE) {
    if (headerLines(message, name).length > 1) faults.push(`${name} stands ${headerLines(message, name).length} times`);
  }
  if (!/^\d{1,10} [A-Z]+$/.test(cseq) || Number.parseInt(cseq, 10) >= 2 ** 31) faults.push(`CSeq is not "number METHOD": "${cseq}"`);
  if (request && / ([A-Z]+)$/.exec(cseq)?.[1] !== request[1]) faults.push(`CSeq names another method than the start line: "${cseq}"`);
  const length = header(message, 'content-length');
  if (length === undefined) faults.push('Content-Length is missing');
  else if (!/^\d+$/.test(length)) faults.push(`Content-Length is not a number: "${length}"`);
  else if (Number(length) !== body.length) faults.push(`Content-Length says ${length}, the body has ${body.length} bytes`);
  if (body.length > 0 && header(message, 'content-type') === undefined) faults.push('a body without Content-Type');
  return { message, faults };
}

/** The value without its quoted strings and angle-bracketed addresses, for questions about what stands outside them. */
function unquoted(value: string): string {
  return value.replace(/"(?:[^"\\]|\\.)*"/g, '""');
}

/** The first value of a header field, by its full name in any case. */
export function header(message: SipMessage, name: string): string | undefined {
  const wanted = name.toLowerCase();
  return message.headers.find((candidate) => candidate.name.toLowerCase() === wanted)?.value;
}

/** Every line of a header field, in order. */
export function headerLines(message: SipMessage, name: string): string[] {
  const wanted = name.toLowerCase();
  return message.headers.filter((candidate) => candidate.name.toLowerCase() === wanted).map((candidate) => candidate.value);
}

/** The elements of a comma-separated header field, over all its lines. */
export function headerList(message: SipMessage, name: string): string[] {
  return headerLines(message, name).flatMap(splitList);
}

/** Splits at commas outside quotes and angle brackets (RFC 3261 7.3.1). */
export function splitList(value: string): string[] {
  const parts: string[] = [];
  let start = 0;
  let quoted = false;
  let angle = false;
  for (let index = 0; index < value.length; index++) {
    const character = value[index];
    if (quoted) {
      if (character === '\\') index++;
      else if (character === '"') quoted = false;
    } else if (character === '"') quoted = true;
    else if (character === '<') angle = true;
    else if (character === '>') angle = false;
    else if (character === ',' && !angle) {
      parts.push(value.slice(start, index).trim());
      start = index + 1;
    }
  }
  parts.push(value.slice(start).trim());
  return parts.filter((part) => part !== '');
}

/** The body as text. */
export function bodyText(message: SipMessage): string {
  return message.body.toString('utf8');
}

/** Start line and headers with what they carry, ready for the wire. Content-Length is added unless it stands among the headers. */
export function serialise(startLine: string, headers: readonly (readonly [string, string])[], body: string | Buffer = ''): Buffer {
  const content = Buffer.from(body);
  const lines = headers.map(([name, value]) => `${name}: ${value}`);
  if (!headers.some(([name]) => /^content-length$/i.test(name))) lines.push(`Content-Length: ${content.length}`);
  return Buffer.concat([Buffer.from(`${[startLine, ...lines].join('\r\n')}\r\n\r\n`), content]);
}
