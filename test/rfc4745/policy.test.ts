import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SqliteDocumentStore } from '../../server/storage/sqlite/documents.ts';
import type { SubHandling } from '../../sip/events/event-package.ts';
import { PresencePolicy } from '../../sip/presence/policy.ts';

const BOB = 'sip:bob@example.com';
const ALICE = 'sip:alice@example.com';
const CAROL = 'sip:carol@example.org';

let directory: string;
let store: SqliteDocumentStore;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'rollcall-policy-'));
  store = new SqliteDocumentStore(join(directory, 'documents.db'), pino({ level: 'silent' }));
});
afterEach(() => {
  store.close();
  rmSync(directory, { recursive: true, force: true });
});

const rule = (id: string, conditions: string, handling?: SubHandling, transformations = '') =>
  `<cr:rule id="${id}"><cr:conditions>${conditions}</cr:conditions><cr:actions>${
    handling ? `<sub-handling>${handling}</sub-handling>` : ''
  }</cr:actions><cr:transformations>${transformations}</cr:transformations></cr:rule>`;
const identity = (inner: string) => `<cr:identity>${inner}</cr:identity>`;
const one = (address: string) => identity(`<cr:one id="${address}"/>`);
const ruleset = (...rules: string[]) =>
  `<cr:ruleset xmlns="urn:ietf:params:xml:ns:pres-rules" xmlns:cr="urn:ietf:params:xml:ns:common-policy">${rules.join('')}</cr:ruleset>`;

async function put(text: string, name = 'index'): Promise<void> {
  const key = { auid: 'pres-rules', xui: BOB, name };
  const change = await store.write({ key, expected: (await store.get(key))?.etag, text });
  if (change === 'stale') throw new Error('stale');
}

async function policyOf(defaultHandling: SubHandling, ...documents: string[]): Promise<PresencePolicy> {
  const policy = new PresencePolicy(store, defaultHandling);
  for (const [i, text] of documents.entries()) await put(text, `rules-${i}`);
  await policy.ready(BOB);
  return policy;
}

const at = Date.parse('2026-06-01T12:00:00Z');

describe('RFC 4745 7.1: identity', () => {
  it.each([
    ['one, the same address', one('sip:alice@EXAMPLE.com;transport=tcp'), ALICE, true],
    ['one, another user', one('sip:alice@example.com'), CAROL, false],
    ['several members, any of them', identity(`<cr:one id="${CAROL}"/><cr:one id="${ALICE}"/>`), ALICE, true],
    ['many', identity('<cr:many/>'), CAROL, true],
    ['many of the domain', identity('<cr:many domain="example.org"/>'), CAROL, true],
    ['many of another domain', identity('<cr:many domain="example.org"/>'), ALICE, false],
    ['many of a subdomain', identity('<cr:many domain="org"/>'), CAROL, false],
    ['many, except this one', identity(`<cr:many><cr:except id="${ALICE}"/></cr:many>`), ALICE, false],
    ['many, except another', identity(`<cr:many><cr:except id="${CAROL}"/></cr:many>`), ALICE, true],
    ['many, except this domain', identity('<cr:many><cr:except domain="example.com"/></cr:many>'), ALICE, false],
    ['a member that is not understood', identity('<other xmlns="urn:x"/>'), ALICE, false],
  ])('%s', async (_name, conditions, watcher, holds) => {
    const policy = await policyOf('block', ruleset(rule('r', conditions, 'allow')));
    expect(policy.decide(BOB, watcher, undefined, at).handling).toBe(holds ? 'allow' : 'block');
  });
});

describe('RFC 4745 7.2, 7.3, 10.1: sphere, validity and what is not understood', () => {
  it('a sphere holds only when it is known and the same', async () => {
    const policy = await policyOf('block', ruleset(rule('r', '<cr:sphere value="work"/>', 'allow')));
    expect(policy.decide(BOB, ALICE, 'work', at).handling).toBe('allow');
    expect(policy.decide(BOB, ALICE, 'home', at).handling).toBe('block');
    expect(policy.decide(BOB, ALICE, undefined, at).handling).toBe('block');
  });

  it('validity decides by the moment and says until when', async () => {
    const validity =
      '<cr:validity><cr:from>2026-06-01T11:00:00Z</cr:from><cr:until>2026-06-01T13:00:00Z</cr:until><cr:from>2026-06-02T11:00:00Z</cr:from><cr:until>2026-06-02T13:00:00Z</cr:until></cr:validity>';
    const policy = await policyOf('block', ruleset(rule('r', validity, 'allow')));
    const inside = policy.decide(BOB, ALICE, undefined, at);
    expect(inside).toMatchObject({ handling: 'allow', validUntil: Date.parse('2026-06-01T13:00:00Z') });
    const between = policy.decide(BOB, ALICE, undefined, inside.validUntil ?? 0);
    expect(between).toMatchObject({ handling: 'block', validUntil: Date.parse('2026-06-02T11:00:00Z') });
    expect(policy.decide(BOB, ALICE, undefined, Date.parse('2026-06-02T12:00:00Z')).handling).toBe('allow');
    const after = policy.decide(BOB, ALICE, undefined, Date.parse('2026-06-03T00:00:00Z'));
    expect(after.handling).toBe('block');
    expect(after.validUntil).toBeUndefined();
  });

  it('a rule with a condition that is not understood grants nothing', async () => {
    const policy = await policyOf('block', ruleset(rule('r', `${one(ALICE)}<x:moon xmlns:x="urn:x"/>`, 'allow')));
    expect(policy.decide(BOB, ALICE, undefined, at).handling).toBe('block');
  });

  it('a rule without conditions applies to everyone', async () => {
    const policy = await policyOf(
      'block',
      ruleset('<cr:rule id="r"><cr:actions><sub-handling>polite-block</sub-handling></cr:actions></cr:rule>'),
    );
    expect(policy.decide(BOB, CAROL, undefined, at).handling).toBe('polite-block');
  });
});

describe('RFC 4745 10.2: combination over all rules of all documents (RFC 5025 9.7)', () => {
  it('the highest sub-handling holds and permissions add up', async () => {
    const policy = await policyOf(
      'confirm',
      ruleset(
        rule('everyone', identity('<cr:many/>'), 'block'),
        rule('alice', one(ALICE), 'confirm', '<provide-services><class>home</class></provide-services><provide-mood>true</provide-mood>'),
      ),
      ruleset(
        rule('friends', one(ALICE), 'allow', '<provide-services><class>work</class></provide-services><provide-note>true</provide-note>'),
      ),
    );
    const decision = policy.decide(BOB, ALICE, undefined, at);
    expect(decision.handling).toBe('allow');
    expect(decision.permissions).toMatchObject({ provideMood: true, provideNote: true, provideActivities: false });
    expect(decision.permissions.provideServices).toHaveLength(2);
    expect(decision.because).toContain('rules-0 rule alice');
    expect(decision.because).toContain('rules-1 rule friends');
    expect(policy.decide(BOB, CAROL, undefined, at).handling).toBe('block');
  });

  it('who is not allowed is granted nothing, whatever the rules say', async () => {
    const policy = await policyOf(
      'confirm',
      ruleset(rule('r', one(ALICE), 'confirm', '<provide-services><all-services/></provide-services><provide-all-attributes/>')),
    );
    expect(policy.decide(BOB, ALICE, undefined, at).permissions).toMatchObject({ provideServices: [], provideAllAttributes: false });
  });

  it.each(['confirm', 'block', 'polite-block', 'allow'] as const)('without a matching rule the default %s decides', async (handling) => {
    const policy = await policyOf(handling, ruleset(rule('r', one(CAROL), 'allow')));
    expect(policy.decide(BOB, ALICE, undefined, at)).toMatchObject({
      handling,
      because: expect.stringContaining(`default decision ${handling}`),
    });
    expect(policy.decide(BOB, ALICE, undefined, at).permissions.provideAllAttributes).toBe(handling === 'allow');
  });

  it('rules that match without a sub-handling block, whatever the default (RFC 5025 3.2.1)', async () => {
    const policy = await policyOf('allow', ruleset(rule('r', one(ALICE), undefined, '<provide-mood>true</provide-mood>')));
    expect(policy.decide(BOB, ALICE, undefined, at).handling).toBe('block');
    expect(policy.decide(BOB, CAROL, undefined, at).handling).toBe('allow');
  });

  it('an exception that cannot be understood leaves nobody in', async () => {
    const policy = await policyOf(
      'confirm',
      ruleset(rule('r', identity('<cr:many><cr:except domain="not a domain"/></cr:many>'), 'allow')),
    );
    expect(policy.decide(BOB, ALICE, undefined, at).handling).toBe('confirm');
  });

  it('a change makes another decision once the rules are read again', async () => {
    const policy = await policyOf('confirm', ruleset(rule('r', one(ALICE), 'block')));
    const changes: (string | undefined)[] = [];
    store.onChange((change) => changes.push(policy.changed(change)));
    expect(policy.ready(BOB)).toBeUndefined();
    await put(ruleset(rule('r', one(ALICE), 'allow')), 'rules-0');
    expect(changes).toEqual([BOB]);
    await policy.ready(BOB);
    expect(policy.decide(BOB, ALICE, undefined, at).handling).toBe('allow');
  });

  it('a user sees their own presence whatever the rules say', async () => {
    const policy = await policyOf('block', ruleset(rule('r', identity('<cr:many/>'), 'block')));
    expect(policy.decide(BOB, BOB, undefined, at)).toMatchObject({ handling: 'allow', permissions: { provideAllAttributes: true } });
  });
});
