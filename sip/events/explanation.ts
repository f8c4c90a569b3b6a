/** Why a watcher may see what it sees: for admins who ask. */
import type { SubHandling } from '../../schemas/pres-rules.ts';

export interface Explanation {
  /** The documents that were asked, each `<AUID>/users/<XUI>/<name>`. */
  readonly documents: readonly string[];
  /** Documents and lists that should have been asked, but cannot be read. */
  readonly unread: readonly string[];
  /** Rules that hold first, then those that do not; of very many the first. */
  readonly rules: readonly RuleVerdict[];
  /** Rules that are not told. */
  readonly omitted: number;
  /** What a rule may ask about the presentity. */
  readonly sphere: string | undefined;
  /** What all that hold grant together, in words; nothing where the handling lets nothing be seen. */
  readonly grants: readonly string[];
}

export interface RuleVerdict {
  readonly document: string;
  readonly id: string;
  readonly holds: boolean;
  readonly conditions: readonly ConditionVerdict[];
  /** Absent: the rule says nothing of it. */
  readonly handling: SubHandling | undefined;
  readonly grants: readonly string[];
}

export interface ConditionVerdict {
  readonly condition: string;
  readonly holds: boolean;
  /** Why it does not hold. */
  readonly because?: string;
}
