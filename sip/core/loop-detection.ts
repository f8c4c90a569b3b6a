import { hash } from 'node:crypto';
import type { SipRequest } from '../message/message.ts';
import { SipError } from '../message/sip-error.ts';

const MARK_LENGTH = 16;
/** RFC 5393 5.3.3: what a request without Max-Breadth gets, and the most that is passed on. */
export const MAX_BREADTH = 60;

/**
 * The second part of the branches we give to what we forward (RFC 5393 4.2.1): equal for two requests exactly where the location service
 * would send both to the same targets. It does not depend on the method.
 * @param callee canonical address of the user of ours that the Request-URI names, whose targets do not depend on how it is written
 */
export function loopMark(request: SipRequest, callee: string | undefined): string {
  const routes = request.headers.has('Route') ? request.headers.all('Route').join(',') : '';
  const target = callee === undefined ? request.uri : `${/^sips:/i.test(request.uri) ? 'sips ' : ''}${callee}`;
  return `.${hash('sha1', `${target}\n${routes}`, 'hex').slice(0, MARK_LENGTH)}`;
}

/** A branch of ours, or one that looks like it. */
const MARKED = /;\s*branch=[^;,\s]+\.[0-9a-f]{16}(?=[;,\s]|$)/i;

/**
 * RFC 5393 4.2.2: a request that has been here before with all that decides where it goes has looped; one that comes back changed is a
 * spiral, and goes on.
 * @param isLocal is the sent-by of a Via ours?
 * @returns whether it is a spiral
 * @throws SipError 482
 */
export function checkLoop(request: SipRequest, mark: string, isLocal: (host: string, port: number | undefined) => boolean): boolean {
  let isSpiral = false;
  for (const via of request.headers.list('Via')) {
    if (!MARKED.test(via)) continue;
    const sentBy = /^\S+\s+(\[[^\]]*\]|[^\s:;]+)(?:\s*:\s*(\d+))?/.exec(via.replace(/\s*\/\s*/g, '/'));
    if (sentBy === null) continue;
    const port = sentBy[2] === undefined ? undefined : Number(sentBy[2]);
    if (!isLocal((sentBy[1] ?? '').toLowerCase(), port)) continue;
    if (via.includes(mark)) throw new SipError(482, 'The request has been here before');
    isSpiral = true;
  }
  return isSpiral;
}

/** Into how many copies a request may be made. */
export interface Breadth {
  /** RFC 5393 5.3.3: that are under way at once. */
  readonly atOnce: number;
  /**
   * One after the other. RFC 5393 sets no bound to these, and users who are each other's contacts would make of one request as many as
   * there are orders of all of them. What we have made several of before is bounded in all.
   */
  readonly inAll: number;
}

/** @throws SipError 400, or 440 where not even one copy may be made */
export function incomingBreadth(request: SipRequest, isSpiral: boolean): Breadth {
  const field = request.headers.get('Max-Breadth');
  if (field === undefined) return { atOnce: MAX_BREADTH, inAll: isSpiral ? MAX_BREADTH : Number.POSITIVE_INFINITY };
  if (!/^\d{1,10}$/.test(field)) throw new SipError(400, 'Malformed Max-Breadth');
  const breadth = Math.min(Number(field), MAX_BREADTH);
  if (breadth === 0) throw new SipError(440);
  return { atOnce: breadth, inAll: isSpiral ? breadth : Number.POSITIVE_INFINITY };
}
