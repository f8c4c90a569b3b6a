/** Communication diversion (3GPP TS 24.604): where calls go when their user says so, is busy, does not answer or cannot be reached. */
import { addressHost } from '../../schemas/address.ts';
import type { CallEvent } from '../../schemas/simservs.ts';
import {
  type Call,
  type CallFailure,
  type CallService,
  callersOf,
  type FailureCause,
  PROCEED,
  type Verdict,
} from '../core/call-service.ts';
import type { CommunicationBarring } from './barring.ts';
import { explainRule, matchingRules } from './call-conditions.ts';
import type { CallPolicy, PlacedDiversion } from './call-policy.ts';
import { addressesIn, type DiversionCause, diversionsIn, divertedRequest } from './diversion-history.ts';
import type { ServedUsers } from './served-users.ts';

/** What conditions hold after a failure. Who is not logged in cannot be reached either. */
const EVENTS: Readonly<Record<FailureCause, readonly CallEvent[]>> = {
  busy: ['busy'],
  'no-answer': ['no-answer'],
  'not-reachable': ['not-reachable'],
  'not-logged-in': ['not-registered', 'not-reachable'],
};

/** RFC 4458 5, TS 24.604 4.5.2.6.2 */
const CAUSES: Readonly<Record<CallEvent, DiversionCause>> = { busy: 486, 'no-answer': 408, 'not-reachable': 503, 'not-registered': 404 };
const UNCONDITIONAL: DiversionCause = 302;

export interface DiversionOptions {
  /** Seconds until a call counts as not answered, for users who have not set it. */
  readonly noReplyTimeout: number;
  /** Diversions of one call. */
  readonly maxDiversions: number;
  /** Calls of one user that are diverted to other domains and not answered yet. */
  readonly maxDivertedAbroad: number;
  /** Is the canonical address one of a domain of ours? */
  isAtHome(address: string): boolean;
}

export class CommunicationDiversion implements CallService {
  readonly name = 'communication-diversion';
  private readonly users: ServedUsers;
  private readonly barring: CommunicationBarring;
  private readonly options: DiversionOptions;
  /** By user: calls that anybody can make, and that we make to others in the user's name. */
  private readonly abroad = new Map<string, number>();

  constructor(users: ServedUsers, barring: CommunicationBarring, options: DiversionOptions) {
    this.users = users;
    this.barring = barring;
    this.options = options;
  }

  onRequest(call: Call): Verdict | Promise<Verdict> {
    return this.decide(call, undefined);
  }

  noReplyTimeout(call: Call): number | undefined {
    if (call.request.method !== 'INVITE') return undefined;
    const callee = this.users.calleeOf(call);
    if (callee === undefined) return undefined;
    const { noReplyTimeout } = this.options;
    // Changed since the call came in: what holds is found out when the time has run out.
    if (this.users.ready(callee)) return noReplyTimeout * 1000;
    const policy = this.users.policy(callee);
    if (!policy?.diversion || !this.choose(call, callee, policy, EVENTS['no-answer'])) return undefined;
    return (policy.noReplyTimer ?? noReplyTimeout) * 1000;
  }

  onFailure(call: Call, failure: CallFailure): Verdict | Promise<Verdict> {
    return this.decide(call, failure);
  }

  private decide(call: Call, failure: CallFailure | undefined): Verdict | Promise<Verdict> {
    const callee = call.request.method === 'INVITE' ? this.users.calleeOf(call) : undefined;
    if (callee === undefined) return PROCEED;
    const loading = this.users.ready(callee);
    // Asked again once everything was loaded: it may have changed meanwhile.
    return loading ? loading.then(() => this.decide(call, failure)) : this.divert(call, callee, failure);
  }

  private divert(call: Call, callee: string, failure: CallFailure | undefined): Verdict {
    const policy = this.users.policy(callee);
    const rule = policy && this.choose(call, callee, policy, failure ? EVENTS[failure.cause] : []);
    if (!rule) return PROCEED;
    const { address, uri: target } = rule.target;
    if (addressesIn(call).has(address)) return this.refuse(callee, failure, 'The call has been there before', rule);
    if (diversionsIn(call) >= this.options.maxDiversions) return this.refuse(callee, failure, 'Too many diversions', rule);
    if (!this.options.isAtHome(address) && !this.takeAbroad(call, callee))
      return this.refuse(callee, failure, 'Too many calls are diverted', rule);
    const { notifyCaller, revealServedUserToTarget: reveal } = rule.forwardTo;
    const event = rule.conditions.find((condition) => condition.kind === 'event')?.event;
    const cause = event === undefined ? UNCONDITIONAL : CAUSES[event];
    const status = failure?.cause === 'no-answer' ? 408 : failure?.status;
    return {
      kind: 'divert',
      targets: [divertedRequest(call, { target, cause, status, reveal })],
      announce: notifyCaller,
      because: `${explainRule(rule)}: diverted to ${target}`,
    };
  }

  /** Counts a call that goes to another domain; false when there are too many. */
  private takeAbroad(call: Call, callee: string): boolean {
    const held = this.abroad.get(callee) ?? 0;
    if (held >= this.options.maxDivertedAbroad) return false;
    if (call.onEnd === undefined) return true;
    this.abroad.set(callee, held + 1);
    call.onEnd(() => {
      const left = (this.abroad.get(callee) ?? 1) - 1;
      if (left === 0) this.abroad.delete(callee);
      else this.abroad.set(callee, left);
    });
    return true;
  }

  /** The first rule that holds and whose target the user may call (TS 24.604 4.9.1.2). One that leads back to the user never does. */
  private choose(call: Call, callee: string, policy: CallPolicy, events: readonly CallEvent[]): PlacedDiversion | undefined {
    if (!policy.diversion) return undefined;
    const facts = this.users.facts(call, callee);
    for (const rule of matchingRules(policy.diversion, { facts, lists: policy.lists, party: callersOf(call), events })) {
      if (rule.target.address !== callee && this.barring.bars(callee, call, rule.target.uri) === undefined) return rule;
    }
    return undefined;
  }

  /** TS 24.604 4.5.2.6.1: what has been diverted too often ends, and says why. */
  private refuse(callee: string, failure: CallFailure | undefined, why: string, rule: PlacedDiversion): Verdict {
    return {
      kind: 'answer',
      status: failure?.cause === 'busy' ? 486 : 480,
      headers: [['Warning', `399 ${addressHost(callee)} "${why}"`]],
      because: `${explainRule(rule)}: not diverted: ${why.toLowerCase()}`,
    };
  }
}
