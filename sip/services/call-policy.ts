/** What users have set for their calls (3GPP TS 24.604, TS 24.611): their simservs documents, compiled once per change. */
import {
  type BarringRule,
  type CallCondition,
  type CallService,
  type DiversionRule,
  parseSimservs,
  type Simservs,
} from '../../schemas/simservs.ts';
import { doSteps, LARGE, type Steps, settled, turn } from '../../schemas/turns.ts';
import { AS_STORED, readXml, XmlError } from '../../schemas/xml/parse.ts';
import type { DocumentChange, DocumentStore, StoredDocument } from '../../xcap/document-store.ts';
import type { Logger } from '../core/log.ts';
import { PolicyCache } from '../presence/policy-cache.ts';
import { LIST_AUID, type ListMembers, referredLists } from '../presence/referred-lists.ts';
import { RuleIndex } from '../presence/rule-index.ts';
import { storedInTurns } from '../presence/stored-in-turns.ts';
import { type DiversionTargetUri, readTarget } from './diversion-target.ts';

const AUID = 'simservs.ngn.etsi.org';

/** A rule and its place, for the order and for the log. */
export type Placed<R> = R & {
  /** `<AUID>/users/<XUI>/<name> <service>`. */
  readonly place: string;
  /** Rises in the order of the rules. */
  readonly index: number;
};

export type PlacedDiversion = Placed<DiversionRule> & { readonly target: DiversionTargetUri };
export type BarringRules = RuleIndex<Placed<BarringRule>>;

export interface CallPolicy {
  /** Undefined without a rule that can apply. */
  readonly diversion: RuleIndex<PlacedDiversion> | undefined;
  /** Seconds, where the user has set them. */
  readonly noReplyTimer: number | undefined;
  /** Rulesets, each of which decides by itself: the user's and the operator's. */
  readonly incoming: readonly BarringRules[];
  readonly outgoing: readonly BarringRules[];
  /** The members of the lists that rules refer to, by the lists' URIs. */
  readonly lists: ReadonlyMap<string, ReadonlySet<string>>;
  /** Does a rule depend on the user's presence? */
  readonly asksPresence: boolean;
}

/** Of users who have set nothing. */
const NOTHING_SET: CallPolicy = {
  diversion: undefined,
  noReplyTimer: undefined,
  incoming: [],
  outgoing: [],
  lists: new Map(),
  asksPresence: false,
};

export class CallPolicies {
  private readonly policies: PolicyCache<CallPolicy>;

  constructor(documents: DocumentStore, membersOf: ListMembers, log: Logger) {
    this.policies = new PolicyCache((user) => doSteps(compile(user, documents, membersOf, log)));
  }

  /** Loads and compiles what the user has set; undefined when it is in memory. */
  ready(user: string): Promise<void> | undefined {
    return this.policies.ready(user);
  }

  /** Undefined while it is not in memory. */
  get(user: string): CallPolicy | undefined {
    return this.policies.get(user);
  }

  /** To be told of every change of a document: what it makes another one is compiled anew for the next call. */
  changed({ key }: DocumentChange): void {
    if (key.xui === undefined) return;
    if (key.auid === AUID || (key.auid === LIST_AUID && this.policies.get(key.xui)?.lists.size !== 0)) this.policies.forget(key.xui);
  }
}

function* compile(user: string, documents: DocumentStore, membersOf: ListMembers, log: Logger): Steps<CallPolicy> {
  const read: ReadDocument[] = [];
  yield* storedInTurns(documents, AUID, user, function* (document) {
    read.push(...(yield* readDocument(document, log)));
  });
  if (read.length === 0) return NOTHING_SET;
  let index = 0;
  const rulesOf = <R extends BarringRule | DiversionRule>(name: string, pick: (services: Simservs) => CallService<R> | undefined) =>
    read.flatMap(({ path, services }) => {
      const service = pick(services);
      const rules = service?.active ? service.rules.filter(({ conditions }) => !conditions.some(isDeactivated)) : [];
      return rules.map((rule): Placed<R> => ({ ...rule, place: `${path} ${name}`, index: index++ }));
    });
  const diversions = rulesOf('communication-diversion', (services) => services.diversion).flatMap((rule): PlacedDiversion[] => {
    const target = readTarget(rule.forwardTo.target, user);
    // What cannot be called is no target: the call goes on as if the rule were not there.
    if (!target) log.warn({ rule: `${rule.place} rule ${rule.id}` }, 'diversion to what is no SIP or telephone address');
    return target ? [{ ...rule, target }] : [];
  });
  const incoming = [
    rulesOf('incoming-communication-barring', (services) => services.incomingBarring),
    rulesOf('operator-incoming-communication-barring', (services) => services.operatorIncomingBarring),
  ].filter((rules) => rules.length > 0);
  const outgoing = [
    rulesOf('outgoing-communication-barring', (services) => services.outgoingBarring),
    rulesOf('operator-outgoing-communication-barring', (services) => services.operatorOutgoingBarring),
  ].filter((rules) => rules.length > 0);
  const all: readonly { readonly conditions: readonly CallCondition[] }[] = [...diversions, ...incoming.flat(), ...outgoing.flat()];
  return {
    diversion: diversions.length === 0 ? undefined : new RuleIndex(diversions),
    noReplyTimer: read.find(({ services }) => services.noReplyTimer !== undefined)?.services.noReplyTimer,
    incoming: incoming.map((rules) => new RuleIndex(rules)),
    outgoing: outgoing.map((rules) => new RuleIndex(rules)),
    lists: (yield* referredLists(all, user, membersOf)).lists,
    asksPresence: all.some(({ conditions }) => conditions.some(({ kind }) => kind === 'presence-status' || kind === 'sphere')),
  };
}

function isDeactivated(condition: CallCondition): boolean {
  return condition.kind === 'fact' && condition.fact === 'rule-deactivated';
}

interface ReadDocument {
  readonly path: string;
  readonly services: Simservs;
}

/** The limits of today are not those under which a document was stored; and a large one is read in turns. */
function* readDocument({ key, text }: StoredDocument, log: Logger): Steps<ReadDocument[]> {
  const path = `${key.auid}/users/${key.xui}/${key.name}`;
  try {
    const tree = yield* settled(readXml(text, AS_STORED));
    if (text.length > LARGE) yield turn();
    return [{ path, services: parseSimservs(tree) }];
  } catch (error) {
    if (!(error instanceof XmlError)) throw error;
    // No client could have stored it: nobody's calls are to fail for what came into the database otherwise.
    log.warn({ document: path, err: error }, 'call services that cannot be read');
    return [];
  }
}
