import { expect, test } from 'vitest';
import { PresencePolicy } from '../../sip/presence/policy.ts';
import type { DocumentChange, DocumentStore, StoredDocument } from '../../xcap/document-store.ts';
import { PRESENTITY, ruleset, ruleXml } from '../rfc4745/decide-by.ts';

const ALICE = 'sip:alice@example.com';
const KEY = { auid: 'pres-rules', xui: PRESENTITY, name: 'index' };
const rules = (handling: string) => ruleset(ruleXml('r', `<identity><one id="${ALICE}"/></identity>`, handling));
const CHANGE: DocumentChange = { seq: 1, key: KEY, previousEtag: 'a', newEtag: 'b' };

/** A store whose documents come when they are let. */
class SlowStore implements DocumentStore {
  text = rules('allow');
  private readonly waiting: ((failed: boolean) => void)[] = [];

  list(auid: string): Promise<StoredDocument[]> {
    const { text } = this;
    const found = auid === KEY.auid ? [{ key: KEY, etag: 'e', text, modified: 0 }] : [];
    return new Promise((resolve, reject) => {
      this.waiting.push((failed) => (failed ? reject(new Error('the disk is gone')) : resolve(found)));
    });
  }

  get(): undefined {
    return undefined;
  }

  listAll(): [] {
    return [];
  }

  write(): Promise<never> {
    return Promise.reject(new Error('not for writing'));
  }

  onChange(): () => void {
    return () => undefined;
  }

  /** Answers what has been asked so far. */
  async answer(failed = false): Promise<void> {
    for (const answer of this.waiting.splice(0)) answer(failed);
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
  }

  get isAsked(): boolean {
    return this.waiting.length > 0;
  }
}

function policyOf(store: SlowStore): PresencePolicy {
  return new PresencePolicy(store, 'allow');
}

async function settle(store: SlowStore): Promise<void> {
  while (store.isAsked) await store.answer();
}

test('while rules cannot be read nobody is told anything, and once they can all is as they say', async () => {
  const store = new SlowStore();
  const policy = policyOf(store);
  const decide = () => policy.decide(PRESENTITY, ALICE, undefined, 0).handling;
  const first = policy.ready(PRESENTITY);
  expect(decide).toThrow('not in memory');
  const refused = expect(first).rejects.toThrow('the disk is gone');
  await store.answer(true);
  await refused;
  // What is allowed by default is so only where the rules are known.
  expect(decide).toThrow('not in memory');
  store.text = rules('polite-block');
  const second = policy.ready(PRESENTITY);
  await settle(store);
  await second;
  expect(decide()).toBe('polite-block');
});

test('what is edited while it is read decides as it is in the end', async () => {
  const store = new SlowStore();
  const policy = policyOf(store);
  const loading = policy.ready(PRESENTITY);
  for (const handling of ['confirm', 'allow', 'block']) {
    store.text = rules(handling);
    expect(policy.changed(CHANGE)).toBe(PRESENTITY);
    expect(() => policy.decide(PRESENTITY, ALICE, undefined, 0)).toThrow('not in memory');
    await store.answer();
  }
  await settle(store);
  await loading;
  expect(policy.decide(PRESENTITY, ALICE, undefined, 0).handling).toBe('block');
});

test('an edit after the rules were read, before anybody asked for a decision, is not decided by what was', async () => {
  const store = new SlowStore();
  const policy = policyOf(store);
  const loading = policy.ready(PRESENTITY);
  await settle(store);
  await loading;
  store.text = rules('block');
  policy.changed(CHANGE);
  const again = policy.ready(PRESENTITY);
  expect(again).toBeInstanceOf(Promise);
  expect(() => policy.decide(PRESENTITY, ALICE, undefined, 0)).toThrow('not in memory');
  await settle(store);
  await again;
  expect(policy.decide(PRESENTITY, ALICE, undefined, 0).handling).toBe('block');
});
