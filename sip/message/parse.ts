import { Headers } from './headers.ts';
import { SipRequest, SipResponse } from './message.ts';
import { SipError } from './sip-error.ts';
import { decodeText } from './text.ts';
import { printable } from './uri.ts';

/** RFC 3261 sets no bound; ours keeps a hostile peer from filling memory. */
export const MAX_HEAD_BYTES = 65_536;
const MAX_FIELDS = 1000;

/** A message that breaks the grammar so that it cannot be processed; `partial` is what could be read of it, to answer a request by. */
export class SipParseError extends SipError {
  readonly partial: SipRequest | SipResponse | undefined;

  constructor(reason: string, partial?: SipRequest | SipResponse, status = 400) {
    super(status, reason);
    this.name = 'SipParseError';
    this.partial = partial;
  }
}

/**
 * Parses a datagram, which holds one message (RFC 3261 18.3): bytes beyond Content-Length are dropped, a missing Content-Length means
 * the rest of the datagram.
 * @throws SipParseError
 */
export function parseMessage(bytes: Buffer): SipRequest | SipResponse {
  const { message, headLength } = parseHead(bytes);
  const available = bytes.length - headLength;
  const length = contentLength(message);
  if (length === undefined || length === available) {
    if (available > 0) message.body = bytes.subarray(headLength);
  } else if (length > available) {
    throw new SipParseError(`Body is shorter than Content-Length (${available} of ${length} bytes)`, message);
  } else if (length > 0) {
    message.body = bytes.subarray(headLength, headLength + length);
  }
  return message;
}

/**
 * Parses the start line and the header fields, one scan, values left where they are.
 * @returns the message with an empty body, and the number of bytes up to the body
 * @throws SipParseError
 */
export function parseHead(bytes: Buffer): { message: SipRequest | SipResponse; headLength: number } {
  const text = bytes.toString('latin1', 0, Math.min(bytes.length, MAX_HEAD_BYTES));
  let position = 0;
  // RFC 3261 7.5: empty lines before the start line are passed over.
  while (bytes[position] === CR || bytes[position] === LF) position++;
  let lineEnd = text.indexOf('\n', position);
  if (lineEnd < 0) throw new SipParseError('No start line');
  const startLine = text.slice(position, bytes[lineEnd - 1] === CR ? lineEnd - 1 : lineEnd);
  position = lineEnd + 1;

  const offsets = scratch;
  let used = 0;
  let colon = -1;
  let complete = false;
  let problem: string | undefined;
  while (position < text.length) {
    lineEnd = text.indexOf('\n', position);
    if (lineEnd < 0) break;
    let end = bytes[lineEnd - 1] === CR && lineEnd > position ? lineEnd - 1 : lineEnd;
    if (end === position) {
      complete = true;
      position = lineEnd + 1;
      break;
    }
    // RFC 3261 7.3.1: a line that begins with white space continues the one before.
    let next = bytes[lineEnd + 1];
    while ((next === SPACE || next === TAB) && lineEnd + 1 < text.length) {
      const continued = text.indexOf('\n', lineEnd + 1);
      if (continued < 0) break;
      lineEnd = continued;
      end = bytes[lineEnd - 1] === CR ? lineEnd - 1 : lineEnd;
      next = bytes[lineEnd + 1];
    }
    if (colon < position) colon = text.indexOf(':', position);
    if (colon < 0) colon = text.length;
    if (colon === position || colon >= end) {
      problem ??= `Header line without a name or colon: ${printable(text.slice(position, end))}`;
    } else {
      let nameEnd = colon;
      while (isBlank(bytes[nameEnd - 1]) && nameEnd > position) nameEnd--;
      let valueStart = colon + 1;
      while (valueStart < end && isBlank(bytes[valueStart])) valueStart++;
      while (end > valueStart && isBlank(bytes[end - 1])) end--;
      if (used === MAX_FIELDS * 4) throw new SipParseError('Too many header fields');
      offsets[used++] = position;
      offsets[used++] = nameEnd;
      offsets[used++] = valueStart;
      offsets[used++] = end;
    }
    position = lineEnd + 1;
  }
  const message = startMessage(startLine, new Headers(text, offsets.slice(0, used)));
  if (!complete) {
    const tooLong = bytes.length > MAX_HEAD_BYTES && text.length === MAX_HEAD_BYTES;
    if (tooLong) throw new SipParseError('Header is too large', message, message instanceof SipRequest ? 513 : 400);
    // A message whose header block just ends, with or without a last line ending, has no body.
    if (position < text.length) throw new SipParseError('Header is cut off', message);
  }
  if (problem !== undefined) throw new SipParseError(problem, message);
  return { message, headLength: position };
}

/** The Content-Length of a message; undefined without one. @throws SipParseError when it is no number, or several that differ. */
export function contentLength(message: SipRequest | SipResponse): number | undefined {
  const fields = message.headers.all('Content-Length');
  const field = fields[0];
  if (field === undefined) return undefined;
  if (!/^\d{1,15}$/.test(field)) throw new SipParseError(`Malformed Content-Length ${printable(field)}`, message);
  if (fields.some((other) => other !== field)) throw new SipParseError('Conflicting Content-Length header fields', message);
  return Number(field);
}

/** Where the scan notes its offsets; a list that grows with each field would cost more than the scan. */
const scratch: number[] = [];

const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
const TAB = 0x09;

function isBlank(code: number | undefined): boolean {
  return code === SPACE || code === TAB || code === CR || code === LF;
}

const METHOD = /^[A-Za-z0-9.!%*_+`'~-]+$/;
const VERSION = /^SIP\/\d+\.\d+$/i;

function startMessage(line: string, headers: Headers): SipRequest | SipResponse {
  if (line.startsWith('SIP/')) return startResponse(line, headers);
  const first = line.indexOf(' ');
  const last = line.lastIndexOf(' ');
  if (first <= 0) throw new SipParseError(`Malformed start line ${printable(line)}`);
  const method = line.slice(0, first);
  const uri = line.slice(first + 1, last);
  const version = line.slice(last + 1);
  if (!METHOD.test(method)) throw new SipParseError(`Malformed start line ${printable(line)}`);
  const usual = version === 'SIP/2.0';
  const request = new SipRequest(method, uri, headers, undefined, usual ? version : version.toUpperCase());
  if (first === last || uri === '' || !(usual || VERSION.test(version)))
    throw new SipParseError(`Malformed request line ${printable(line)}`, request);
  // RFC 4475 3.1.2.11 and .12: neither blanks nor angle brackets belong into a Request-URI.
  if (/[\s<>"]/.test(uri)) throw new SipParseError(`Malformed Request-URI ${printable(uri)}`, request);
  return request;
}

function startResponse(line: string, headers: Headers): SipResponse {
  const match = /^SIP\/2\.0 ([1-6]\d\d)(?: (.*))?$/.exec(line);
  if (match === null) throw new SipParseError(`Malformed status line ${printable(line)}`);
  return new SipResponse(Number(match[1]), decodeText(match[2] ?? ''), headers);
}
