/** Content codings of bodies (RFC 3261 20.12, 20.2): what is sent to us coded is read decoded, and told coded to those who ask for it. */
import { deflateSync, gunzipSync, gzipSync, inflateRawSync, inflateSync } from 'node:zlib';
import type { SipRequest } from './message.ts';
import { splitOutsideQuotes } from './params.ts';
import { SipError } from './sip-error.ts';
import { printable } from './uri.ts';

export type ContentCoding = 'gzip' | 'deflate';

/** For the Accept-Encoding of our responses. */
export const ACCEPTED_CODINGS: readonly string[] = ['gzip', 'deflate', 'identity'];

/**
 * The body of a request that is for us, without its coding. Decoding ends as soon as the result is longer than `limit` bytes.
 * @param accept media types that the body might have had, for the refusal
 * @throws SipError 415 for a coding that is not understood, 400 for a body that is none of its coding, 413
 */
export function decodedBody({ headers, body }: SipRequest, limit: number, accept: readonly string[]): Buffer {
  if (body.length > limit) throw tooLong(limit);
  const coding = headers.get('Content-Encoding')?.trim().toLowerCase() ?? 'identity';
  if (coding === 'identity' || coding === '') return body;
  const decode = decoderOf(coding, body);
  if (!decode) {
    throw new SipError(415, `Content-Encoding ${printable(coding)} is not understood`, [
      ['Accept', accept.join(', ')],
      ['Accept-Encoding', ACCEPTED_CODINGS.join(', ')],
    ]);
  }
  try {
    return decode(body, { maxOutputLength: limit });
  } catch (error) {
    if (error instanceof RangeError || (error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE')) {
      throw tooLong(limit);
    }
    throw new SipError(400, `The body is not ${printable(coding)}`);
  }
}

function decoderOf(coding: string, body: Buffer): typeof inflateSync | undefined {
  if (coding === 'gzip' || coding === 'x-gzip') return gunzipSync;
  // RFC 9110 8.4.1.2: deflate is in the zlib format; some agents leave its two bytes off.
  if (coding === 'deflate') return hasZlibHeader(body) ? inflateSync : inflateRawSync;
  return undefined;
}

/** RFC 1950 2.2: method 8, and the two bytes are a multiple of 31. */
function hasZlibHeader([first = 0, second = 0]: Buffer): boolean {
  return (first & 15) === 8 && (first * 256 + second) % 31 === 0;
}

function tooLong(limit: number): SipError {
  return new SipError(413, `A body may have ${limit} bytes at most`);
}

/**
 * The coding that the sender of a message prefers for bodies to it; undefined when that is none, as without the field. Only codings that
 * it names count: what `*` stands for nobody may have tried.
 */
export function preferredCoding(acceptEncoding: readonly string[]): ContentCoding | undefined {
  if (acceptEncoding.length === 0) return undefined;
  let best: ContentCoding | undefined;
  let most = 0;
  let identity = 0;
  for (const item of acceptEncoding.flatMap((field) => splitOutsideQuotes(field.slice(0, 500), ','))) {
    const [name = '', ...parameters] = item.split(';').map((part) => part.trim().toLowerCase());
    const weight = Number(/^q\s*=\s*([01](?:\.\d{0,3})?)$/.exec(parameters.find((part) => part.startsWith('q')) ?? 'q=1')?.[1] ?? 0);
    if (name === 'identity') identity = weight;
    else if ((name === 'gzip' || name === 'deflate') && weight > most) {
      best = name;
      most = weight;
    }
  }
  return most >= identity ? best : undefined;
}

/** Shorter bodies fit into one datagram as they are. */
const WORTH_CODING = 1000;
/** Bodies are shared by many watchers: each is coded once. */
const coded = new WeakMap<Buffer, Map<ContentCoding, Buffer>>();

/** The body in the coding, or undefined where that saves nothing. */
export function encodedBody(body: Buffer, coding: ContentCoding): Buffer | undefined {
  if (body.length < WORTH_CODING) return undefined;
  const known = coded.get(body) ?? new Map<ContentCoding, Buffer>();
  let bytes = known.get(coding);
  if (!bytes) {
    bytes = coding === 'gzip' ? gzipSync(body) : deflateSync(body);
    coded.set(body, known.set(coding, bytes));
  }
  return bytes.length < body.length ? bytes : undefined;
}
