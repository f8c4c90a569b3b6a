import { splitOutsideQuotes } from '../message/params.ts';
import { SipError } from '../message/sip-error.ts';

/**
 * The media type that the Accept header fields like best (RFC 3261 20.1, by `q`, as HTTP has it): among those they like as well, `partial`
 * if they name it, and else the first offered. Without any field it is the first offered, the package's default. Throws SipError 406.
 * @param partial offered too, but only to who names it
 */
export function chooseContentType(accept: readonly string[], offered: readonly string[], partial?: string): string {
  const [first = ''] = offered;
  if (accept.length === 0 || (accept.length === 1 && accept[0] === first)) return first;
  const ranges = accept.flatMap((field) => splitOutsideQuotes(field, ',')).flatMap(mediaRange);
  let best: string | undefined;
  let bestQ = 0;
  const liking = (type: string, q: number): void => {
    if (q > bestQ) [best, bestQ] = [type, q];
  };
  if (partial !== undefined) liking(partial, ranges.find(({ range }) => range === partial)?.q ?? 0);
  for (const type of offered) liking(type, qualityOf(type, ranges));
  if (best !== undefined) return best;
  const all = partial === undefined ? offered : [...offered, partial];
  throw new SipError(406, undefined, [['Accept', all.join(', ')]]);
}

interface MediaRange {
  /** In lower case, without parameters. */
  readonly range: string;
  /** 0 to 1. */
  readonly q: number;
}

/** What the most specific range that covers the type says (RFC 9110 12.5.1). */
function qualityOf(type: string, ranges: readonly MediaRange[]): number {
  const [major] = type.split('/');
  for (const wanted of [type, `${major}/*`, '*/*']) {
    const found = ranges.find(({ range }) => range === wanted);
    if (found) return found.q;
  }
  return 0;
}

function mediaRange(item: string): MediaRange[] {
  const [range = '', ...params] = item.split(';').map((part) => part.trim().toLowerCase());
  if (range === '') return [];
  let q = 1;
  for (const param of params) {
    const value = /^q\s*=\s*([01](?:\.\d{0,3})?)$/.exec(param)?.[1];
    if (value !== undefined) q = Math.min(1, Number(value));
  }
  return [{ range, q }];
}
