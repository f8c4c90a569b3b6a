/** Conditions of a rule (RFC 4745 7, 10.1): do they hold for this watcher, now? */

import { addressHost } from '../../schemas/address.ts';
import type { Condition, IdentityMember } from '../../schemas/common-policy.ts';

export interface Circumstances {
  /** Canonical addresses of the watcher: one, or all that were asserted of it (RFC 5025 3.1.1.2). */
  readonly watchers: readonly string[];
  /** Is it known that the watcher has these addresses? */
  readonly authenticated: boolean;
  /** The presentity's sphere, if it is known. */
  readonly sphere: string | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Canonical addresses of the members of the lists that rules refer to, by the lists' URIs. */
  readonly lists: ReadonlyMap<string, ReadonlySet<string>>;
  /** Whether a rule names the watcher (see `namesWatcher`). */
  readonly named: boolean;
}

/** All conditions of a rule must hold; a rule without any always applies. */
export function conditionsHold(conditions: readonly Condition[], circumstances: Circumstances): boolean {
  return conditions.every((condition) => conditionHolds(condition, circumstances));
}

/**
 * Whether the rule is one for this watcher by name, by domain or as a member of a list, be it that it applies now or not: who is named
 * is none of the others of OMA's `<other-identity>`.
 */
export function namesWatcher(conditions: readonly Condition[], circumstances: Omit<Circumstances, 'named'>): boolean {
  const naming = conditions.filter(({ kind }) => kind === 'identity' || kind === 'external-list');
  return naming.length > 0 && conditionsHold(naming, { ...circumstances, named: false });
}

/** Does a condition of common policy hold? */
export function conditionHolds(condition: Condition, { watchers, authenticated, sphere, now, lists, named }: Circumstances): boolean {
  switch (condition.kind) {
    case 'identity':
      // RFC 5025 3.1.1.2: an unauthenticated request matches an empty identity, and no other.
      if (!authenticated) return condition.members.length === 0;
      return condition.members.some((member) => identifies(member, watchers));
    case 'sphere':
      return sphere !== undefined && condition.tokens.includes(sphere.toLowerCase());
    case 'validity':
      return condition.intervals.some(({ from, until }) => from <= now && now < until);
    case 'other-identity':
      return !named && authenticated;
    case 'anonymous-request':
      return !authenticated;
    case 'external-list':
      return condition.anchors.some((anchor) => watchers.some((watcher) => lists.get(anchor)?.has(watcher) ?? false));
    case 'unknown':
      // RFC 4745 10.1: what is not understood does not hold, so its rule grants nothing.
      return false;
  }
}

/** RFC 5025 3.1.1.2: of several addresses each is compared, and one that matches an `<except>` leaves the watcher out. */
function identifies(member: IdentityMember, watchers: readonly string[]): boolean {
  switch (member.kind) {
    case 'one':
      return watchers.includes(member.canonical);
    case 'many': {
      if (member.domain !== undefined && !watchers.some((watcher) => addressHost(watcher) === member.domain)) return false;
      return !member.except.some((except) =>
        except.id !== undefined ? watchers.includes(except.id) : watchers.some((watcher) => addressHost(watcher) === except.domain),
      );
    }
    case 'unknown':
      return false;
  }
}

/** The next moment after `now` at which a validity condition begins or ceases to hold, or undefined. */
export function nextBoundary(conditions: readonly Condition[], now: number): number | undefined {
  let next: number | undefined;
  for (const condition of conditions) {
    if (condition.kind !== 'validity') continue;
    for (const { from, until } of condition.intervals) {
      for (const moment of [from, until]) if (moment > now && (next === undefined || moment < next)) next = moment;
    }
  }
  return next;
}

/** Why a condition does not hold, in the same words for every watcher. */
export function whyNot(condition: Condition, { watchers, authenticated, sphere, now, lists }: Circumstances): string {
  switch (condition.kind) {
    case 'identity':
      return !authenticated ? 'the watcher is not authenticated' : `the watcher is ${watchers.join(', ')}`;
    case 'sphere':
      return sphere === undefined
        ? 'the sphere is not known: nothing published says one, or not always the same'
        : `the sphere is ${sphere}`;
    case 'validity':
      return `it is ${isoDate(now)}`;
    case 'other-identity':
      return !authenticated ? 'the watcher is not authenticated' : 'another rule names the watcher';
    case 'external-list': {
      const empty = condition.anchors.every((anchor) => (lists.get(anchor)?.size ?? 0) === 0);
      return empty ? 'there is no such list of the presentity, or nobody in it' : 'the watcher is not a member';
    }
    case 'anonymous-request':
      return 'the watcher is authenticated';
    case 'unknown':
      return 'the condition is not understood';
  }
}

/** What a condition says, in words short enough for a log line. */
export function describeCondition(condition: Condition): string {
  switch (condition.kind) {
    case 'identity':
      return condition.members.length === 0 ? 'whoever is not authenticated' : describeSome(condition.members, describeMember);
    case 'sphere':
      return `sphere ${condition.value.slice(0, LONGEST_DESCRIBED)}`;
    case 'validity':
      return describeSome(condition.intervals, ({ from, until }) => `from ${isoDate(from)} until ${isoDate(until)}`);
    case 'other-identity':
      return 'whoever no other rule names';
    case 'external-list':
      return `members of ${describeSome(condition.anchors, (anchor) => anchor)}`;
    case 'anonymous-request':
      return 'whoever is not authenticated';
    case 'unknown':
      return `unknown condition ${condition.name}`;
  }
}

/** Alternatives that a description has, and characters of each: there can be thousands. */
const MOST_DESCRIBED = 10;
const LONGEST_DESCRIBED = 200;

function describeSome<T>(items: readonly T[], describe: (item: T) => string, between = ' or '): string {
  const some = items.slice(0, MOST_DESCRIBED).map((item) => describe(item).slice(0, LONGEST_DESCRIBED));
  return some.join(between) + (items.length > MOST_DESCRIBED ? `${between}${items.length - MOST_DESCRIBED} more` : '');
}

function isoDate(moment: number): string {
  return Number.isFinite(moment) ? new Date(moment).toISOString() : String(moment);
}

function describeMember(member: IdentityMember): string {
  switch (member.kind) {
    case 'one':
      return member.id;
    case 'many': {
      const except = describeSome(member.except, (e) => e.id ?? e.domain ?? '', ', ');
      return `anyone${member.domain === undefined ? '' : ` of ${member.domain}`}${except === '' ? '' : ` except ${except}`}`;
    }
    case 'unknown':
      return `unknown identity ${member.name}`;
  }
}
