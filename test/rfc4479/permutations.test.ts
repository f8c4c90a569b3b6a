import { describe, expect, it } from 'vitest';
import { parsePidf, writePidf } from '../../schemas/pidf.ts';
import { compose } from '../../sip/presence/composition.ts';
import { readPidf } from '../helpers/pidf-reader.ts';
import { RandomEditor } from '../rfc5261/random-document.ts';

const BOB = 'sip:bob@example.com';
const NOW = Date.parse('2026-06-01T00:00:00Z');

/** What one agent says, with the timestamps of all that it says. */
interface Said {
  readonly text: string;
  readonly moods: { readonly class: string; readonly mood: string; readonly at: number }[];
  readonly tuples: { readonly id: string; readonly basic: string; readonly at: number }[];
}

/** Timestamps are all different, in whatever zone they are written. */
function randomSaid(random: RandomEditor, moments: number[]): Said {
  const moods: Said['moods'] = [];
  const tuples: Said['tuples'] = [];
  const takeMoment = (): number => moments.splice(random.below(moments.length), 1)[0] ?? 0;
  const stamp = (at: number): string => {
    if (random.below(2) === 0) return new Date(at).toISOString();
    return `${new Date(at + 7_200_000).toISOString().slice(0, -1)}+02:00`;
  };
  let content = '';
  for (const id of ['a', 'b', 'c']) {
    if (random.below(2) === 0) continue;
    const [basic, at] = [random.pick(['open', 'closed']), takeMoment()];
    tuples.push({ id, basic, at });
    content += `<tuple id="${id}"><status><basic>${basic}</basic></status><contact>sip:${id}@x</contact><timestamp>${stamp(at)}</timestamp></tuple>`;
  }
  if (random.below(3) > 0) {
    const [label, mood, at] = [random.pick(['', 'work']), random.pick(['happy', 'sad', 'calm']), takeMoment()];
    moods.push({ class: label, mood, at });
    const rpidClass = label === '' ? '' : `<r:class>${label}</r:class>`;
    content += `<dm:person id="${random.pick(['p', 'q', 'r'])}">${rpidClass}<r:mood><r:${mood}/></r:mood><x:n${random.below(3)} xmlns:x="urn:${random.below(2)}"/><dm:timestamp>${stamp(at)}</dm:timestamp></dm:person>`;
  }
  if (random.below(2) === 0) {
    content += `<dm:device id="${random.pick(['p', 'd'])}"><r:user-input>${random.pick(['idle', 'active'])}</r:user-input><dm:deviceID>urn:${random.below(2)}</dm:deviceID><dm:timestamp>${stamp(takeMoment())}</dm:timestamp></dm:device>`;
  }
  const text = `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" entity="${BOB}">${content}</presence>`;
  return { text, moods, tuples };
}

function composed(said: readonly Said[]): string {
  const sources = said.map(({ text }, i) => ({ document: parsePidf(text), publishedAt: NOW - i }));
  return writePidf(BOB, compose(sources, BOB, NOW).components);
}

function shuffled<T>(random: RandomEditor, items: readonly T[]): T[] {
  const left = [...items];
  return items.map(() => left.splice(random.below(left.length), 1)[0] as T);
}

describe('RFC 4479 3.5: composition of random publications', () => {
  it.each([...Array(40).keys()])('is the same whatever order they come in, and has the newest word on everything (seed %i)', (seed) => {
    const random = new RandomEditor(seed);
    const moments = [...Array(60).keys()].map((i) => NOW - 86_400_000 + i * 1000);
    const said = [...Array(2 + random.below(6)).keys()].map(() => randomSaid(random, moments));
    const first = composed(said);
    for (let i = 0; i < 8; i++) expect(composed(shuffled(random, said))).toBe(first);

    const document = readPidf(first);
    const newest = <T extends { at: number }>(items: readonly T[]): T | undefined => [...items].sort((a, b) => b.at - a.at)[0];
    for (const id of ['a', 'b', 'c']) {
      const wanted = newest(said.flatMap(({ tuples }) => tuples.filter((one) => one.id === id)))?.basic;
      expect(document.tuples.find((one) => one.id === id)?.basic).toBe(wanted);
    }
    const persons = document.extensions.filter(({ name }) => name === 'person');
    for (const label of ['', 'work']) {
      const wanted = newest(said.flatMap(({ moods }) => moods.filter((one) => one.class === label)))?.mood;
      const ofClass = persons.filter(({ children }) => (children.find(({ name }) => name === 'class')?.text ?? '') === label);
      expect(ofClass).toHaveLength(wanted === undefined ? 0 : 1);
      expect(ofClass[0]?.children.find(({ name }) => name === 'mood')?.children[0]?.name).toBe(wanted);
    }
    const devices = document.extensions.filter(({ name }) => name === 'device');
    const ids = devices.map(({ children }) => children.find(({ name }) => name === 'deviceID')?.text);
    expect(new Set(ids).size).toBe(devices.length);
    const occurrences = [...persons, ...devices].map(({ attributes }) => attributes.get('id')).concat(document.tuples.map(({ id }) => id));
    expect(new Set(occurrences).size).toBe(occurrences.length);
  });
});
