/** A user's presence as the server's event package has it, in memory, under random rules; and what the second judge says about it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { PIDF_TYPE } from '../../schemas/pidf.ts';
import { SqliteStateStore } from '../../server/storage/sqlite/state.ts';
import type { UserDirectory } from '../../sip/core/authenticator.ts';
import { ANONYMOUS } from '../../sip/core/identity.ts';
import type { Body, SubHandling, Watch } from '../../sip/events/event-package.ts';
import { EventStateCompositor } from '../../sip/events/event-state-compositor.ts';
import { presenceFormat, presencePackage } from '../../sip/packages/presence.ts';
import { HardState } from '../../sip/presence/hard-state.ts';
import { type PresenceDecision, PresencePolicy } from '../../sip/presence/policy.ts';
import { TimerWheel } from '../../sip/transport/timer-wheel.ts';
import type { DocumentStore, StoredDocument } from '../../xcap/document-store.ts';
import { pick, type Random } from '../rfc4825/random-xml.ts';
import { type Judgement, judge, rulesXml } from './judged-rules.ts';
import { MARK, type MarkedPresence, markedPresence } from './marked-presence.ts';
import { randomRules } from './random-rules.ts';

export const BOB = 'sip:bob@example.com';
export const WATCHERS = ['sip:alice@example.com', 'sip:carol@example.com', 'sip:dan@example.org', 'sip:eve@example.net'];
export const LISTS = ['http://example.com/xcap/friends', 'http://example.com/xcap/others'];
export const NOW = Date.parse('2026-06-01T12:00:00Z');

/** A store that holds the user's documents in memory. */
export function storeOf(documents: readonly { readonly auid: string; readonly name: string; readonly text: string }[]): DocumentStore {
  const stored = documents.map(({ auid, name, text }): StoredDocument => ({ key: { auid, xui: BOB, name }, etag: 'e', text, modified: 0 }));
  return {
    get: ({ auid, name }) => stored.find(({ key }) => key.auid === auid && key.name === name),
    list: (auid) => stored.filter(({ key }) => key.auid === auid),
    listAll: () => stored,
    write: () => Promise.reject(new Error('not for writing')),
    onChange: () => () => undefined,
  };
}

export const INDEX = { auid: 'pres-rules', name: 'index' };
export const PLACES = [INDEX, { auid: 'org.openmobilealliance.pres-rules', name: 'pres-rules' }, { auid: 'pres-rules', name: 'more' }];

const HARD_STATE = { auid: 'pidf-manipulation', name: 'index' };

/** What presence packages are made with. */
export interface Ground {
  readonly state: SqliteStateStore;
  readonly wheel: TimerWheel;
  close(): void;
}

export function openGround(): Ground {
  const directory = mkdtempSync(join(tmpdir(), 'rollcall-leak-'));
  const state = new SqliteStateStore(join(directory, 'state.db'), pino({ level: 'silent' }));
  const wheel = new TimerWheel();
  const close = (): void => {
    wheel.close();
    state.close();
    rmSync(directory, { recursive: true, force: true });
  };
  return { state, wheel, close };
}

/** The event package as the server has it, with what one user has published and said about watchers. */
export async function packageOf(
  { state, wheel }: Ground,
  text: string,
  store: DocumentStore,
  byDefault: SubHandling,
  lists: ReadonlyMap<string, readonly string[]>,
) {
  const now = (): number => NOW;
  const users: UserDirectory = { servesDomain: () => true, hasUser: (address) => address === BOB, isAdmin: () => false };
  const limits = { minExpires: 1, defaultExpires: 3600, maxExpires: 86_400, maxPerUser: 50 };
  const compositor = new EventStateCompositor(presenceFormat, { state, wheel, now, hasUser: users.hasUser, ...limits });
  compositor.hold(BOB, PIDF_TYPE, Buffer.from(text));
  const policy = new PresencePolicy(store, byDefault, (uri) => lists.get(uri) ?? []);
  const hardState = new HardState(store);
  const presence = presencePackage({ users, policy, hardState, compositor, wheel, now, interval: 0, moved: () => undefined });
  await presence.ready?.(BOB);
  return presence;
}

export type Presence = Awaited<ReturnType<typeof packageOf>>;

export function watchOf(contentType: string): Watch {
  return { id: 'w', watcher: '', displayName: undefined, resource: BOB, contentType, terms: undefined, memo: undefined };
}

/** The state as the watcher may see it, before it is told as changes or filtered. */
export function visible(presence: Presence, decision: PresenceDecision, watch: Watch, full = true): Body | undefined {
  return presence.render(presence.state(BOB), decision, { watch, full, version: 0 });
}

/** What a subscription is told when this has been decided about it. */
export function told(presence: Presence, decision: PresenceDecision, watch: Watch, full = true): string {
  return toldOf(presence, visible(presence, decision, watch, full), watch, full);
}

/** The same of a body that has come through a filter, which may leave nothing (RFC 4660 5.3.1). */
export function toldOf(presence: Presence, body: Body | undefined, watch: Watch, full = true): string {
  const encoded = body && body.bytes.length > 0 && presence.encode ? presence.encode(body, { watch, full, version: 0 }) : body;
  return encoded?.bytes.toString('utf8') ?? '';
}

export interface JudgedWatcher {
  readonly watcher: string | undefined;
  readonly decision: PresenceDecision;
  readonly judgement: Judgement;
}

export interface RandomCase {
  /** What the user has published, and what the user keeps as hard state. */
  readonly documents: readonly MarkedPresence[];
  /** On which all of these agree. */
  readonly sphere: string | undefined;
  readonly presence: Presence;
  readonly store: DocumentStore;
  readonly watchers: readonly JudgedWatcher[];
}

/** What a random user has said about itself and about watchers; and what each of them is told by the server, and by the judge. */
export async function randomCase(ground: Ground, random: Random, { hardState = false } = {}): Promise<RandomCase> {
  const published = markedPresence(random, BOB, { overlapping: hardState });
  const documents = hardState ? [published, markedPresence(random, BOB, { prefix: 'h', overlapping: true })] : [published];
  const presence = {
    components: documents.flatMap(({ components }) => components),
    unknown: documents.flatMap(({ unknown }) => unknown),
  };
  const subject = { watchers: WATCHERS, domains: ['example.com', 'example.org', 'example.net'], lists: LISTS, presence, now: NOW };
  const ruled = PLACES.slice(0, 1 + random(PLACES.length)).map((place) => ({ ...place, rules: randomRules(random, subject) }));
  const lists = new Map(LISTS.map((uri) => [uri, WATCHERS.filter(() => random(2) === 0)]));
  const byDefault = pick(random, ['confirm', 'block', 'polite-block', 'allow'] as const);
  const store = storeOf([
    ...ruled.map(({ rules, ...place }) => ({ ...place, text: rulesXml(rules, pick(random, ['', 'pr'])) })),
    ...documents.slice(1).map(({ text }) => ({ ...HARD_STATE, text })),
  ]);
  const tested = await packageOf(ground, published.text, store, byDefault, lists);
  const rules = ruled.flatMap((document) => document.rules);
  const spheres = new Set(documents.map(({ sphere }) => sphere).filter((sphere) => sphere !== undefined));
  const sphere = spheres.size === 1 ? [...spheres][0] : undefined;
  const watchers = [...WATCHERS, undefined].map((watcher) => ({
    watcher,
    decision: tested.authorize(watcher ?? ANONYMOUS, BOB, NOW),
    judgement: judge(rules, { watcher, sphere, now: NOW, lists }, byDefault),
  }));
  return { documents, sphere, presence: tested, store, watchers };
}

export function marksIn(text: string): Set<string> {
  return new Set(text.match(MARK));
}

export function allowedMarks(documents: readonly MarkedPresence[], { handling, grants }: Judgement): Set<string> {
  const marks = documents.flatMap((document) => [...document.marks]);
  return new Set(handling === 'allow' ? marks.filter(([, reveals]) => reveals(grants)).map(([mark]) => mark) : []);
}

export const beyond = (found: ReadonlySet<string>, allowed: ReadonlySet<string>): string[] =>
  [...found].filter((mark) => !allowed.has(mark));
