/** Multipart bodies (RFC 2046 5.1): cut into parts and put together again, every byte of a part kept. */
import { randomHex } from './identifiers.ts';
import type { ContentType } from './message.ts';
import { unquote } from './text.ts';

export interface BodyPart {
  /** The MIME fields as they stood, one character a byte, values unfolded. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  /** Without the line end before the next delimiter, which belongs to that (RFC 2046 5.1.1). */
  readonly content: Buffer;
}

/** Parts of one body; more are no message but an attack. */
const MAX_PARTS = 100;

/** The value of a part's first field of that name (any case). */
export function partField(part: BodyPart, name: string): string | undefined {
  const wanted = name.toLowerCase();
  return part.fields.find(([field]) => field.toLowerCase() === wanted)?.[1];
}

/** The value in front of the parameters, in lower case: `recipient-list` of `recipient-list; handling=optional`. */
export function withoutParams(value: string): string {
  const semicolon = value.indexOf(';');
  return (semicolon < 0 ? value : value.slice(0, semicolon)).trim().toLowerCase();
}

/** The parts in order, or undefined where the body is not what its type says: no boundary, no delimiter, none that closes. */
export function splitMultipart(body: Buffer, type: ContentType): BodyPart[] | undefined {
  const boundary = type.params.get('boundary');
  if (boundary === undefined) return undefined;
  const delimiter = Buffer.from(`--${unquote(boundary)}`, 'latin1');
  if (delimiter.length < 3 || delimiter.length > 72) return undefined;
  const parts: BodyPart[] = [];
  let start = -1;
  for (let at = body.indexOf(delimiter); at >= 0; at = body.indexOf(delimiter, at + delimiter.length)) {
    if (at > 0 && body[at - 1] !== LF) continue;
    const lineEnd = endOfDelimiter(body, at + delimiter.length);
    if (lineEnd === undefined) continue;
    if (start >= 0) parts.push(readPart(body.subarray(start, contentEnd(body, start, at))));
    if (lineEnd === 'closed') return parts;
    if (parts.length === MAX_PARTS) return undefined;
    start = lineEnd;
  }
  return undefined;
}

const CR = 0x0d;
const LF = 0x0a;

/** Where the line of a delimiter ends; 'closed' behind the last; undefined where the boundary is only the beginning of another text. */
function endOfDelimiter(body: Buffer, from: number): number | 'closed' | undefined {
  if (body[from] === 0x2d && body[from + 1] === 0x2d) return 'closed';
  let at = from;
  while (body[at] === 0x20 || body[at] === 0x09) at++;
  if (body[at] === CR) at++;
  return body[at] === LF ? at + 1 : undefined;
}

function contentEnd(body: Buffer, start: number, delimiter: number): number {
  let end = delimiter - 1;
  if (end > start && body[end - 1] === CR) end--;
  return Math.max(start, end);
}

function readPart(bytes: Buffer): BodyPart {
  const fields: [string, string][] = [];
  let at = 0;
  while (at < bytes.length) {
    const end = bytes.indexOf(LF, at);
    const line = bytes.toString('latin1', at, end < 0 ? bytes.length : end).replace(/\r$/, '');
    at = end < 0 ? bytes.length : end + 1;
    if (line === '') break;
    const last = fields[fields.length - 1];
    const colon = line.indexOf(':');
    if (/^[ \t]/.test(line) && last !== undefined) last[1] += ` ${line.trim()}`;
    else if (colon > 0) fields.push([line.slice(0, colon).trim(), line.slice(colon + 1).trim()]);
  }
  return { fields, content: bytes.subarray(at) };
}

/** The parts behind delimiters that stand in none of them. `boundary` goes into the Content-Type. */
export function joinMultipart(parts: readonly BodyPart[]): { readonly boundary: string; readonly body: Buffer } {
  const boundary = randomHex(12);
  const pieces: Buffer[] = [];
  for (const { fields, content } of parts) {
    const head = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('');
    pieces.push(Buffer.from(`--${boundary}\r\n${head}\r\n`, 'latin1'), content, Buffer.from('\r\n', 'latin1'));
  }
  pieces.push(Buffer.from(`--${boundary}--\r\n`, 'latin1'));
  return { boundary, body: Buffer.concat(pieces) };
}
