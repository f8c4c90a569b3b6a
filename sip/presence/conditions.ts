/** Conditions of a rule (RFC 4745 7, 10.1): do they hold for this watcher, now? */

import { addressHost } from '../../schemas/address.ts';
import type { Condition, IdentityMember } from '../../schemas/common-policy.ts';

export interface Circumstances {
  /** Canonical address of the authenticated watcher. */
  readonly watcher: string;
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
export function conditionHolds(condition: Condition, { watcher, sphere, now, lists, named }: Circumstances): boolean {
  switch (condition.kind) {
    case 'identity':
      return condition.members.some((member) => identifies(member, watcher));
    case 'sphere':
      return sphere !== undefined && condition.tokens.includes(sphere.toLowerCase());
    case 'validity':
      return condition.intervals.some(({ from, until }) => from <= now && now < until);
    case 'other-identity':
      return !named;
    case 'external-list':
      return condition.anchors.some((anchor) => lists.get(anchor)?.has(watcher) ?? false);
    case 'unknown':
      // RFC 4745 10.1: what is not understood does not hold, so its rule grants nothing.
      return false;
  }
}

function identifies(member: IdentityMember, watcher: string): boolean {
  switch (member.kind) {
    case 'one':
      return member.canonical === watcher;
    case 'many': {
      const host = addressHost(watcher);
      if (member.domain !== undefined && member.domain !== host) return false;
      return !member.except.some((except) => (except.id !== undefined ? except.id === watcher : except.domain === host));
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

/** What a condition says, in words short enough for a log line. */
export function describeCondition(condition: Condition): string {
  switch (condition.kind) {
    case 'identity':
      return describeSome(condition.members, describeMember);
    case 'sphere':
      return `sphere ${condition.value.slice(0, LONGEST_DESCRIBED)}`;
    case 'validity':
      return describeSome(condition.intervals, ({ from, until }) => `from ${isoDate(from)} until ${isoDate(until)}`);
    case 'other-identity':
      return 'whoever no other rule names';
    case 'external-list':
      return describeLists(condition.anchors);
    case 'unknown':
      return `unknown condition ${condition.name}`;
  }
}

const DESCRIBED = 3;
/** Alternatives that a description has, and characters of each: there can be thousands. */
const MOST_DESCRIBED = 10;
const LONGEST_DESCRIBED = 100;

function describeSome<T>(items: readonly T[], describe: (item: T) => string): string {
  const some = items.slice(0, MOST_DESCRIBED).map((item) => describe(item).slice(0, LONGEST_DESCRIBED));
  return items.length > MOST_DESCRIBED ? `${some.join(' or ')} or ${items.length - MOST_DESCRIBED} more` : some.join(' or ');
}

function describeLists(anchors: readonly string[]): string {
  const named = anchors.slice(0, DESCRIBED).map((anchor) => anchor.slice(0, 300));
  const more = anchors.length > DESCRIBED ? ` and ${anchors.length - DESCRIBED} more lists` : '';
  return `members of ${named.join(', ')}${more}`;
}

function isoDate(moment: number): string {
  return Number.isFinite(moment) ? new Date(moment).toISOString() : String(moment);
}

function describeMember(member: IdentityMember): string {
  switch (member.kind) {
    case 'one':
      return member.id;
    case 'many': {
      const except = member.except.map((e) => e.id ?? e.domain ?? '').join(', ');
      return `anyone${member.domain === undefined ? '' : ` of ${member.domain}`}${except === '' ? '' : ` except ${except}`}`;
    }
    case 'unknown':
      return `unknown identity ${member.name}`;
  }
}
