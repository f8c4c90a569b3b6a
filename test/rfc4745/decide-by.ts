import { PRES_RULES } from '../../schemas/pres-rules.ts';
import type { SubHandling } from '../../sip/events/event-package.ts';
import { type PresenceDecision, PresencePolicy } from '../../sip/presence/policy.ts';
import type { DocumentStore, StoredDocument } from '../../xcap/document-store.ts';

export const PRESENTITY = 'sip:bob@example.com';

export interface Question {
  readonly watcher: string;
  readonly sphere?: string;
  /** ISO 8601. */
  readonly at?: string;
  readonly byDefault?: SubHandling;
  /** Members by the lists' URIs. */
  readonly lists?: Readonly<Record<string, readonly string[]>>;
}

/** A ruleset of `<rule>` elements in common policy's namespace; `p` is that of presence rules, `o` OMA's for conditions. */
export function ruleset(...rules: readonly string[]): string {
  return `<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:p="${PRES_RULES}" xmlns:o="urn:oma:xml:xdm:common-policy">${rules.join('')}</ruleset>`;
}

export function ruleXml(id: string, conditions: string, handling = 'allow', transformations = ''): string {
  return `<rule id="${id}"><conditions>${conditions}</conditions><actions><p:sub-handling>${handling}</p:sub-handling></actions><transformations>${transformations}</transformations></rule>`;
}

/** What the server decides by these documents, the first of them of pres-rules, all others of OMA's AUID. */
export async function decideBy(documents: readonly string[], question: Question): Promise<PresenceDecision> {
  const { policy, now } = await policyBy(documents, question);
  return policy.decide(PRESENTITY, question.watcher, question.sphere, now);
}

export async function policyBy(documents: readonly string[], { at, byDefault, lists }: Omit<Question, 'watcher'>) {
  const stored = documents.map((text, i): StoredDocument => {
    const auid = i === 0 ? 'pres-rules' : 'org.openmobilealliance.pres-rules';
    return { key: { auid, xui: PRESENTITY, name: `rules-${i}` }, etag: 'e', text, modified: 0 };
  });
  const store: DocumentStore = {
    get: ({ auid, name }) => stored.find(({ key }) => key.auid === auid && key.name === name),
    list: (auid) => stored.filter(({ key }) => key.auid === auid),
    listAll: () => stored,
    write: () => Promise.reject(new Error('not for writing')),
    onChange: () => () => undefined,
  };
  const policy = new PresencePolicy(store, byDefault ?? 'block', (uri) => lists?.[uri] ?? []);
  await policy.ready(PRESENTITY);
  return { policy, now: Date.parse(at ?? '2026-06-01T12:00:00Z') };
}
