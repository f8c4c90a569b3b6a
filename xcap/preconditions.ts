import { XcapRefusal } from './errors.ts';

/** The conditions of a request (RFC 9110 13.1), as their header fields stand. */
export interface Conditions {
  readonly ifMatch: string | undefined;
  readonly ifNoneMatch: string | undefined;
  readonly ifModifiedSince: string | undefined;
  readonly ifUnmodifiedSince: string | undefined;
}

/** What of a stored document the conditions look at. */
export interface Version {
  /** Without quotes; strong. */
  readonly etag: string;
  /** Milliseconds since the epoch. */
  readonly modified: number;
}

/**
 * Whether a GET's condition says that the client has this version already (RFC 9110 13.2.2). Throws XcapRefusal 412 for an
 * If-Match or If-Unmodified-Since that does not hold.
 */
export function isNotModified(conditions: Conditions, version: Version): boolean {
  const { ifNoneMatch, ifModifiedSince } = conditions;
  checkMatch(conditions, version);
  if (ifNoneMatch !== undefined) return names(ifNoneMatch, version.etag, true);
  return ifModifiedSince !== undefined && seconds(version.modified) <= httpDate(ifModifiedSince);
}

/**
 * Checks the conditions of a PUT or DELETE against the document as it is (RFC 4825 8.2.6: one entity tag for all nodes of it),
 * undefined if there is none. Throws XcapRefusal 412.
 */
export function checkPreconditions(conditions: Conditions, version: Version | undefined): void {
  checkMatch(conditions, version);
  const { ifNoneMatch } = conditions;
  if (ifNoneMatch !== undefined && version && names(ifNoneMatch, version.etag, true)) {
    throw failed(`If-None-Match: the document exists with the entity tag "${version.etag}"`, version);
  }
}

function checkMatch({ ifMatch, ifUnmodifiedSince }: Conditions, version: Version | undefined): void {
  if (ifMatch !== undefined) {
    if (!version) throw failed('If-Match: there is no such document', version);
    if (!names(ifMatch, version.etag, false)) throw failed(`If-Match: the document's entity tag is now "${version.etag}"`, version);
  } else if (ifUnmodifiedSince !== undefined && version && seconds(version.modified) > httpDate(ifUnmodifiedSince)) {
    throw failed('If-Unmodified-Since: the document was modified later', version);
  }
}

/**
 * Whether a list of entity tags, or `*`, names the strong tag `etag`. Weak tags in the list are equal to it only in weak
 * comparison (RFC 9110 8.8.3.2). A tag without quotes, which some clients send, is taken as the tag it means.
 */
function names(list: string, etag: string, weak: boolean): boolean {
  const tags = /\s*(W\/)?(?:"([^"]*)"|([^\s",]+))\s*(?:,|$)|[^,]*(?:,|$)/gy;
  for (let match = tags.exec(list); match && match[0] !== ''; match = tags.exec(list)) {
    const [, isWeak, quoted, bare] = match;
    if (bare === '*') return true;
    if ((quoted ?? bare) === etag && (weak || isWeak === undefined)) return true;
  }
  return false;
}

const DAY = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)';
const MONTH = '(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)';
const TIME = '\\d\\d:\\d\\d:\\d\\d';
/** RFC 9110 5.6.7: the one form that is sent, and the two that there were before it; the last has no zone. */
const DATES = new RegExp(
  `^(?:${DAY}, \\d\\d ${MONTH} \\d{4} ${TIME} GMT|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, \\d\\d-${MONTH}-\\d\\d ${TIME} GMT|(${DAY} ${MONTH} [ \\d]\\d ${TIME} \\d{4}))$`,
);

/** In milliseconds since the epoch; NaN for what is no HTTP date, whose condition is no condition then (RFC 9110 13.1.3, 13.1.4). */
function httpDate(text: string): number {
  const found = DATES.exec(text);
  if (!found) return Number.NaN;
  return Date.parse(found[1] === undefined ? text : `${text} GMT`);
}

/** HTTP dates have whole seconds. */
function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000) * 1000;
}

function failed(reason: string, version: Version | undefined): XcapRefusal {
  return new XcapRefusal(412, reason, version ? { etag: `"${version.etag}"` } : {});
}
