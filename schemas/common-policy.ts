/** Common policy rulesets (RFC 4745): rules as typed conditions, with actions and transformations left to the usage. */
import { canonicalAddress } from './address.ts';
import { parseDateTime } from './date-time.ts';
import { canonicalDomain } from './domain.ts';
import { XmlError } from './xml/parse.ts';
import { attribute, childrenNamed, textContent, type XmlDocument, type XmlElement } from './xml/tree.ts';

export const COMMON_POLICY = 'urn:ietf:params:xml:ns:common-policy';
/** The conditions that OMA XDM adds. */
export const OMA_COMMON_POLICY = 'urn:oma:xml:xdm:common-policy';
export const COMMON_POLICY_TYPE = 'application/auth-policy+xml';

export interface Ruleset {
  /** In document order. */
  readonly rules: readonly Rule[];
}

/** `C`: the conditions of common policy, and those that the usage adds. */
export interface Rule<C = Condition> {
  readonly id: string;
  /** All must hold (RFC 4745 10.1); none at all: the rule applies to everyone, authenticated or not (7.1.1). */
  readonly conditions: readonly (C | Condition)[];
  /** The children of `<actions>`. */
  readonly actions: readonly XmlElement[];
  /** The children of `<transformations>`. */
  readonly transformations: readonly XmlElement[];
}

export type Condition =
  | IdentityCondition
  | SphereCondition
  | ValidityCondition
  | OtherIdentityCondition
  | ExternalListCondition
  | AnonymousRequestCondition
  | UnknownCondition;

/** Holds if any member matches the authenticated identity (RFC 4745 7.1.1). Without members only an unauthenticated requester matches (RFC 5025 3.1.1.2). */
export interface IdentityCondition {
  readonly kind: 'identity';
  readonly members: readonly IdentityMember[];
}

export type IdentityMember = OneIdentity | ManyIdentities | UnknownIdentity;

export interface OneIdentity {
  readonly kind: 'one';
  /** As written. */
  readonly id: string;
  /** As `canonicalAddress` gives it: the form to compare. */
  readonly canonical: string;
}

export interface ManyIdentities {
  readonly kind: 'many';
  /** As `canonicalDomain` gives it; absent: an authenticated identity of any domain. */
  readonly domain?: string;
  /** Who is left out; one match suffices (RFC 4745 7.1.3.2). */
  readonly except: readonly Exception[];
}

/** Holds either of the two. */
export interface Exception {
  /** Canonical address. */
  readonly id?: string;
  /** As `canonicalDomain` gives it. */
  readonly domain?: string;
}

/** A member that is not understood: it never matches (RFC 4745 7.1.1). */
export interface UnknownIdentity {
  readonly kind: 'unknown';
  readonly name: string;
  readonly namespace: string;
}

export interface SphereCondition {
  readonly kind: 'sphere';
  /** As written. */
  readonly value: string;
  /** The tokens in lower case; one of them must be the presentity's sphere, compared without regard to case (RFC 4745 7.3). */
  readonly tokens: readonly string[];
}

export interface ValidityCondition {
  readonly kind: 'validity';
  /** Holds at a time t if `from <= t < until` for one of them (RFC 4745 7.4). Milliseconds since the epoch. */
  readonly intervals: readonly ValidityInterval[];
}

export interface ValidityInterval {
  readonly from: number;
  readonly until: number;
}

/** Holds for those whom no other rule names (OMA XDM Core). */
export interface OtherIdentityCondition {
  readonly kind: 'other-identity';
}

/** Holds for the members of the lists, each named by its XCAP URI (OMA XDM Core). */
export interface ExternalListCondition {
  readonly kind: 'external-list';
  /** As written. */
  readonly anchors: readonly string[];
}

/** Holds for those who do not say who they are (OMA XDM Core). */
export interface AnonymousRequestCondition {
  readonly kind: 'anonymous-request';
}

/** A condition not understood: its rule matches nobody (RFC 4745 7, 10.1). */
export interface UnknownCondition {
  readonly kind: 'unknown';
  readonly name: string;
  readonly namespace: string;
}

/**
 * Reads a ruleset. Meant for documents that passed the schema; of any other it reads what it can so that nothing matches which
 * the schema would not let match. Throws XmlError if the root is not `<ruleset>`.
 */
export function parseRuleset(document: XmlDocument): Ruleset {
  return { rules: [...rulesOf(document)] };
}

/** As `parseRuleset`, one rule after the other. */
export function* rulesOf({ root }: XmlDocument): Generator<Rule, void> {
  if (root.local !== 'ruleset' || root.uri !== COMMON_POLICY) {
    throw new XmlError(`the root element is {${root.uri}}${root.local}, not {${COMMON_POLICY}}ruleset`);
  }
  for (const element of childrenNamed(root, COMMON_POLICY, 'rule')) yield parseRule(element);
}

/** The rules of a `<ruleset>` that stands in another document. `extension` reads the conditions that its usage adds, undefined for others. */
export function parseRules<C = Condition>(ruleset: XmlElement, extension?: (condition: XmlElement) => C | undefined): Rule<C>[] {
  return childrenNamed(ruleset, COMMON_POLICY, 'rule').map((element) => parseRule(element, extension));
}

function parseRule<C = Condition>(element: XmlElement, extension?: (condition: XmlElement) => C | undefined): Rule<C> {
  return {
    id: attribute(element, 'id') ?? '',
    conditions: grandchildren(element, 'conditions').map((condition) => extension?.(condition) ?? parseCondition(condition)),
    actions: grandchildren(element, 'actions'),
    transformations: grandchildren(element, 'transformations'),
  };
}

function grandchildren(rule: XmlElement, local: string): XmlElement[] {
  return childrenNamed(rule, COMMON_POLICY, local).flatMap((part) => part.elements);
}

function parseCondition(element: XmlElement): Condition {
  if (element.uri === COMMON_POLICY) {
    if (element.local === 'identity') return { kind: 'identity', members: element.elements.map(parseMember) };
    if (element.local === 'validity') return { kind: 'validity', intervals: parseIntervals(element) };
    if (element.local === 'sphere') {
      const value = attribute(element, 'value') ?? '';
      return { kind: 'sphere', value, tokens: value.toLowerCase().split(/\s+/).filter(Boolean) };
    }
  }
  if (element.uri === OMA_COMMON_POLICY) {
    if (element.local === 'other-identity') return { kind: 'other-identity' };
    if (element.local === 'anonymous-request') return { kind: 'anonymous-request' };
    if (element.local === 'external-list') {
      const anchors = childrenNamed(element, OMA_COMMON_POLICY, 'entry').map((entry) => attribute(entry, 'anc') ?? '');
      return { kind: 'external-list', anchors };
    }
  }
  return { kind: 'unknown', name: element.local, namespace: element.uri };
}

function parseMember(element: XmlElement): IdentityMember {
  if (element.uri === COMMON_POLICY) {
    if (element.local === 'many') return parseMany(element);
    const id = attribute(element, 'id');
    // RFC 4745 13 lets an extension's element stand in <one>: what it means is unknown, so the member does not match.
    if (element.local === 'one' && id && element.elements.length === 0) {
      return { kind: 'one', id, canonical: canonicalAddress(id) };
    }
  }
  return { kind: 'unknown', name: element.local, namespace: element.uri };
}

function parseMany(element: XmlElement): IdentityMember {
  const unknown: UnknownIdentity = { kind: 'unknown', name: element.local, namespace: element.uri };
  const written = attribute(element, 'domain');
  const domain = written === undefined ? undefined : canonicalDomain(written);
  // RFC 4745 7.1.3: a domain that has no ASCII form equals no other.
  if (written !== undefined && domain === undefined) return unknown;
  const except: Exception[] = [];
  for (const e of element.elements) {
    // An extension here may leave out more people than we know of: better that nobody matches.
    if (e.uri !== COMMON_POLICY || e.local !== 'except') return unknown;
    const id = attribute(e, 'id');
    const left = attribute(e, 'domain');
    const leftOut = left === undefined ? undefined : canonicalDomain(left);
    if (left !== undefined && leftOut === undefined) return unknown;
    if (id !== undefined) except.push({ id: canonicalAddress(id) });
    if (leftOut !== undefined) except.push({ domain: leftOut });
  }
  return domain === undefined ? { kind: 'many', except } : { kind: 'many', domain, except };
}

/** RFC 4745 7.4: `<from>` and `<until>` come in pairs. A pair without a readable time holds at no time. */
function parseIntervals(validity: XmlElement): ValidityInterval[] {
  const intervals: ValidityInterval[] = [];
  let from: number | undefined;
  for (const e of validity.elements) {
    if (e.uri !== COMMON_POLICY) continue;
    if (e.local === 'from') from = parseDateTime(textContent(e));
    else if (e.local === 'until') {
      const until = parseDateTime(textContent(e));
      if (from !== undefined && until !== undefined) intervals.push({ from, until });
      from = undefined;
    }
  }
  return intervals;
}
