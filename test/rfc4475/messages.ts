/** What RFC 4475 says of each of its messages, which stand under test/fixtures/rfc4475 as its appendix has them, byte by byte. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * What the server answers:
 * - a list: one of these status codes;
 * - `taken`: anything but a complaint about the message itself;
 * - `nothing`: it is a response, and belongs to nothing here.
 */
export type Expected = readonly number[] | 'taken' | 'nothing';

export interface TortureMessage {
  readonly section: string;
  readonly file: string;
  readonly what: string;
  readonly expected: Expected;
  /** Why it cannot be sent over a stream, or is answered otherwise there. */
  readonly stream?: 'never ends' | 'cut short' | 'two messages';
}

/** Status codes that say that the message is no good. */
export const COMPLAINTS = [400, 413, 414, 416, 420, 421, 500, 501, 505, 513];

export function bytesOf(file: string): Buffer {
  return readFileSync(join(import.meta.dirname, '../fixtures/rfc4475', `${file}.dat`));
}

export const MESSAGES: readonly TortureMessage[] = [
  { section: '3.1.1.1', file: 'wsinv', what: 'a short tortuous INVITE', expected: 'taken' },
  { section: '3.1.1.2', file: 'intmeth', what: 'a wide range of valid characters, in an unknown method too', expected: [404, 480, 501] },
  { section: '3.1.1.3', file: 'esc01', what: 'valid escapes', expected: 'taken' },
  { section: '3.1.1.4', file: 'escnull', what: 'escaped nulls in URIs', expected: 'taken' },
  { section: '3.1.1.5', file: 'esc02', what: 'percent signs that escape nothing, in an unknown method', expected: [404, 480, 501] },
  { section: '3.1.1.6', file: 'lwsdisp', what: 'no white space before <', expected: 'taken' },
  { section: '3.1.1.7', file: 'longreq', what: 'long values', expected: 'taken' },
  { section: '3.1.1.8', file: 'dblreq', what: 'octets behind the message', expected: [200], stream: 'two messages' },
  { section: '3.1.1.9', file: 'semiuri', what: 'semicolons in the user part', expected: 'taken' },
  { section: '3.1.1.10', file: 'transports', what: 'unknown transports in Via', expected: 'taken' },
  { section: '3.1.1.11', file: 'mpart01', what: 'a multipart body with zeroes in it', expected: 'taken' },
  { section: '3.1.1.12', file: 'unreason', what: 'an unusual reason phrase', expected: 'nothing' },
  { section: '3.1.1.13', file: 'noreason', what: 'an empty reason phrase', expected: 'nothing' },
  { section: '3.1.2.1', file: 'badinv01', what: 'separators with nothing between them', expected: [400] },
  { section: '3.1.2.2', file: 'clerr', what: 'Content-Length larger than the message', expected: [400], stream: 'never ends' },
  { section: '3.1.2.3', file: 'ncl', what: 'negative Content-Length', expected: [400] },
  { section: '3.1.2.4', file: 'scalar02', what: 'overlarge numbers in a request', expected: [400] },
  { section: '3.1.2.5', file: 'scalarlg', what: 'overlarge numbers in a response', expected: 'nothing' },
  { section: '3.1.2.6', file: 'quotbal', what: 'unterminated quoted string in a display name', expected: [400] },
  { section: '3.1.2.7', file: 'ltgtruri', what: '<> around the Request-URI', expected: [400] },
  { section: '3.1.2.8', file: 'lwsruri', what: 'white space in the Request-URI', expected: [400] },
  { section: '3.1.2.9', file: 'lwsstart', what: 'several spaces in the request line', expected: [400] },
  { section: '3.1.2.10', file: 'trws', what: 'spaces behind the request line', expected: [400] },
  { section: '3.1.2.11', file: 'escruri', what: 'escaped header fields in the Request-URI', expected: 'taken' },
  { section: '3.1.2.12', file: 'baddate', what: 'an invalid time zone in Date', expected: 'taken' },
  { section: '3.1.2.13', file: 'regbadct', what: 'no <> around a Contact with header fields', expected: [400] },
  { section: '3.1.2.14', file: 'badaspec', what: 'spaces in <>', expected: 'taken' },
  { section: '3.1.2.15', file: 'baddn', what: 'commas in a display name without quotes', expected: [400], stream: 'cut short' },
  { section: '3.1.2.16', file: 'badvers', what: 'an unknown version', expected: [505] },
  { section: '3.1.2.17', file: 'mismatch01', what: 'another method in CSeq', expected: [400] },
  { section: '3.1.2.18', file: 'mismatch02', what: 'an unknown method, and another in CSeq', expected: [400, 501] },
  { section: '3.1.2.19', file: 'bigcode', what: 'an overlarge status code', expected: 'nothing' },
  { section: '3.2.1', file: 'badbranch', what: 'a branch that is nothing but the cookie', expected: 'taken' },
  { section: '3.3.1', file: 'insuf', what: 'no Call-ID, From and To', expected: [400] },
  { section: '3.3.2', file: 'unkscm', what: 'an unknown scheme in the Request-URI', expected: [416] },
  { section: '3.3.3', file: 'novelsc', what: 'a known scheme that is not for SIP', expected: [416] },
  { section: '3.3.4', file: 'unksm2', what: 'schemes that no registrar knows', expected: [400] },
  { section: '3.3.5', file: 'bext01', what: 'Require and Proxy-Require of unknown extensions', expected: [420] },
  { section: '3.3.6', file: 'invut', what: 'an unknown Content-Type', expected: 'taken' },
  { section: '3.3.7', file: 'regaut01', what: 'an unknown authorization scheme', expected: 'taken' },
  { section: '3.3.8', file: 'multi01', what: 'several of what may be there once', expected: [400] },
  { section: '3.3.9', file: 'mcl01', what: 'several values of Content-Length', expected: [400] },
  { section: '3.3.10', file: 'bcast', what: 'a response with a broadcast address in Via', expected: 'nothing' },
  { section: '3.3.11', file: 'zeromf', what: 'Max-Forwards of zero', expected: [200, 404, 480, 483] },
  { section: '3.3.12', file: 'cparam01', what: 'REGISTER with a parameter of Contact', expected: [200] },
  { section: '3.3.13', file: 'cparam02', what: 'REGISTER with a parameter of the URI', expected: [200] },
  { section: '3.3.14', file: 'regescrt', what: 'REGISTER with escaped header fields in Contact', expected: [200] },
  { section: '3.3.15', file: 'sdp01', what: 'an Accept that no session satisfies', expected: 'taken' },
  { section: '3.4.1', file: 'inv2543', what: 'an INVITE of RFC 2543', expected: 'taken', stream: 'cut short' },
];
