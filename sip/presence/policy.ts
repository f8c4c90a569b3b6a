/**
 * Presence authorization (RFC 5025) from all of a presentity's rule documents: rules are compiled once per change and combined by RFC 4745 10.
 */
import { hash } from 'node:crypto';
import {
  ALL_PERMISSIONS,
  combinePermissions,
  combineSubHandling,
  NO_PERMISSIONS,
  type Permissions,
  PRES_RULES,
  type PresenceRule,
  permissionsKey,
  presenceRulesOf,
} from '../../schemas/pres-rules.ts';
import { doSteps, LARGE, type Steps, settled, turn } from '../../schemas/turns.ts';
import { AS_STORED, readXml, XmlError } from '../../schemas/xml/parse.ts';
import type { XmlDocument } from '../../schemas/xml/tree.ts';
import type { DocumentChange, DocumentStore, StoredDocument } from '../../xcap/document-store.ts';
import { ANONYMOUS } from '../core/identity.ts';
import { type Logger, silentLogger } from '../core/log.ts';
import type { Decision, SubHandling } from '../events/event-package.ts';
import type { Explanation } from '../events/explanation.ts';
import { type Circumstances, conditionsHold, describeCondition, namesWatcher, nextBoundary } from './conditions.ts';
import { withoutCrowds } from './crowded-validity.ts';
import { explainRules } from './explained-rules.ts';
import { FreshTrees } from './fresh-trees.ts';
import { PolicyCache } from './policy-cache.ts';
import { LIST_AUID, type ListMembers, referredLists } from './referred-lists.ts';
import { RuleIndex } from './rule-index.ts';
import { storedInTurns } from './stored-in-turns.ts';

export interface PresenceDecision extends Decision {
  readonly permissions: Permissions;
}

/** Which documents hold the rules: a user's policy is the union of all documents of these AUIDs (RFC 5025 9.7). */
export interface RuleSource {
  readonly auids: readonly string[];
  /** Namespace of the action `sub-handling` in them. */
  readonly actions: string;
}

export const PRESENCE_RULES: RuleSource = { auids: ['pres-rules', 'org.openmobilealliance.pres-rules'], actions: PRES_RULES };

export interface CompiledRule extends PresenceRule {
  /** Where it stands, for the explanation. */
  readonly document: string;
  /** Unique in the policy. */
  readonly index: number;
}

interface CompiledPolicy {
  /** Paths of the documents that the rules are from. */
  readonly documents: readonly string[];
  /** In order. */
  readonly all: readonly CompiledRule[];
  readonly rules: RuleIndex<CompiledRule>;
  /** The members of the lists that rules refer to, by the lists' URIs. */
  readonly lists: ReadonlyMap<string, ReadonlySet<string>>;
  /** Documents and lists that cannot be read: nobody knows what they say. */
  readonly unread: readonly string[];
  readonly decisions: Map<string, PresenceDecision>;
  /** When it was last decided by them, in milliseconds since the epoch: what was decided before a clock was set back holds no longer. */
  decidedAt: number;
  /** What rules that hold together come to, by their indexes: most watchers share a few such combinations. */
  readonly combinations: Map<string, PresenceDecision>;
  /** Members of the sets in all that is cached. */
  weight: number;
}

const DECISION_LIMIT = 10_000;
/** Members of sets that what is cached for one presentity may have together. */
const WEIGHT_LIMIT = 200_000;
/** Characters above which a key is kept as its digest. */
const LONG_KEY = 200;

export class PresencePolicy {
  private readonly policies: PolicyCache<CompiledPolicy>;
  private readonly defaultHandling: SubHandling;
  private readonly source: RuleSource;
  private readonly fresh = new FreshTrees();

  /** `defaultHandling` applies to watchers that no rule decides about. */
  constructor(
    documents: DocumentStore,
    defaultHandling: SubHandling,
    membersOf: ListMembers = () => [],
    source = PRESENCE_RULES,
    log: Logger = silentLogger,
  ) {
    this.defaultHandling = defaultHandling;
    this.source = source;
    this.policies = new PolicyCache((presentity) => doSteps(compile(presentity, { documents, source, membersOf, fresh: this.fresh, log })));
  }

  /** Loads and compiles the presentity's rules; undefined when they are in memory. */
  ready(presentity: string): Promise<void> | undefined {
    return this.policies.ready(presentity);
  }

  /** The presentity whose policy the change belongs to, which is forgotten until it is asked for again; undefined for other documents. */
  changed({ key, newEtag, tree }: DocumentChange): string | undefined {
    if (key.xui === undefined) return undefined;
    const isRules = this.source.auids.includes(key.auid);
    if (!isRules && !this.isReferred(key.auid, key.xui)) return undefined;
    if (isRules && newEtag !== undefined && tree) this.fresh.keep(newEtag, tree);
    this.policies.forget(key.xui);
    return key.xui;
  }

  /** Whether rules may depend on the user's documents of the AUID as lists. */
  private isReferred(auid: string, user: string): boolean {
    if (auid !== LIST_AUID) return false;
    const policy = this.policies.get(user);
    return !policy || policy.lists.size > 0;
  }

  /**
   * Must only be called once `ready` has said that the rules are in memory.
   * @param aliases what else is asserted to be the watcher (RFC 5025 3.1.1.2), as canonical addresses
   */
  decide(presentity: string, watcher: string, sphere: string | undefined, now: number, aliases = NONE): PresenceDecision {
    if (watcher === presentity) return OWN_PRESENCE;
    const policy = this.policyOf(presentity);
    const all = aliases.length === 0 ? watcher : shortened([watcher, ...aliases].join(' '));
    const key = sphere === undefined ? all : `${all} ${sphere}`;
    if (now < policy.decidedAt) policy.decisions.clear();
    policy.decidedAt = now;
    const cached = policy.decisions.get(key);
    if (cached && (cached.validUntil === undefined || now < cached.validUntil)) return cached;
    const decision = this.evaluate(policy, [watcher, ...aliases], sphere, now);
    makeRoom(policy);
    policy.decisions.set(key, decision);
    return decision;
  }

  /** Why `decide` decides as it does. Must only be called once `ready` has said that the rules are in memory. */
  explain(presentity: string, watcher: string, sphere: string | undefined, now: number, aliases = NONE): Explanation {
    const { documents, all, lists, rules, unread } = this.policyOf(presentity);
    const { permissions } = this.decide(presentity, watcher, sphere, now, aliases);
    // Their own presence is decided about without any rule.
    if (watcher === presentity) return explainRules({ documents: [], unread: [], rules: [], sphere, permissions }, undefined);
    const circumstances = circumstancesOf({ lists, rules, unread }, [watcher, ...aliases], sphere, now);
    return explainRules({ documents, unread, rules: all, sphere, permissions }, circumstances);
  }

  private policyOf(presentity: string): CompiledPolicy {
    const policy = this.policies.get(presentity);
    if (!policy) throw new Error(`the presence rules of ${presentity} are not in memory`);
    return policy;
  }

  private evaluate(policy: CompiledPolicy, watchers: readonly string[], sphere: string | undefined, now: number): PresenceDecision {
    const matching: CompiledRule[] = [];
    let validUntil: number | undefined;
    const circumstances = circumstancesOf(policy, watchers, sphere, now);
    for (const some of policy.rules.candidatesOfAny(watchers)) {
      for (const rule of some) {
        if (conditionsHold(rule.conditions, circumstances)) matching.push(rule);
        const boundary = nextBoundary(rule.conditions, now);
        if (boundary !== undefined && (validUntil === undefined || boundary < validUntil)) validUntil = boundary;
      }
    }
    const until = validUntil === undefined ? {} : { validUntil };
    if (matching.length === 0) return this.byDefault(policy, until);
    const combination = shortened(matching.map(({ index }) => index).join());
    let combined = policy.combinations.get(combination);
    if (!combined) {
      // RFC 5025 3.2.1: rules that match but say nothing of handling block.
      const handling = combineSubHandling(matching.map((rule) => rule.subHandling)) ?? 'block';
      const [only] = matching;
      const permissions = matching.length === 1 && only ? only.permissions : combinePermissions(matching.map((rule) => rule.permissions));
      combined = decision(handling, permissions, explainAll(matching), {});
      policy.weight += weightOf(combined.permissions);
      makeRoom(policy);
      policy.combinations.set(combination, combined);
    }
    return validUntil === undefined ? combined : { ...combined, validUntil };
  }

  /** Where rules are not known, one of them may decide otherwise: nobody is let in on that. */
  private byDefault({ unread }: CompiledPolicy, until: { validUntil?: number }): PresenceDecision {
    const { defaultHandling } = this;
    if (unread.length > 0 && defaultHandling === 'allow') {
      return decision(
        'confirm',
        NO_PERMISSIONS,
        `${unread.slice(0, MOST_EXPLAINED).join(', ')} cannot be read, and no other rule matches`,
        until,
      );
    }
    const permissions = defaultHandling === 'allow' ? ALL_PERMISSIONS : NO_PERMISSIONS;
    return decision(defaultHandling, permissions, `default decision ${defaultHandling}: no rule matches`, until);
  }
}

/** What a policy is compiled from. */
interface Materials {
  readonly documents: DocumentStore;
  readonly source: RuleSource;
  readonly membersOf: ListMembers;
  readonly fresh: FreshTrees;
  readonly log: Logger;
}

/** At once where all is in memory and short, as it is when one's rules have just been stored. */
function* compile(presentity: string, { documents, source, membersOf, fresh, log }: Materials): Steps<CompiledPolicy> {
  const paths: string[] = [];
  const read: CompiledRule[] = [];
  const unread: string[] = [];
  for (const auid of source.auids) {
    yield* storedInTurns(documents, auid, presentity, function* (document) {
      const path = pathOf(document);
      paths.push(path);
      try {
        yield* readRules(document, fresh.of(document), source, (rule) => read.push({ ...rule, index: read.length }));
      } catch (error) {
        if (!(error instanceof XmlError)) throw error;
        // No client could have stored it: what came into the database otherwise grants nothing, and must not make requests fail.
        log.warn({ document: path, err: error }, 'rules that cannot be read');
        unread.push(path);
      }
    });
  }
  const rules = yield* withoutCrowds(read);
  const { lists, unread: unreadLists } = yield* referredLists(rules, presentity, membersOf);
  unread.push(...unreadLists);
  const index = new RuleIndex<CompiledRule>();
  for (const piece of piecesOf(rules)) {
    if (index.size > 0) yield turn();
    index.add(piece);
  }
  return {
    documents: paths,
    all: rules,
    rules: index,
    lists,
    unread,
    decisions: new Map(),
    decidedAt: 0,
    combinations: new Map(),
    weight: 0,
  };
}

const NONE: readonly string[] = [];

function circumstancesOf(
  { lists, rules, unread }: Pick<CompiledPolicy, 'lists' | 'rules' | 'unread'>,
  watchers: readonly string[],
  sphere: string | undefined,
  now: number,
): Circumstances {
  // RFC 5025 3.1.1.2: who gives no name is nobody that a rule could name.
  const unnamed = { watchers, authenticated: !watchers.includes(ANONYMOUS), sphere, now, lists };
  const names = (rule: CompiledRule): boolean => namesWatcher(rule.conditions, unnamed);
  // What cannot be read may name anybody.
  const named = rules.others && (unread.length > 0 || rules.candidatesOfAny(watchers).some((some) => some.some(names)));
  return { ...unnamed, named };
}

/** What is dropped is decided anew. */
function makeRoom(policy: CompiledPolicy): void {
  const { decisions, combinations } = policy;
  if (decisions.size < DECISION_LIMIT && combinations.size < DECISION_LIMIT && policy.weight < WEIGHT_LIMIT) return;
  decisions.clear();
  combinations.clear();
  policy.weight = 0;
}

function weightOf({ provideDevices, providePersons, provideServices, provideUnknownAttributes }: Permissions): number {
  return [provideDevices, providePersons, provideServices, provideUnknownAttributes].reduce((sum, set) => sum + set.length, 0);
}

/** The same for the same text, and never long. */
function shortened(key: string): string {
  return key.length <= LONG_KEY ? key : hash('sha256', key, 'base64url');
}

function decision(handling: SubHandling, permissions: Permissions, because: string, until: { validUntil?: number }): PresenceDecision {
  // Who is not allowed sees nothing, whatever else the rules grant.
  const effective = handling === 'allow' ? permissions : NO_PERMISSIONS;
  return { handling, permissions: effective, view: shortened(`${handling} ${permissionsKey(effective)}`), because, ...until };
}

const OWN_PRESENCE: PresenceDecision = decision('allow', ALL_PERMISSIONS, 'their own presence', {});

/** Rules that an explanation has: it goes into the log with every decision, and thousands of rules can match. */
const MOST_EXPLAINED = 10;
const LONGEST_ID = 100;

function explainAll(rules: readonly CompiledRule[]): string {
  const explained = rules.slice(0, MOST_EXPLAINED).map((rule) => explain(rule));
  return rules.length > MOST_EXPLAINED ? `${explained.join('; ')}; and ${rules.length - MOST_EXPLAINED} more` : explained.join('; ');
}

function explain(rule: CompiledRule): string {
  const conditions = rule.conditions.slice(0, MOST_EXPLAINED).map(describeCondition).join(' and ');
  return `${rule.document} rule ${rule.id.slice(0, LONGEST_ID)}${conditions === '' ? '' : ` (${conditions})`}: ${rule.subHandling ?? 'no sub-handling'}`;
}

/** Rules that are worked on in one go. */
const PIECE = 200;

/** The limits of today are not those under which a document was stored; and a large one is read in turns. */
function* readRules(
  stored: StoredDocument,
  known: XmlDocument | undefined,
  source: RuleSource,
  take: (rule: Omit<CompiledRule, 'index'>) => void,
): Steps<void> {
  const document = pathOf(stored);
  const { text } = stored;
  const tree = known ?? (yield* settled(readXml(text, AS_STORED)));
  if (text.length > LARGE) yield turn();
  let read = 0;
  for (const rule of presenceRulesOf(tree, source.actions)) {
    take({ ...rule, document });
    if (++read % PIECE === 0) yield turn();
  }
}

function pathOf({ key: { auid, xui, name } }: StoredDocument): string {
  return `${auid}/users/${xui}/${name}`;
}

function* piecesOf<T>(items: readonly T[]): Generator<readonly T[], void> {
  for (let from = 0; from < items.length; from += PIECE) yield items.slice(from, from + PIECE);
}
