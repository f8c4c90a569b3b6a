import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CPIM_PIDF_TYPE, PIDF_TYPE } from '../../schemas/pidf.ts';
import { PIDF_DIFF_TYPE } from '../../schemas/pidf-diff.ts';
import { combinePermissions, type Permissions, permissionsKey } from '../../schemas/pres-rules.ts';
import type { SubHandling } from '../../sip/events/event-package.ts';
import { type PresenceDecision, PresencePolicy } from '../../sip/presence/policy.ts';
import { readXml } from '../helpers/xml-reader.ts';
import { randomNumbers } from '../rfc4825/random-xml.ts';
import { type Grant, type JudgedRule, rulesXml } from './judged-rules.ts';
import { type MarkedComponent, markedPresence, seenBy } from './marked-presence.ts';
import {
  allowedMarks,
  BOB,
  beyond,
  type Ground,
  INDEX,
  marksIn,
  NOW,
  openGround,
  PLACES,
  packageOf,
  randomCase,
  storeOf,
  told,
  WATCHERS,
  watchOf,
} from './presence-under-rules.ts';
import { randomRules } from './random-rules.ts';

const RUNS = 2000;
const RISING: readonly SubHandling[] = ['block', 'confirm', 'polite-block', 'allow'];

let ground: Ground;
beforeAll(() => {
  ground = openGround();
});
afterAll(() => ground.close());

const isSelector = (grant: Grant): boolean => typeof grant === 'object' && 'set' in grant && grant.members !== 'all';

describe('RFC 5025 3.3, RFC 4745 10: no permission, no data', () => {
  test('of thousands of random rules and documents no watcher is told more or less than a second judge allows', {
    timeout: 120_000,
  }, async () => {
    const sum = { bodies: 0, marks: 0, hidden: 0, selected: 0 };
    for (let seed = 1; seed <= RUNS; seed++) {
      const { documents, sphere, presence, watchers } = await randomCase(ground, randomNumbers(seed));
      const texts = documents.map(({ text }) => text).join('\n\n');
      expect(presence.state(BOB).sphere, `seed ${seed}`).toBe(sphere);
      for (const { watcher, decision, judgement } of watchers) {
        const why = `seed ${seed}, ${watcher}: ${decision.because}`;
        expect(decision.handling, why).toBe(judgement.handling);
        const allowed = allowedMarks(documents, judgement);
        if (decision.handling === 'block' || decision.handling === 'confirm') continue;
        const body = told(presence, decision, watchOf(PIDF_TYPE));
        const found = marksIn(body);
        expect(beyond(found, allowed), `told too much, ${why}\n${texts}\n\n${body}`).toEqual([]);
        expect(beyond(allowed, found), `told too little, ${why}\n${texts}\n\n${body}`).toEqual([]);
        readXml(body);
        const old = told(presence, decision, watchOf(CPIM_PIDF_TYPE));
        expect(beyond(marksIn(old), allowed), `cpim-pidf, ${why}\n${old}`).toEqual([]);
        expect(marksIn(told(presence, decision, watchOf(PIDF_DIFF_TYPE))), `pidf-full, ${why}`).toEqual(found);
        sum.bodies++;
        sum.marks += found.size;
        // A selector that is somebody's.
        const chosen = (component: MarkedComponent) => judgement.grants.some((g) => isSelector(g) && seenBy(component)([g]));
        if (documents[0]?.components.some(chosen)) sum.selected++;
        sum.hidden += documents.reduce((all, { marks }) => all + marks.size, 0) - found.size;
      }
    }
    // A judge and a server that both always say no would agree too.
    expect(sum.bodies).toBeGreaterThan(RUNS);
    expect(sum.marks).toBeGreaterThan(10 * RUNS);
    expect(sum.hidden).toBeGreaterThan(10 * RUNS);
    expect(sum.selected).toBeGreaterThan(RUNS / 4);
  });

  test('4: what is sent would come through the same permissions unchanged', { timeout: 60_000 }, async () => {
    for (let seed = 1; seed <= RUNS / 5; seed++) {
      const { presence, store, watchers } = await randomCase(ground, randomNumbers(700_000 + seed));
      for (const { decision } of watchers) {
        if (decision.handling !== 'allow') continue;
        const sent = told(presence, decision, watchOf(PIDF_TYPE));
        // What a component was chosen by may itself be hidden, such as its class: of those that were chosen nothing more is taken.
        const permissions: Permissions = { ...decision.permissions, provideServices: 'all', providePersons: 'all', provideDevices: 'all' };
        const again = await packageOf(ground, sent, store, 'block', new Map());
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
