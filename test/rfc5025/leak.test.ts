import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CPIM_PIDF_TYPE, PIDF_TYPE } from '../../schemas/pidf.ts';
import { PIDF_DIFF_TYPE } from '../../schemas/pidf-diff.ts';
import { combinePermissions, type Permissions, permissionsKey } from '../../schemas/pres-rules.ts';
import { SqliteStateStore } from '../../server/storage/sqlite/state.ts';
import type { UserDirectory } from '../../sip/core/authenticator.ts';
import { ANONYMOUS } from '../../sip/core/identity.ts';
import type { SubHandling, Watch } from '../../sip/events/event-package.ts';
import { EventStateCompositor } from '../../sip/events/event-state-compositor.ts';
import { presenceFormat, presencePackage } from '../../sip/packages/presence.ts';
import { HardState } from '../../sip/presence/hard-state.ts';
import { type PresenceDecision, PresencePolicy } from '../../sip/presence/policy.ts';
import { TimerWheel } from '../../sip/transport/timer-wheel.ts';
import type { DocumentStore, StoredDocument } from '../../xcap/document-store.ts';
import { readXml } from '../helpers/xml-reader.ts';
import { pick, type Random, randomNumbers } from '../rfc4825/random-xml.ts';
import { type JudgedRule, type Judgement, judge, rulesXml } from './judged-rules.ts';
import { MARK, type MarkedPresence, markedPresence } from './marked-presence.ts';
import { randomRules } from './random-rules.ts';

const BOB = 'sip:bob@example.com';
const WATCHERS = ['sip:alice@example.com', 'sip:carol@example.com', 'sip:dan@example.org', 'sip:eve@example.net'];
const LISTS = ['http://example.com/xcap/friends', 'http://example.com/xcap/others'];
const NOW = Date.parse('2026-06-01T12:00:00Z');
const RUNS = 2000;
const RISING: readonly SubHandling[] = ['block', 'confirm', 'polite-block', 'allow'];

/** A store that holds the user's rule documents in memory. */
function storeOf(documents: readonly { readonly auid: string; readonly name: string; readonly text: string }[]): DocumentStore {
  const stored = documents.map(({ auid, name, text }): StoredDocument => ({ key: { auid, xui: BOB, name }, etag: 'e', text, modified: 0 }));
  return {
    get: ({ auid, name }) => stored.find(({ key }) => key.auid === auid && key.name === name),
    list: (auid) => stored.filter(({ key }) => key.auid === auid),
    listAll: () => stored,
    write: () => Promise.reject(new Error('not for writing')),
    onChange: () => () => undefined,
  };
}

const INDEX = { auid: 'pres-rules', name: 'index' };
const PLACES = [INDEX, { auid: 'org.openmobilealliance.pres-rules', name: 'pres-rules' }, { auid: 'pres-rules', name: 'more' }];

let directory: string;
let state: SqliteStateStore;
let wheel: TimerWheel;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'rollcall-leak-'));
  state = new SqliteStateStore(join(directory, 'state.db'), pino({ level: 'silent' }));
  wheel = new TimerWheel();
});
afterAll(() => {
  wheel.close();
  state.close();
  rmSync(directory, { recursive: true, force: true });
});

/** The event package as the server has it, with what one user has published and said about watchers. */
async function packageOf(text: string, store: DocumentStore, byDefault: SubHandling, lists: ReadonlyMap<string, readonly string[]>) {
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

type Presence = Awaited<ReturnType<typeof packageOf>>;

function watchOf(contentType: string): Watch {
  return { id: 'w', watcher: '', displayName: undefined, resource: BOB, contentType, terms: undefined, memo: undefined };
}

/** What a subscription is told when this has been decided about it. */
function told(presence: Presence, decision: PresenceDecision, watch: Watch, full = true): string {
  const request = { watch, full, version: 0 };
  const body = presence.render(presence.state(BOB), decision, request);
  return (body && presence.encode ? presence.encode(body, request) : body)?.bytes.toString('utf8') ?? '';
}

/** What a random user has published and said about watchers; and what each of them is told by the server, and by the judge. */
async function randomCase(random: Random) {
  const marked = markedPresence(random, BOB);
  const subject = { watchers: WATCHERS, domains: ['example.com', 'example.org', 'example.net'], lists: LISTS, presence: marked, now: NOW };
  const documents = PLACES.slice(0, 1 + random(PLACES.length)).map((place) => ({ ...place, rules: randomRules(random, subject) }));
  const lists = new Map(LISTS.map((uri) => [uri, WATCHERS.filter(() => random(2) === 0)]));
  const byDefault = pick(random, ['confirm', 'block', 'polite-block', 'allow'] as const);
  const store = storeOf(documents.map(({ rules, ...place }) => ({ ...place, text: rulesXml(rules, pick(random, ['', 'pr'])) })));
  const presence = await packageOf(marked.text, store, byDefault, lists);
  const rules = documents.flatMap((document) => document.rules);
  const watchers = [...WATCHERS, undefined].map((watcher) => ({
    watcher,
    decision: presence.authorize(watcher ?? ANONYMOUS, BOB, NOW),
    judgement: judge(rules, { watcher, sphere: marked.sphere, now: NOW, lists }, byDefault),
  }));
  return { marked, presence, store, watchers };
}

function marksIn(text: string): Set<string> {
  return new Set(text.match(MARK));
}

function allowedMarks({ marks }: MarkedPresence, { handling, grants }: Judgement): Set<string> {
  return new Set(handling === 'allow' ? [...marks].filter(([, reveals]) => reveals(grants)).map(([mark]) => mark) : []);
}

const beyond = (found: Set<string>, allowed: ReadonlySet<string>): string[] => [...found].filter((mark) => !allowed.has(mark));

describe('RFC 5025 3.3, RFC 4745 10: no permission, no data', () => {
  test('of thousands of random rules and documents no watcher is told more or less than a second judge allows', {
    timeout: 120_000,
  }, async () => {
    const sum = { bodies: 0, marks: 0, hidden: 0 };
    for (let seed = 1; seed <= RUNS; seed++) {
      const { marked, presence, watchers } = await randomCase(randomNumbers(seed));
      expect(presence.state(BOB).sphere, `seed ${seed}`).toBe(marked.sphere);
      for (const { watcher, decision, judgement } of watchers) {
        const why = `seed ${seed}, ${watcher}: ${decision.because}`;
        expect(decision.handling, why).toBe(judgement.handling);
        const allowed = allowedMarks(marked, judgement);
        if (decision.handling === 'block' || decision.handling === 'confirm') continue;
        const body = told(presence, decision, watchOf(PIDF_TYPE));
        const found = marksIn(body);
        expect(beyond(found, allowed), `told too much, ${why}\n${marked.text}\n\n${body}`).toEqual([]);
        expect(beyond(allowed, found), `told too little, ${why}\n${marked.text}\n\n${body}`).toEqual([]);
        readXml(body);
        const old = told(presence, decision, watchOf(CPIM_PIDF_TYPE));
        expect(beyond(marksIn(old), allowed), `cpim-pidf, ${why}\n${old}`).toEqual([]);
        expect(marksIn(told(presence, decision, watchOf(PIDF_DIFF_TYPE))), `pidf-full, ${why}`).toEqual(found);
        sum.bodies++;
        sum.marks += found.size;
        sum.hidden += marked.marks.size - found.size;
      }
    }
    // A judge and a server that both always say no would agree too.
    expect(sum.bodies).toBeGreaterThan(RUNS);
    expect(sum.marks).toBeGreaterThan(10 * RUNS);
    expect(sum.hidden).toBeGreaterThan(10 * RUNS);
  });

  test('a watcher of partial presence whose rights change is told nothing that neither the old nor the new ones allow', {
    timeout: 60_000,
  }, async () => {
    for (let seed = 1; seed <= RUNS / 5; seed++) {
      const { marked, presence, watchers } = await randomCase(randomNumbers(500_000 + seed));
      const seeing = watchers.filter(({ decision }) => decision.handling === 'allow' || decision.handling === 'polite-block');
      for (const before of seeing) {
        for (const after of seeing) {
          const watch = watchOf(PIDF_DIFF_TYPE);
          told(presence, before.decision, watch);
          const patch = told(presence, after.decision, watch, false);
          const allowed = new Set([...allowedMarks(marked, before.judgement), ...allowedMarks(marked, after.judgement)]);
          expect(beyond(marksIn(patch), allowed), `seed ${seed}\n${patch}`).toEqual([]);
        }
      }
    }
  });

  test('4: what is sent would come through the same permissions unchanged', { timeout: 60_000 }, async () => {
    for (let seed = 1; seed <= RUNS / 5; seed++) {
      const { presence, store, watchers } = await randomCase(randomNumbers(700_000 + seed));
      for (const { decision } of watchers) {
        if (decision.handling !== 'allow') continue;
        const sent = told(presence, decision, watchOf(PIDF_TYPE));
        // What a component was chosen by may itself be hidden, such as its class: of those that were chosen nothing more is taken.
        const permissions: Permissions = { ...decision.permissions, provideServices: 'all', providePersons: 'all', provideDevices: 'all' };
        const again = await packageOf(sent, store, 'block', new Map());
        expect(told(again, { ...decision, permissions }, watchOf(PIDF_TYPE)), `seed ${seed}`).toBe(sent);
      }
    }
  });

  test('RFC 4745 4, 6: the order of rules and documents is nothing, and a rule less is never a permission more', {
    timeout: 60_000,
  }, async () => {
    for (let seed = 1; seed <= RUNS / 5; seed++) {
      const random = randomNumbers(900_000 + seed);
      const subject = {
        watchers: WATCHERS,
        domains: ['example.com', 'example.org'],
        lists: [],
        presence: markedPresence(random, BOB),
        now: NOW,
      };
      // Who is named by no other rule is by fewer rules named less; that is OMA's, not RFC 4745's.
      const rules = randomRules(random, subject, 8).filter(({ conditions }) => !conditions.includes('other-identity'));
      const decide = async (documents: readonly (readonly JudgedRule[])[], watcher: string): Promise<PresenceDecision> => {
        const store = storeOf(documents.map((some, i) => ({ ...(PLACES[i] ?? INDEX), text: rulesXml(some) })));
        const policy = new PresencePolicy(store, 'block');
        await policy.ready(BOB);
        return policy.decide(BOB, watcher, undefined, NOW);
      };
      const half = random(rules.length + 1);
      for (const watcher of WATCHERS) {
        const { handling, view } = await decide([rules], watcher);
        const turned = await decide([rules.slice(half).reverse(), rules.slice(0, half)], watcher);
        expect([turned.handling, turned.view], `seed ${seed}`).toEqual([handling, view]);
        const fewer = await decide([rules.slice(1)], watcher);
        expect(RISING.indexOf(fewer.handling), `seed ${seed}`).toBeLessThanOrEqual(RISING.indexOf(handling));
        const both = combinePermissions([fewer.permissions, (await decide([rules], watcher)).permissions]);
        expect(permissionsKey(both), `seed ${seed}`).toBe(permissionsKey((await decide([rules], watcher)).permissions));
      }
    }
  });
});
