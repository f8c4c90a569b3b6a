/** Do the conditions of a rule of a call service hold (RFC 4745 10.1, 3GPP TS 24.604 4.9.1.3)? */
import type { CallCondition, CallEvent, CallRule } from '../../schemas/simservs.ts';
import { type Circumstances, conditionHolds, describeCondition, namesWatcher } from '../presence/conditions.ts';
import type { RuleIndex } from '../presence/rule-index.ts';
import type { CallFacts } from './call-facts.ts';
import type { CallPolicy, Placed } from './call-policy.ts';

/** Whom identity conditions are about, by all of their addresses, or undefined where nobody knows: then none of them holds. */
export type Party = readonly string[] | undefined;

export interface RuleQuestion {
  readonly facts: CallFacts;
  readonly lists: CallPolicy['lists'];
  readonly party: Party;
  /** What has happened to the call; none when it comes in. */
  readonly events: readonly CallEvent[];
}

/** The rules that hold, in order. */
export function matchingRules<R extends Placed<CallRule>>(rules: RuleIndex<R>, question: RuleQuestion): readonly R[] {
  const { facts, lists, party, events } = question;
  const watchers = party ?? NOBODY;
  const candidates = rules.candidatesOfAny(watchers);
  const unnamed = { watchers, authenticated: true, now: facts.now, lists, sphere: undefined };
  const common = (rule: R) => rule.conditions.filter(isNaming);
  const named = rules.others && party !== undefined && candidates.some((some) => some.some((rule) => namesWatcher(common(rule), unnamed)));
  const circumstances = { ...unnamed, named };
  return inOrder(candidates, watchers.length === 1).filter(
    (rule) => asksAbout(rule, events) && rule.conditions.every((condition) => holds(condition, circumstances, question)),
  );
}

/**
 * At the start only rules that ask for no event can hold, after an event only those that ask for it (TS 24.604 4.9.1.2: the rules that
 * apply to that event).
 */
function asksAbout({ conditions }: CallRule, events: readonly CallEvent[]): boolean {
  return conditions.some(({ kind }) => kind === 'event') === events.length > 0;
}

function holds(condition: CallCondition, circumstances: Circumstances, { facts, events, party }: RuleQuestion): boolean {
  switch (condition.kind) {
    case 'event':
      return events.includes(condition.event);
    case 'fact':
      switch (condition.fact) {
        case 'anonymous':
          return facts.anonymous;
        case 'communication-diverted':
          return facts.diverted;
        case 'international':
        case 'international-exHC':
          return facts.international;
        case 'roaming':
        case 'rule-deactivated':
          // Where a user's network is nobody tells us, so nobody is seen to roam.
          return false;
      }
      break;
    case 'anonymous-request':
      return facts.anonymous;
    case 'presence-status':
      return facts.activities.includes(condition.value);
    case 'media':
      return facts.media.has(condition.value);
    case 'identity':
    case 'external-list':
      return party !== undefined && conditionHolds(condition, circumstances);
    case 'sphere':
      return conditionHolds(condition, { ...circumstances, sphere: facts.sphere });
    default:
      return conditionHolds(condition, circumstances);
  }
  return false;
}

type NamingCondition = Extract<CallCondition, { kind: 'identity' | 'external-list' }>;

function isNaming(condition: CallCondition): condition is NamingCondition {
  return condition.kind === 'identity' || condition.kind === 'external-list';
}

const NOBODY: readonly string[] = [''];

/** Two lists as one in order; the second is in order, and the first where it is `sorted`. */
function inOrder<R extends { readonly index: number }>(
  [named, general]: readonly [readonly R[], readonly R[]],
  sorted: boolean,
): readonly R[] {
  if (named.length === 0) return general;
  return sorted && general.length === 0 ? named : [...named, ...general].sort((a, b) => a.index - b.index);
}

/** Which rule it was, for the log: document, service, rule and conditions. */
export function explainRule({ place, id, conditions }: Placed<CallRule>): string {
  const told = conditions.map(describe).join(' and ');
  return `${place} rule ${id}${told === '' ? '' : ` (${told})`}`;
}

function describe(condition: CallCondition): string {
  switch (condition.kind) {
    case 'event':
      return condition.event;
    case 'fact':
      return condition.fact;
    case 'presence-status':
    case 'media':
      return `${condition.kind} ${condition.value}`;
    default:
      return describeCondition(condition);
  }
}
