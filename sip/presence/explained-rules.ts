/** Says of each rule of a presentity whether it holds for a watcher, and of each condition why it does not. */
import type { Permissions, PresenceRule } from '../../schemas/pres-rules.ts';
import type { Explanation, RuleVerdict } from '../events/explanation.ts';
import { type Circumstances, conditionHolds, conditionsHold, describeCondition, whyNot } from './conditions.ts';
import { describePermissions } from './explained-permissions.ts';

/** Rules that are told. */
const TOLD = 100;
/** Conditions of one rule that are told. */
const TOLD_CONDITIONS = 20;

interface ExplainedRule extends PresenceRule {
  readonly document: string;
}

/** What a decision was made of. */
export interface Grounds {
  readonly documents: readonly string[];
  readonly unread: readonly string[];
  readonly rules: readonly ExplainedRule[];
  readonly sphere: string | undefined;
  /** What the decision comes to. */
  readonly permissions: Permissions;
}

/** Without circumstances there is nothing that a rule could hold in. */
export function explainRules(grounds: Grounds, circumstances: Circumstances | undefined): Explanation {
  const { documents, unread, rules, sphere, permissions } = grounds;
  const holding: ExplainedRule[] = [];
  const others: ExplainedRule[] = [];
  for (const rule of rules) (circumstances && conditionsHold(rule.conditions, circumstances) ? holding : others).push(rule);
  const told = [...holding, ...others].slice(0, TOLD);
  return {
    documents,
    unread,
    rules: circumstances ? told.map((rule) => verdict(rule, circumstances)) : [],
    omitted: rules.length - told.length,
    sphere,
    grants: describePermissions(permissions),
  };
}

function verdict({ document, id, conditions, subHandling, permissions }: ExplainedRule, circumstances: Circumstances): RuleVerdict {
  const verdicts = conditions.slice(0, TOLD_CONDITIONS).map((condition) => {
    const holds = conditionHolds(condition, circumstances);
    const told = { condition: `${condition.kind}: ${describeCondition(condition)}`, holds };
    return holds ? told : { ...told, because: whyNot(condition, circumstances) };
  });
  return {
    document,
    id,
    holds: conditionsHold(conditions, circumstances),
    conditions: verdicts,
    handling: subHandling,
    grants: describePermissions(permissions),
  };
}
