/** Communication barring (3GPP TS 24.611): whose calls and messages a user takes, and where the user's own may go. */
import { addressHost, canonicalAddress } from '../../schemas/address.ts';
import type { BarringRule } from '../../schemas/simservs.ts';
import { type Call, type CallService, callersOf, PROCEED, type Verdict } from '../core/call-service.ts';
import { ANONYMOUS } from '../core/identity.ts';
import { explainRule, matchingRules } from './call-conditions.ts';
import type { CallFacts } from './call-facts.ts';
import type { BarringRules, CallPolicy, Placed } from './call-policy.ts';
import type { ServedUsers } from './served-users.ts';

const BARRED_METHODS: ReadonlySet<string> = new Set(['INVITE', 'MESSAGE']);

export class CommunicationBarring implements CallService {
  readonly name = 'communication-barring';
  private readonly users: ServedUsers;

  constructor(users: ServedUsers) {
    this.users = users;
  }

  onRequest(call: Call): Verdict | Promise<Verdict> {
    if (!BARRED_METHODS.has(call.request.method)) return PROCEED;
    // What a user diverts is no call of the caller's own; whether it may go there was asked before it was diverted.
    const caller = call.diverted.length === 0 && this.users.isServed(call.caller) ? call.caller : undefined;
    return this.decide(call, caller, this.users.calleeOf(call));
  }

  /** Asked again once everything was loaded: it may have changed meanwhile. */
  private decide(call: Call, caller: string | undefined, callee: string | undefined): Verdict | Promise<Verdict> {
    const loading =
      (caller === undefined ? undefined : this.users.ready(caller)) ?? (callee === undefined ? undefined : this.users.ready(callee));
    return loading === undefined ? this.judge(call, caller, callee) : loading.then(() => this.decide(call, caller, callee));
  }

  /** The rule that keeps the user from calling the URI, explained; undefined when none does. The user's policy must be in memory. */
  bars(user: string, call: Call, uri: string): string | undefined {
    const policy = this.users.policy(user);
    if (policy === undefined || policy.outgoing.length === 0) return undefined;
    const facts = this.users.facts(call, user, uri);
    return barringRule(policy.outgoing, policy, facts, [canonicalAddress(uri)], true)?.because;
  }

  private judge(call: Call, caller: string | undefined, callee: string | undefined): Verdict {
    if (caller !== undefined) {
      const because = this.bars(caller, call, call.uri);
      // TS 24.611 4.5.2.4.2
      if (because !== undefined) return { kind: 'answer', status: 603, because };
    }
    const policy = callee === undefined ? undefined : this.users.policy(callee);
    if (callee === undefined || policy === undefined || policy.incoming.length === 0) return PROCEED;
    const facts = this.users.facts(call, callee);
    const barred = barringRule(policy.incoming, policy, facts, callersOf(call), this.users.isVerified(call));
    if (!barred) return PROCEED;
    // TS 24.611 4.5.2.6.2, RFC 5079: who hides may learn that showing themselves would help. All else is told to nobody.
    return { kind: 'answer', status: barred.rule && asksWhoIsAnonymous(barred.rule) ? 433 : 603, because: barred.because };
  }
}

interface Barred {
  readonly rule: Placed<BarringRule>;
  readonly because: string;
}

/** The first rule that bars, if a ruleset has one and none that allows (RFC 4745 10.2: of two booleans the greater counts). */
function barringRule(
  rulesets: readonly BarringRules[],
  { lists }: CallPolicy,
  facts: CallFacts,
  party: readonly string[],
  verified: boolean,
): Barred | undefined {
  for (const rules of rulesets) {
    const question = { facts, lists, events: [] };
    // RFC 4745 7.1: identities are proved ones. A name that nobody proved opens no door, and does not get past one that is shut.
    const known = matchingRules(rules, { ...question, party: verified ? party : undefined });
    if (known.some(({ allow }) => allow)) continue;
    let rule = known[0];
    for (const claimed of verified ? [] : party.flatMap(claims)) {
      rule ??= matchingRules(rules, { ...question, party: [claimed] }).find(({ allow }) => !allow);
    }
    if (rule) return { rule, because: `${explainRule(rule)}: barred` };
  }
  return undefined;
}

/** Who it may be that gives a name: its owner, somebody else of its domain, or anybody, so that no exception made for a name helps. */
function claims(party: string): readonly string[] {
  const host = addressHost(party);
  return host === undefined ? [party, ANONYMOUS] : [party, `sip:${host}`, ANONYMOUS];
}

function asksWhoIsAnonymous({ conditions }: BarringRule): boolean {
  return conditions.some((condition) => condition.kind === 'fact' && condition.fact === 'anonymous');
}
