/** A user's telephony services (3GPP TS 24.623): communication diversion (TS 24.604) and barring (TS 24.611) as typed rules. */
import { COMMON_POLICY, type Condition, parseRules, type Rule } from './common-policy.ts';
import { XmlError } from './xml/parse.ts';
import { attribute, child, textContent, type XmlDocument, type XmlElement } from './xml/tree.ts';

export const SIMSERVS = 'http://uri.etsi.org/ngn/params/xml/simservs/xcap';

/** What becomes of a call while it is set up, as conditions name it. */
export const CALL_EVENTS = ['busy', 'no-answer', 'not-reachable', 'not-registered'] as const;
export type CallEvent = (typeof CALL_EVENTS)[number];

/** Conditions that are only names. */
const FACTS = ['rule-deactivated', 'anonymous', 'communication-diverted', 'roaming', 'international', 'international-exHC'] as const;
export type CallFact = (typeof FACTS)[number];

export type CallCondition =
  | Condition
  | { readonly kind: 'event'; readonly event: CallEvent }
  | { readonly kind: 'fact'; readonly fact: CallFact }
  /** An activity of the served user's presence (RFC 4480 3.2), in lower case. */
  | { readonly kind: 'presence-status'; readonly value: string }
  /** A media type of the SDP that is offered, in lower case: `audio`, `video`. */
  | { readonly kind: 'media'; readonly value: string };

export interface CallRule {
  readonly id: string;
  /** All must hold. */
  readonly conditions: readonly CallCondition[];
}

export interface DiversionRule extends CallRule {
  readonly forwardTo: ForwardTo;
}

/** Where a call goes, and who learns of it (TS 24.604 4.9.1.4). */
export interface ForwardTo {
  /** URI as written. */
  readonly target: string;
  readonly notifyCaller: boolean;
  /** May the caller learn where the call went? */
  readonly revealTargetToCaller: boolean;
  /** May the caller learn who diverted it? */
  readonly revealServedUserToCaller: boolean;
  /** May the target learn who diverted it? */
  readonly revealServedUserToTarget: boolean;
  readonly notifyServedUser: boolean;
}

export interface BarringRule extends CallRule {
  readonly allow: boolean;
}

export interface CallService<R> {
  readonly active: boolean;
  /** In document order. */
  readonly rules: readonly R[];
}

/** The services of one document; undefined where it does not name one. */
export interface Simservs {
  readonly diversion: CallService<DiversionRule> | undefined;
  /** Seconds until a call counts as not answered. */
  readonly noReplyTimer: number | undefined;
  readonly incomingBarring: CallService<BarringRule> | undefined;
  readonly outgoingBarring: CallService<BarringRule> | undefined;
  /** What the operator sets for the user. */
  readonly operatorIncomingBarring: CallService<BarringRule> | undefined;
  readonly operatorOutgoingBarring: CallService<BarringRule> | undefined;
  readonly waiting: { readonly active: boolean } | undefined;
}

/**
 * Reads a document. Meant for those that passed the schema; of any other it reads what it can. Rules without an action that is understood
 * are left out. Throws XmlError if the root is not `<simservs>`.
 */
export function parseSimservs({ root }: XmlDocument): Simservs {
  if (root.local !== 'simservs' || root.uri !== SIMSERVS) {
    throw new XmlError(`the root element is {${root.uri}}${root.local}, not {${SIMSERVS}}simservs`);
  }
  const service = <R>(name: string, parseAction: (rule: Rule<CallCondition>) => R | undefined): CallService<R & CallRule> | undefined => {
    const element = child(root, SIMSERVS, name);
    return element && { active: isActive(element), rules: rulesOf(element, parseAction) };
  };
  const waiting = child(root, SIMSERVS, 'communication-waiting');
  return {
    diversion: service('communication-diversion', parseForwardTo),
    noReplyTimer: parseTimer(root),
    incomingBarring: service('incoming-communication-barring', parseAllow),
    outgoingBarring: service('outgoing-communication-barring', parseAllow),
    operatorIncomingBarring: service('operator-incoming-communication-barring', parseAllow),
    operatorOutgoingBarring: service('operator-outgoing-communication-barring', parseAllow),
    waiting: waiting && { active: isActive(waiting) },
  };
}

/** A service that is there is active unless it says otherwise. */
function isActive(service: XmlElement): boolean {
  const active = attribute(service, 'active')?.trim();
  return active !== 'false' && active !== '0';
}

function rulesOf<R>(service: XmlElement, parseAction: (rule: Rule<CallCondition>) => R | undefined): (R & CallRule)[] {
  const ruleset = child(service, COMMON_POLICY, 'ruleset');
  if (!ruleset) return [];
  return parseRules<CallCondition>(ruleset, parseCallCondition).flatMap((rule) => {
    const action = parseAction(rule);
    return action === undefined ? [] : [{ id: rule.id, conditions: rule.conditions, ...action }];
  });
}

function parseCallCondition(element: XmlElement): CallCondition | undefined {
  const { uri, local } = element;
  if (uri !== SIMSERVS) return undefined;
  const event = CALL_EVENTS.find((name) => name === local);
  if (event) return { kind: 'event', event };
  const fact = FACTS.find((name) => name === local);
  if (fact) return { kind: 'fact', fact };
  if (local === 'presence-status' || local === 'media') return { kind: local, value: textContent(element).trim().toLowerCase() };
  return undefined;
}

function parseTimer(root: XmlElement): number | undefined {
  const service = child(root, SIMSERVS, 'communication-diversion');
  const timer = service && child(service, SIMSERVS, 'NoReplyTimer');
  const seconds = timer && /^\s*\+?0*(\d{1,3})\s*$/.exec(textContent(timer))?.[1];
  return seconds === undefined || Number(seconds) === 0 ? undefined : Number(seconds);
}

function parseForwardTo({ actions }: Rule<CallCondition>): { readonly forwardTo: ForwardTo } | undefined {
  const element = actions.find(({ uri, local }) => uri === SIMSERVS && local === 'forward-to');
  const target = element && textOf(element, 'target');
  if (!element || !target) return undefined;
  // TS 24.604 4.9.2: what is left out is revealed, and the caller is told.
  return {
    forwardTo: {
      target,
      notifyCaller: isTrue(element, 'notify-caller', true),
      revealTargetToCaller: isTrue(element, 'reveal-identity-to-caller', true),
      revealServedUserToCaller: isTrue(element, 'reveal-served-user-identity-to-caller', true),
      revealServedUserToTarget: isTrue(element, 'reveal-identity-to-target', true),
      notifyServedUser: isTrue(element, 'notify-served-user', false),
    },
  };
}

function parseAllow({ actions }: Rule<CallCondition>): { readonly allow: boolean } | undefined {
  const element = actions.find(({ uri, local }) => uri === SIMSERVS && local === 'allow');
  if (!element) return undefined;
  const value = textContent(element).trim();
  return { allow: value === 'true' || value === '1' };
}

function textOf(parent: XmlElement, local: string): string | undefined {
  const element = child(parent, SIMSERVS, local);
  return element && textContent(element).trim();
}

/** `not-reveal-GRUU` hides only which device it is, and devices are never told here. */
function isTrue(parent: XmlElement, local: string, otherwise: boolean): boolean {
  const value = textOf(parent, local);
  return value === undefined ? otherwise : value === 'true' || value === '1' || value === 'not-reveal-GRUU';
}
