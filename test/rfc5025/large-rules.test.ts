import { describe, expect, test } from 'vitest';
import { AS_STORED, readXml } from '../../schemas/xml/parse.ts';
import { HardState } from '../../sip/presence/hard-state.ts';
import { PresencePolicy } from '../../sip/presence/policy.ts';
import type { DocumentKey, DocumentStore, StoredDocument } from '../../xcap/document-store.ts';

const OWNER = 'sip:a@x';
const RULES = 'urn:ietf:params:xml:ns:common-policy';

/** A store that has one document in memory. */
function storeOf(key: DocumentKey, text: string): DocumentStore {
  const document: StoredDocument = { key, etag: 'e', text, modified: 0 };
  return {
    get: ({ auid }) => (auid === key.auid ? document : undefined),
    list: (auid) => (auid === key.auid ? [document] : []),
    listAll: () => [document],
    write: () => Promise.reject(new Error('not for writing')),
    onChange: () => () => undefined,
  };
}

/** How many rounds of the event loop go by meanwhile. */
async function roundsOf(work: Promise<void> | undefined): Promise<number> {
  let done = false;
  const ended = Promise.resolve(work).then(() => (done = true));
  let rounds = 0;
  for (; !done; rounds++) await new Promise((resolve) => setImmediate(resolve));
  await ended;
  return rounds;
}

const rule = (n: number) =>
  `<rule id="r${n}"><conditions><identity><one id="sip:u${n}@x"/></identity></conditions><actions><sub-handling xmlns="urn:ietf:params:xml:ns:pres-rules">allow</sub-handling></actions></rule>`;
const rulesOf = (count: number) => `<ruleset xmlns="${RULES}">${Array.from({ length: count }, (_, n) => rule(n)).join('')}</ruleset>`;

describe('RFC 5025 9.7: very large documents', () => {
  test('rules are read in turns with everything else, and decide as small ones do', async () => {
    const policy = new PresencePolicy(storeOf({ auid: 'pres-rules', xui: OWNER, name: 'index' }, rulesOf(3000)), 'block');
    expect(await roundsOf(policy.ready(OWNER))).toBeGreaterThan(10);
    expect(policy.decide(OWNER, 'sip:u2999@x', undefined, 0).handling).toBe('allow');
    expect(policy.decide(OWNER, 'sip:u3000@x', undefined, 0).handling).toBe('block');
  });

  test('many small rules take turns when they are compiled, besides those in which their text is read', async () => {
    const small = Array.from({ length: 9000 }, (_, n) => `<rule id="r${n}"/>`).join('');
    const text = `<ruleset xmlns="${RULES}">${small}</ruleset>`;
    const read = readXml(text, AS_STORED);
    const reading = await roundsOf(Promise.resolve(read).then(() => undefined));
    const policy = new PresencePolicy(storeOf({ auid: 'pres-rules', xui: OWNER, name: 'index' }, text), 'block');
    expect(await roundsOf(policy.ready(OWNER))).toBeGreaterThan(reading + 60);
    expect(policy.decide(OWNER, 'sip:u1@x', undefined, 0).handling).toBe('block');
  });

  test('a decision by thousands of rules, members or times is explained in few words', async () => {
    const times = '<from>2000-01-01T00:00:00Z</from><until>2999-01-01T00:00:00Z</until>'.repeat(3000);
    const members = Array.from({ length: 3000 }, (_, n) => `<one id="sip:u${n}@x"/>`).join('');
    const allow = '<actions><sub-handling xmlns="urn:ietf:params:xml:ns:pres-rules">allow</sub-handling></actions>';
    for (const rules of [
      `${`<rule id="a"/>`.repeat(5000)}<rule id="b">${allow}</rule>`,
      `<rule id="a"><conditions><identity>${members}</identity></conditions>${allow}</rule>`,
      `<rule id="a"><conditions><validity>${times}</validity></conditions>${allow}</rule>`,
      `<rule id="${'i'.repeat(50_000)}">${allow}</rule>`,
    ]) {
      const policy = new PresencePolicy(
        storeOf({ auid: 'pres-rules', xui: OWNER, name: 'index' }, `<ruleset xmlns="${RULES}">${rules}</ruleset>`),
        'block',
      );
      await policy.ready(OWNER);
      const { handling, because } = policy.decide(OWNER, 'sip:u2999@x', undefined, Date.parse('2030-01-01'));
      expect([handling, because.length < 1000]).toEqual(['allow', true]);
    }
  });

  test('RFC 4745 7.4: thousands of intervals change a decision once a minute at most, and grant nothing for longer than they say', async () => {
    const iso = (time: number) => new Date(time).toISOString();
    const start = Date.parse('2026-06-01T12:00:30Z');
    const pair = (from: number, until: number) => `<from>${iso(from)}</from><until>${iso(until)}</until>`;
    const short = Array.from({ length: 1000 }, (_, n) => pair(start + n, start + n + 1)).join('');
    const allow = '<actions><sub-handling xmlns="urn:ietf:params:xml:ns:pres-rules">allow</sub-handling></actions>';
    const text = `<ruleset xmlns="${RULES}"><rule id="a"><conditions><validity>${short}${pair(start, start + 3_600_000)}</validity></conditions>${allow}</rule></ruleset>`;
    const policy = new PresencePolicy(storeOf({ auid: 'pres-rules', xui: OWNER, name: 'index' }, text), 'block');
    await policy.ready(OWNER);
    const at = (time: number) => policy.decide(OWNER, 'sip:u@x', undefined, time);
    expect(at(start + 1)).toMatchObject({ handling: 'block', validUntil: start + 30_000 });
    expect(at(start + 30_000)).toMatchObject({ handling: 'allow', validUntil: start + 3_570_000 });
    expect(at(start + 3_570_000)).toMatchObject({ handling: 'block' });
    expect(at(start + 3_570_000).validUntil).toBeUndefined();
  });

  test('rules that are nested deeper than is allowed now are rules still', async () => {
    const deep = `${'<x:a xmlns:x="urn:x">'.repeat(150)}${'</x:a>'.repeat(150)}`;
    const text = rulesOf(1).replace('</rule>', `<transformations>${deep}</transformations></rule>`);
    const policy = new PresencePolicy(storeOf({ auid: 'pres-rules', xui: OWNER, name: 'index' }, text), 'block');
    await policy.ready(OWNER);
    expect(policy.decide(OWNER, 'sip:u0@x', undefined, 0).handling).toBe('allow');
  });

  test('RFC 4827: hard state is read in turns too', async () => {
    const tuples = Array.from({ length: 3000 }, (_, n) => `<tuple id="t${n}"><status><basic>open</basic></status></tuple>`).join('');
    const text = `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="${OWNER}">${tuples}</presence>`;
    const state = new HardState(storeOf({ auid: 'pidf-manipulation', xui: OWNER, name: 'index' }, text));
    expect(await roundsOf(state.ready(OWNER))).toBeGreaterThan(3);
    expect(state.document(OWNER)?.components).toHaveLength(3000);
  });
});
