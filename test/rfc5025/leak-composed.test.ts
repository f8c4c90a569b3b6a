import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FilterError } from '../../schemas/filter/expression.ts';
import { type FilterContents, parseFilterSet } from '../../schemas/filter/filter-set.ts';
import { CPIM_PIDF_TYPE, PIDF_TYPE } from '../../schemas/pidf.ts';
import { PIDF_DIFF_TYPE } from '../../schemas/pidf-diff.ts';
import { WatchFilter } from '../../sip/events/watch-filter.ts';
import { filter, filterSet } from '../helpers/filters.ts';
import { readXml } from '../helpers/xml-reader.ts';
import { type Random, randomNumbers } from '../rfc4825/random-xml.ts';
import {
  allowedMarks,
  beyond,
  type Ground,
  marksIn,
  openGround,
  randomCase,
  told,
  toldOf,
  visible,
  watchOf,
} from './presence-under-rules.ts';
import { randomWhat } from './random-filters.ts';

/** The same as in leak.test.ts where several documents, filters and changes come together. */

const RUNS = 600;

let ground: Ground;
beforeAll(() => {
  ground = openGround();
});
afterAll(() => ground.close());

/** Whoever is told a state at all. */
const seeing = <T extends { readonly decision: { readonly handling: string } }>(watchers: readonly T[]): T[] =>
  watchers.filter(({ decision: { handling } }) => handling === 'allow' || handling === 'polite-block');

describe('RFC 5025 3.3: no permission, no data', () => {
  test('of hard state and what is published, composed (RFC 4827, RFC 4479), nothing is told that a second judge denies', {
    timeout: 120_000,
  }, async () => {
    const sum = { marks: 0, hidden: 0, ofHardState: 0, merged: 0 };
    for (let seed = 1; seed <= 2 * RUNS; seed++) {
      const { documents, sphere, presence, watchers } = await randomCase(ground, randomNumbers(1_100_000 + seed), { hardState: true });
      expect(presence.state('sip:bob@example.com').sphere, `seed ${seed}`).toBe(sphere);
      for (const { watcher, decision, judgement } of watchers)
        expect(decision.handling, `seed ${seed}, ${watcher}`).toBe(judgement.handling);
      for (const { watcher, decision, judgement } of seeing(watchers)) {
        const allowed = allowedMarks(documents, judgement);
        const body = told(presence, decision, watchOf(PIDF_TYPE));
        const why = `seed ${seed}, ${watcher}: ${decision.because}\n${documents.map(({ text }) => text).join('\n\n')}\n\n${body}`;
        const found = marksIn(body);
        expect(beyond(found, allowed), why).toEqual([]);
        readXml(body);
        for (const type of [CPIM_PIDF_TYPE, PIDF_DIFF_TYPE]) {
          expect(beyond(marksIn(told(presence, decision, watchOf(type))), allowed), `${type}, ${why}`).toEqual([]);
        }
        sum.marks += found.size;
        sum.hidden += documents.reduce((all, { marks }) => all + marks.size, 0) - found.size;
        if ([...found].some((mark) => documents[1]?.marks.has(mark))) sum.ofHardState++;
        // What two documents say of one component.
        const isOf = (n: number) => (part: string) => [...marksIn(part)].some((mark) => documents[n]?.marks.has(mark));
        sum.merged += body.split(/<\/(?:tuple|dm:person|dm:device)>/).filter((part) => isOf(0)(part) && isOf(1)(part)).length;
      }
    }
    expect(sum.marks).toBeGreaterThan(10 * RUNS);
    expect(sum.hidden).toBeGreaterThan(10 * RUNS);
    expect(sum.ofHardState).toBeGreaterThan(RUNS / 4);
    expect(sum.merged).toBeGreaterThan(RUNS / 20);
  });

  test('a patch has nothing that the rights of now deny, also where it takes away what the watcher knew (RFC 5262)', {
    timeout: 120_000,
  }, async () => {
    const sum = { patches: 0, removals: 0 };
    for (let seed = 1; seed <= RUNS; seed++) {
      const random = randomNumbers(500_000 + seed);
      const { documents, presence, watchers } = await randomCase(ground, random, { hardState: random(2) === 0 });
      const all = seeing(watchers);
      for (const before of all) {
        for (const after of all) {
          const watch = watchOf(PIDF_DIFF_TYPE);
          const known = marksIn(told(presence, before.decision, watch));
          const patch = told(presence, after.decision, watch, false);
          const allowed = allowedMarks(documents, after.judgement);
          expect(beyond(marksIn(patch), allowed), `seed ${seed}\n${patch}`).toEqual([]);
          if (!/<(\w+:)?pidf-diff/.test(patch)) continue;
          sum.patches++;
          if (beyond(known, allowed).length > 0) sum.removals++;
        }
      }
    }
    expect(sum.patches).toBeGreaterThan(RUNS / 4);
    expect(sum.removals).toBeGreaterThan(RUNS / 10);
  });

  test('filters show less than the permissions leave, never more, in whole documents, of members and as patches (RFC 4660 5.3)', {
    timeout: 120_000,
  }, async () => {
    const sum = { bodies: 0, marks: 0, filtered: 0 };
    for (let seed = 1; seed <= RUNS; seed++) {
      const random = randomNumbers(1_300_000 + seed);
      const { documents, presence, watchers } = await randomCase(ground, random, { hardState: random(2) === 0 });
      const contents = randomContents(random);
      for (const { watcher, decision, judgement } of seeing(watchers)) {
        const watch = watchOf(PIDF_TYPE);
        const whole = visible(presence, decision, watch);
        if (!whole) throw new Error('nothing is rendered');
        const shown = marksIn(whole.bytes.toString());
        const allowed = allowedMarks(documents, judgement);
        const partial = watchOf(PIDF_DIFF_TYPE);
        const filtering = new WatchFilter(contents);
        const bodies = [
          filtering.apply(whole, undefined).bytes.toString(),
          new WatchFilter(contents).applyToMember(whole, undefined).bytes.toString(),
          toldOf(presence, filtering.apply(whole, undefined), partial),
          // From the whole to what is filtered, as after a refresh with a filter.
          toldOf(presence, filtering.apply(whole, undefined), partial, false),
        ];
        for (const [i, body] of bodies.entries()) {
          const why = `seed ${seed}, body ${i}, ${watcher}: ${decision.because}\n${JSON.stringify(contents)}\n${body}`;
          const found = marksIn(body);
          expect(beyond(found, allowed), why).toEqual([]);
          expect(beyond(found, shown), why).toEqual([]);
          if (body !== '') readXml(body);
          sum.bodies++;
          sum.marks += found.size;
          sum.filtered += shown.size - found.size;
        }
      }
    }
    expect(sum.bodies).toBeGreaterThan(RUNS);
    expect(sum.marks).toBeGreaterThan(RUNS);
    expect(sum.filtered).toBeGreaterThan(10 * RUNS);
  });
});

/** A filter that is understood. */
function randomContents(random: Random): FilterContents {
  for (;;) {
    try {
      const [element] = parseFilterSet(filterSet(filter(randomWhat(random)))).filters;
      if (element?.contents) return element.contents;
    } catch (error) {
      if (!(error instanceof FilterError)) throw error;
    }
  }
}
