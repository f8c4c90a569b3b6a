import { describe, expect, test } from 'vitest';
import { CPIM_PIDF_TYPE, PIDF_TYPE, parsePidf } from '../../schemas/pidf.ts';
import type { Permissions } from '../../schemas/pres-rules.ts';
import { ANONYMOUS } from '../../sip/core/identity.ts';
import { PresenceView } from '../../sip/packages/presence-view.ts';
import { compose, sphereOf } from '../../sip/presence/composition.ts';
import { type PresenceDecision, PresencePolicy } from '../../sip/presence/policy.ts';
import type { DocumentStore, StoredDocument } from '../../xcap/document-store.ts';
import { readXml } from '../helpers/xml-reader.ts';
import { pick, type Random, randomNumbers } from '../rfc4825/random-xml.ts';
import { type Judgement, judge, rulesXml } from './judged-rules.ts';
import { MARK, type MarkedPresence, markedPresence } from './marked-presence.ts';
import { randomRules } from './random-rules.ts';

const BOB = 'sip:bob@example.com';
const WATCHERS = ['sip:alice@example.com', 'sip:carol@example.com', 'sip:dan@example.org', 'sip:eve@example.net'];
const LISTS = ['http://example.com/xcap/friends', 'http://example.com/xcap/others'];
const NOW = Date.parse('2026-06-01T12:00:00Z');
const RUNS = 2000;

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

const PLACES = [
  { auid: 'pres-rules', name: 'index' },
  { auid: 'org.openmobilealliance.pres-rules', name: 'pres-rules' },
  { auid: 'pres-rules', name: 'more' },
];

/** What a random user has published and said about watchers; and what each of them is told by the server, and by the judge. */
async function randomCase(random: Random) {
  const presence = markedPresence(random, BOB);
  const subject = { watchers: WATCHERS, domains: ['example.com', 'example.org', 'example.net'], lists: LISTS, presence, now: NOW };
  const documents = PLACES.slice(0, 1 + random(PLACES.length)).map((place) => ({ ...place, rules: randomRules(random, subject) }));
  const lists = new Map(LISTS.map((uri) => [uri, WATCHERS.filter(() => random(2) === 0)]));
  const byDefault = pick(random, ['confirm', 'block', 'polite-block', 'allow'] as const);
  const store = storeOf(documents.map(({ rules, ...place }) => ({ ...place, text: rulesXml(rules, pick(random, ['', 'pr'])) })));
  const policy = new PresencePolicy(store, byDefault, (uri) => lists.get(uri) ?? []);
  await policy.ready(BOB);
  const parsed = parsePidf(presence.text);
  const { components } = compose([{ document: parsed, publishedAt: NOW }], BOB, NOW);
  const sphere = sphereOf([parsed], NOW);
  const rules = documents.flatMap((document) => document.rules);
  const watchers = [...WATCHERS, undefined].map((watcher) => ({
    watcher,
    decision: policy.decide(BOB, watcher ?? ANONYMOUS, sphere, NOW),
    judgement: judge(rules, { watcher, sphere: presence.sphere, now: NOW, lists }, byDefault),
  }));
  return { presence, components, sphere, watchers };
}

function marksIn(text: string): Set<string> {
  return new Set(text.match(MARK));
}

function allowedMarks({ marks }: MarkedPresence, { handling, grants }: Judgement): Set<string> {
  return new Set(handling === 'allow' ? [...marks].filter(([, reveals]) => reveals(grants)).map(([mark]) => mark) : []);
}

const beyond = (found: Set<string>, allowed: ReadonlySet<string>): string[] => [...found].filter((mark) => !allowed.has(mark));

/** Whatever has no mark shows: an empty document to the allowed, somebody offline to the politely blocked. */
function viewOf(components: Parameters<typeof compose>[0][number]['document']['components'], decision: PresenceDecision): PresenceView {
  return new PresenceView(BOB, components, decision);
}

describe('RFC 5025 3.3, RFC 4745 10: no permission, no data', () => {
  test('of thousands of random rules and documents no watcher is told more or less than a second judge allows', {
    timeout: 120_000,
  }, async () => {
    const told = { allow: 0, marks: 0, hidden: 0 };
    for (let seed = 1; seed <= RUNS; seed++) {
      const { presence, components, sphere, watchers } = await randomCase(randomNumbers(seed));
      expect(sphere, `seed ${seed}`).toBe(presence.sphere);
      for (const { watcher, decision, judgement } of watchers) {
        const why = `seed ${seed}, ${watcher}: ${decision.because}`;
        expect(decision.handling, why).toBe(judgement.handling);
        const allowed = allowedMarks(presence, judgement);
        if (decision.handling === 'block' || decision.handling === 'confirm') continue;
        const view = viewOf(components, decision);
        const body = view.body(PIDF_TYPE).bytes.toString('utf8');
        const found = marksIn(body);
        expect(beyond(found, allowed), `told too much, ${why}\n${presence.text}\n\n${body}`).toEqual([]);
        expect(beyond(allowed, found), `told too little, ${why}\n${presence.text}\n\n${body}`).toEqual([]);
        readXml(body);
        const old = view.body(CPIM_PIDF_TYPE).bytes.toString('utf8');
        expect(beyond(marksIn(old), allowed), `cpim-pidf, ${why}\n${old}`).toEqual([]);
        const full = view.partial(1, undefined).bytes.toString('utf8');
        expect(marksIn(full), `pidf-full, ${why}`).toEqual(found);
        told.allow++;
        told.marks += found.size;
        told.hidden += presence.marks.size - found.size;
      }
    }
    // A judge and a server that both always say no would agree too.
    expect(told.allow).toBeGreaterThan(RUNS);
    expect(told.marks).toBeGreaterThan(10 * RUNS);
    expect(told.hidden).toBeGreaterThan(10 * RUNS);
  });

  test('a watcher of partial presence whose rights change is told nothing that neither the old nor the new ones allow', {
    timeout: 60_000,
  }, async () => {
    for (let seed = 1; seed <= RUNS / 5; seed++) {
      const { presence, components, watchers } = await randomCase(randomNumbers(500_000 + seed));
      const seeing = watchers.filter(({ decision }) => decision.handling === 'allow' || decision.handling === 'polite-block');
      for (const before of seeing) {
        for (const after of seeing) {
          const known = viewOf(components, before.decision);
          const patch = viewOf(components, after.decision).partial(2, known).bytes.toString('utf8');
          const allowed = new Set([...allowedMarks(presence, before.judgement), ...allowedMarks(presence, after.judgement)]);
          expect(beyond(marksIn(patch), allowed), `seed ${seed}\n${patch}`).toEqual([]);
        }
      }
    }
  });

  test('4: what is sent would come through the same permissions unchanged', { timeout: 60_000 }, async () => {
    for (let seed = 1; seed <= RUNS / 5; seed++) {
      const { components, watchers } = await randomCase(randomNumbers(700_000 + seed));
      for (const { decision } of watchers) {
        if (decision.handling !== 'allow') continue;
        const sent = viewOf(components, decision).body(PIDF_TYPE).bytes.toString('utf8');
        // What a component was chosen by may itself be hidden, such as its class: of those that were chosen nothing more is taken.
        const permissions: Permissions = { ...decision.permissions, provideServices: 'all', providePersons: 'all', provideDevices: 'all' };
        const again = viewOf(parsePidf(sent).components, { ...decision, permissions })
          .body(PIDF_TYPE)
          .bytes.toString('utf8');
        expect(again, `seed ${seed}`).toBe(sent);
      }
    }
  });
});
