/**
 * Bounds how often decisions change by themselves: each moment at which a rule begins or ceases to hold has every watcher of the presentity
 * judged anew, and a document can name thousands of moments within a second.
 */
import type { Condition, ValidityInterval } from '../../schemas/common-policy.ts';
import { type Steps, turn } from '../../schemas/turns.ts';

/** Intervals of one user's rules that are kept as they are written. */
const EXACT = 500;
/** What more of them are held to, in milliseconds. */
const MINUTE = 60_000;
/** Rules that are worked on in one go. */
const PIECE = 500;

/**
 * The rules with intervals that begin and end with whole minutes, where there are very many: within what was written, so that nothing is
 * granted for longer than the user said. One that has no whole minute holds at no time.
 */
export function* withoutCrowds<R extends { readonly conditions: readonly Condition[] }>(rules: readonly R[]): Steps<readonly R[]> {
  let intervals = 0;
  for (const { conditions } of rules) {
    for (const condition of conditions) if (condition.kind === 'validity') intervals += condition.intervals.length;
  }
  if (intervals <= EXACT) return rules;
  const held: R[] = [];
  for (const rule of rules) {
    if (held.length % PIECE === PIECE - 1) yield turn();
    held.push({ ...rule, conditions: rule.conditions.map(toMinutes) });
  }
  return held;
}

function toMinutes(condition: Condition): Condition {
  return condition.kind === 'validity' ? { kind: 'validity', intervals: condition.intervals.flatMap(wholeMinutes) } : condition;
}

function wholeMinutes({ from, until }: ValidityInterval): ValidityInterval[] {
  const whole = { from: Math.ceil(from / MINUTE) * MINUTE, until: Math.floor(until / MINUTE) * MINUTE };
  return whole.from < whole.until ? [whole] : [];
}
