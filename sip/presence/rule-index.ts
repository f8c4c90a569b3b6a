import type { CallCondition } from '../../schemas/simservs.ts';

interface ConditionalRule {
  readonly conditions: readonly CallCondition[];
}

/** Rules by the identities that they name one by one, so that a decision about one identity looks at few of thousands. */
export class RuleIndex<R extends ConditionalRule> {
  /** Rules that name identities one by one, by canonical address. */
  private readonly byIdentity = new Map<string, R[]>();
  /** All others; every decision looks at them. */
  private readonly general: R[] = [];
  /** Whether a rule is for whoever no other rule names. */
  others = false;
  size = 0;

  constructor(rules: readonly R[] = []) {
    this.add(rules);
  }

  /** Adds rules behind those there are: thousands can come in pieces. */
  add(rules: readonly R[]): void {
    this.size += rules.length;
    for (const rule of rules) {
      const identities = namedIdentities(rule);
      if (!identities) this.general.push(rule);
      else {
        for (const identity of identities) {
          const own = this.byIdentity.get(identity);
          if (own) own.push(rule);
          else this.byIdentity.set(identity, [rule]);
        }
      }
    }
    this.others ||= rules.some(({ conditions }) => conditions.some(({ kind }) => kind === 'other-identity'));
  }

  /** The rules that may hold for the identity: those that name it, and those that are for more than single identities; each in order. */
  candidates(identity: string): readonly [readonly R[], readonly R[]] {
    return [this.byIdentity.get(identity) ?? NONE, this.general];
  }

  /** The same for somebody with several identities (RFC 5025 3.1.1.2), those that name them in no order. */
  candidatesOfAny(identities: readonly string[]): readonly [readonly R[], readonly R[]] {
    const [identity = ''] = identities;
    if (identities.length === 1) return this.candidates(identity);
    return [[...new Set(identities.flatMap((each): readonly R[] => this.byIdentity.get(each) ?? NONE))], this.general];
  }
}

const NONE: readonly never[] = [];

/** The identities that the rule's first identity condition names, when it names each by itself. An empty one is for the unauthenticated. */
function namedIdentities(rule: ConditionalRule): Set<string> | undefined {
  for (const condition of rule.conditions) {
    if (condition.kind !== 'identity') continue;
    if (condition.members.length === 0) return undefined;
    const names = new Set<string>();
    for (const member of condition.members) {
      if (member.kind === 'many') return undefined;
      if (member.kind === 'one') names.add(member.canonical);
    }
    return names;
  }
  return undefined;
}
