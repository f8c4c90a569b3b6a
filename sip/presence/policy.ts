/**
 * Presence authorization (RFC 5025) from all of a presentity's rule documents: rules are compiled once per change and combined by RFC 4745 10.
 */
import { setImmediate } from 'node:timers/promises';
import {
  ALL_PERMISSIONS,
  combinePermissions,
  combineSubHandling,
  NO_PERMISSIONS,
  type Permissions,
  PRES_RULES,
  type PresenceRule,
  parsePresenceRules,
  permissionsKey,
} from '../../schemas/pres-rules.ts';
import { LARGE, turn } from '../../schemas/turns.ts';
import { AS_STORED, readXml } from '../../schemas/xml/parse.ts';
import type { DocumentChange, DocumentStore, MaybePromise, StoredDocument } from '../../xcap/document-store.ts';
import type { Decision, SubHandling } from '../events/event-package.ts';
import { conditionsHold, describeCondition, namesWatcher, nextBoundary } from './conditions.ts';

export interface PresenceDecision extends Decision {
  readonly permissions: Permissions;
}

/** Which documents hold the rules: a user's policy is the union of all documents of these AUIDs (RFC 5025 9.7). */
export interface RuleSource {
  readonly auids: readonly string[];
  /** Namespace of the action `sub-handling` in them. */
  readonly actions: string;
}

const PRESENCE_RULES: RuleSource = { auids: ['pres-rules', 'org.openmobilealliance.pres-rules'], actions: PRES_RULES };

/** Where the lists are that rules may refer to: their owner's own. */
const LIST_AUID = 'resource-lists';
/** Lists that the rules of one presentity may refer to; others have no members. */
const LIST_LIMIT = 50;

/** Canonical addresses of the members of the list with an XCAP URI, if it is one of the owner's. */
export type ListMembers = (uri: string, owner: string) => MaybePromise<Iterable<string>>;

interface CompiledRule extends PresenceRule {
  /** Where it stands, for the explanation. */
  readonly document: string;
  /** Unique in the policy. */
  readonly index: number;
}

interface CompiledPolicy {
  /** Rules that name their watchers one by one, by watcher. */
  readonly byWatcher: ReadonlyMap<string, readonly CompiledRule[]>;
  /** All others; every decision looks at them. */
  readonly general: readonly CompiledRule[];
  /** The members of the lists that rules refer to, by the lists' URIs. */
  readonly lists: ReadonlyMap<string, ReadonlySet<string>>;
  /** Whether a rule is for whoever no other rule names. */
  readonly others: boolean;
  readonly decisions: Map<string, CachedDecision>;
  /** What rules that hold together come to, by their indexes: most watchers share a few such combinations. */
  readonly combinations: Map<string, PresenceDecision>;
}

interface CachedDecision {
  readonly madeAt: number;
  readonly decision: PresenceDecision;
}

/** Presentities whose compiled rules are kept; the least recently compiled go first. */
const POLICY_LIMIT = 50_000;
const DECISION_LIMIT = 10_000;

export class PresencePolicy {
  private readonly policies = new Map<string, CompiledPolicy>();
  /** Raised for a presentity by every change of its rules, so that a load that was under way is not kept. */
  private readonly generations = new Map<string, number>();
  private readonly loading = new Map<string, Promise<void>>();
  private readonly documents: DocumentStore;
  private readonly defaultHandling: SubHandling;
  private readonly membersOf: ListMembers;
  private readonly source: RuleSource;

  /** `defaultHandling` applies to watchers that no rule decides about. */
  constructor(documents: DocumentStore, defaultHandling: SubHandling, membersOf: ListMembers = () => [], source = PRESENCE_RULES) {
    this.documents = documents;
    this.defaultHandling = defaultHandling;
    this.membersOf = membersOf;
    this.source = source;
  }

  /** Loads and compiles the presentity's rules; undefined when they are in memory. */
  ready(presentity: string): Promise<void> | undefined {
    if (this.policies.has(presentity)) return undefined;
    let loading = this.loading.get(presentity);
    if (!loading) {
      loading = this.load(presentity).finally(() => this.loading.delete(presentity));
      this.loading.set(presentity, loading);
    }
    return loading;
  }

  private async load(presentity: string): Promise<void> {
    for (;;) {
      const generation = this.generations.get(presentity);
      const documents: StoredDocument[] = [];
      for (const auid of this.source.auids) documents.push(...(await this.documents.list(auid, presentity)));
      const rules: CompiledRule[] = [];
      for (const document of documents) {
        for (const rule of await readRules(document, this.source)) rules.push({ ...rule, index: rules.length });
      }
      const lists = new Map<string, ReadonlySet<string>>();
      for (const uri of referredLists(rules)) {
        // A list can be as long as a document: nobody else waits for more than one.
        if (lists.size > 0) await setImmediate();
        lists.set(uri, new Set(await this.membersOf(uri, presentity)));
      }
      if (this.generations.get(presentity) !== generation) continue;
      this.generations.delete(presentity);
      if (this.policies.size >= POLICY_LIMIT) {
        const [oldest] = this.policies.keys();
        if (oldest !== undefined) this.policies.delete(oldest);
      }
      this.policies.set(presentity, compile(rules, lists));
      return;
    }
  }

  /** The presentity whose policy the change belongs to, which is forgotten until it is asked for again; undefined for other documents. */
  changed({ key }: DocumentChange): string | undefined {
    if (key.xui === undefined || !(this.source.auids.includes(key.auid) || this.isReferred(key.auid, key.xui))) return undefined;
    this.policies.delete(key.xui);
    if (this.loading.has(key.xui)) this.generations.set(key.xui, (this.generations.get(key.xui) ?? 0) + 1);
    return key.xui;
  }

  /** Whether rules may depend on the user's documents of the AUID as lists. */
  private isReferred(auid: string, user: string): boolean {
    if (auid !== LIST_AUID) return false;
    const policy = this.policies.get(user);
    return !policy || policy.lists.size > 0;
  }

  /** Must only be called once `ready` has said that the rules are in memory. */
  decide(presentity: string, watcher: string, sphere: string | undefined, now: number): PresenceDecision {
    if (watcher === presentity) return OWN_PRESENCE;
    const policy = this.policies.get(presentity);
    if (!policy) throw new Error(`the presence rules of ${presentity} are not in memory`);
    const key = sphere === undefined ? watcher : `${watcher} ${sphere}`;
    const cached = policy.decisions.get(key);
    if (cached && now >= cached.madeAt && (cached.decision.validUntil === undefined || now < cached.decision.validUntil)) {
      return cached.decision;
    }
    const decision = this.evaluate(policy, watcher, sphere, now);
    if (policy.decisions.size >= DECISION_LIMIT) policy.decisions.clear();
    policy.decisions.set(key, { madeAt: now, decision });
    return decision;
  }

  private evaluate(policy: CompiledPolicy, watcher: string, sphere: string | undefined, now: number): PresenceDecision {
    const matching: CompiledRule[] = [];
    let validUntil: number | undefined;
    const { lists, others } = policy;
    const candidates = [policy.byWatcher.get(watcher) ?? [], policy.general];
    const named =
      others && candidates.some((rules) => rules.some(({ conditions }) => namesWatcher(conditions, { watcher, sphere, now, lists })));
    for (const rules of candidates) {
      for (const rule of rules) {
        if (conditionsHold(rule.conditions, { watcher, sphere, now, lists, named })) matching.push(rule);
        const boundary = nextBoundary(rule.conditions, now);
        if (boundary !== undefined && (validUntil === undefined || boundary < validUntil)) validUntil = boundary;
      }
    }
    const until = validUntil === undefined ? {} : { validUntil };
    if (matching.length === 0) {
      const permissions = this.defaultHandling === 'allow' ? ALL_PERMISSIONS : NO_PERMISSIONS;
      return decision(this.defaultHandling, permissions, `default decision ${this.defaultHandling}: no rule matches`, until);
    }
    const combination = matching.map(({ index }) => index).join();
    let combined = policy.combinations.get(combination);
    if (!combined) {
      // RFC 5025 3.2.1: rules that match but say nothing of handling block.
      const handling = combineSubHandling(matching.map((rule) => rule.subHandling)) ?? 'block';
      combined = decision(handling, combinePermissions(matching.map((rule) => rule.permissions)), matching.map(explain).join('; '), {});
      if (policy.combinations.size >= DECISION_LIMIT) policy.combinations.clear();
      policy.combinations.set(combination, combined);
    }
    return validUntil === undefined ? combined : { ...combined, validUntil };
  }
}

function decision(handling: SubHandling, permissions: Permissions, because: string, until: { validUntil?: number }): PresenceDecision {
  // Who is not allowed sees nothing, whatever else the rules grant.
  const effective = handling === 'allow' ? permissions : NO_PERMISSIONS;
  return { handling, permissions: effective, view: `${handling} ${permissionsKey(effective)}`, because, ...until };
}

const OWN_PRESENCE: PresenceDecision = decision('allow', ALL_PERMISSIONS, 'their own presence', {});

function explain(rule: CompiledRule): string {
  const conditions = rule.conditions.map(describeCondition).join(' and ');
  return `${rule.document} rule ${rule.id}${conditions === '' ? '' : ` (${conditions})`}: ${rule.subHandling ?? 'no sub-handling'}`;
}

/** The limits of today are not those under which a document was stored; and a large one is read in turns. */
async function readRules({ key, text }: StoredDocument, source: RuleSource): Promise<Omit<CompiledRule, 'index'>[]> {
  const document = `${key.auid}/users/${key.xui}/${key.name}`;
  const tree = await readXml(text, AS_STORED);
  if (text.length > LARGE) await turn();
  return parsePresenceRules(tree, source.actions).map((rule) => ({ ...rule, document }));
}

function referredLists(rules: readonly CompiledRule[]): string[] {
  const uris = new Set<string>();
  for (const { conditions } of rules) {
    for (const condition of conditions) if (condition.kind === 'external-list') for (const uri of condition.anchors) uris.add(uri);
  }
  return [...uris].slice(0, LIST_LIMIT);
}

function compile(rules: readonly CompiledRule[], lists: CompiledPolicy['lists']): CompiledPolicy {
  const byWatcher = new Map<string, CompiledRule[]>();
  const general: CompiledRule[] = [];
  for (const rule of rules) {
    const watchers = namedWatchers(rule);
    if (!watchers) general.push(rule);
    else {
      for (const watcher of watchers) {
        const own = byWatcher.get(watcher);
        if (own) own.push(rule);
        else byWatcher.set(watcher, [rule]);
      }
    }
  }
  const others = rules.some(({ conditions }) => conditions.some(({ kind }) => kind === 'other-identity'));
  return { byWatcher, general, lists, others, decisions: new Map(), combinations: new Map() };
}

/** The watchers that the rule's first identity condition names, when it names each by itself. */
function namedWatchers(rule: PresenceRule): Set<string> | undefined {
  for (const condition of rule.conditions) {
    if (condition.kind !== 'identity') continue;
    const names = new Set<string>();
    for (const member of condition.members) {
      if (member.kind === 'many') return undefined;
      if (member.kind === 'one') names.add(member.canonical);
    }
    return names;
  }
  return undefined;
}
