import { promisify } from 'node:util';
import { deflate, deflateSync, gunzip, gzip, gzipSync, inflate, inflateRaw } from 'node:zlib';
import type { MaybePromise } from './document-store.ts';
import { XcapRefusal } from './errors.ts';
import type { Content } from './exchange.ts';

/** Content codings of HTTP bodies (RFC 9110 8.4), both ways. */

const CODINGS = 'gzip, deflate';
type Coding = 'gzip' | 'deflate';

/** Below this many characters a coding saves no packet. */
export const WORTH_CODING = 1400;
/** Up to this many characters the work is done at once: longer than that it would take, going to another thread and coming back takes less. */
const AT_ONCE = 32 * 1024;

const decoders = { gzip: promisify(gunzip), deflate: promisify(inflate), raw: promisify(inflateRaw) };
const encoders = { gzip: promisify(gzip), deflate: promisify(deflate) };

/**
 * Undoes the content coding of a request's body. Decoding ends as soon as the result is longer than `limit` bytes, whatever would follow.
 * Rejects with (or throws) XcapRefusal: 415 for a coding not understood, 400 for a body that is none of its coding, 413.
 */
export function decodeBody(body: Uint8Array, contentEncoding: string | undefined, limit: number): MaybePromise<Uint8Array> {
  const coding = contentEncoding?.trim().toLowerCase();
  if (coding === undefined || coding === 'identity' || coding === '') return body;
  // RFC 9110 8.4.1.3: x-gzip is gzip.
  if (coding === 'gzip' || coding === 'x-gzip') return decode('gzip', body, limit);
  // RFC 9110 8.4.1.2: deflate is in the zlib format; some clients leave its two bytes off.
  if (coding === 'deflate') return decode(hasZlibHeader(body) ? 'deflate' : 'raw', body, limit);
  throw new XcapRefusal(415, `the content coding ${coding.slice(0, 100)} is not understood`, { 'accept-encoding': CODINGS });
}

async function decode(kind: keyof typeof decoders, body: Uint8Array, limit: number): Promise<Uint8Array> {
  try {
    return await decoders[kind](body, { maxOutputLength: limit });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ERR_BUFFER_TOO_LARGE') throw new XcapRefusal(413, `the decoded body is longer than ${limit} bytes`);
    throw new XcapRefusal(400, 'the body is not in the content coding that its header field names');
  }
}

/** RFC 1950 2.2: method 8, and the two bytes are a multiple of 31. */
function hasZlibHeader([first = 0, second = 0]: Uint8Array): boolean {
  return (first & 15) === 8 && (first * 256 + second) % 31 === 0;
}

export interface CodedBody {
  readonly coding: Coding;
  readonly body: Buffer;
}

/** What was coded once is kept as long as the content itself is. */
const coded = new WeakMap<Content, Partial<Record<Coding, CodedBody>>>();

/**
 * The content in the coding that the client likes best; undefined when that is none, or when it is not worth it. It goes under the
 * document's own entity tag: XCAP clients send that back with changes of any node (RFC 4825 8.5), and ranges, for which the bytes of
 * a tag would have to be the same, are not served.
 */
export function encodeContent(content: Content, acceptEncoding: string | undefined): MaybePromise<CodedBody> | undefined {
  const { body } = content;
  if (acceptEncoding === undefined || body.length < WORTH_CODING) return undefined;
  const coding = preferredCoding(acceptEncoding);
  if (coding === undefined) return undefined;
  const known = coded.get(content) ?? {};
  const found = known[coding];
  if (found) return found;
  const keep = (bytes: Buffer): CodedBody => {
    const made = { coding, body: bytes };
    known[coding] = made;
    coded.set(content, known);
    return made;
  };
  if (body.length > AT_ONCE) return encoders[coding](body).then(keep);
  return keep(coding === 'gzip' ? gzipSync(body) : deflateSync(body));
}

const preferences = new Map<string, Coding | undefined>();
const REMEMBERED = 100;

function preferredCoding(acceptEncoding: string): Coding | undefined {
  if (acceptEncoding.length > 200) return readPreference(acceptEncoding);
  if (!preferences.has(acceptEncoding)) {
    // Clients send the same few.
    if (preferences.size >= REMEMBERED) preferences.clear();
    preferences.set(acceptEncoding, readPreference(acceptEncoding));
  }
  return preferences.get(acceptEncoding);
}

/** RFC 9110 12.5.3: weights of gzip, deflate and no coding; gzip where they are equal. */
function readPreference(acceptEncoding: string): Coding | undefined {
  const weights = new Map<string, number>();
  for (const item of acceptEncoding.toLowerCase().slice(0, 1000).split(',')) {
    const [name = '', ...parameters] = item.split(';').map((part) => part.trim());
    const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
    const value = weight === undefined ? 1 : /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(weight) ? Number(weight) : 0;
    weights.set(name === 'x-gzip' ? 'gzip' : name, value);
  }
  const others = weights.get('*');
  const gzipWeight = weights.get('gzip') ?? others ?? 0;
  const deflateWeight = weights.get('deflate') ?? others ?? 0;
  // Without a word on it, no coding is what the client falls back to.
  const identity = weights.get('identity') ?? (others === 0 ? 0 : Number.MIN_VALUE);
  const best = Math.max(gzipWeight, deflateWeight);
  if (best === 0 || best < identity) return undefined;
  return gzipWeight === best ? 'gzip' : 'deflate';
}
