import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DocumentChange, DocumentKey, DocumentStore } from '../../xcap/document-store.ts';

/** A backend under test: `reopen` closes the store and opens the same data again. */
export interface DocumentStoreBackend {
  readonly store: DocumentStore;
  reopen(): Promise<DocumentStore>;
  close(): Promise<void>;
}

const list = (xui: string | undefined, name = 'index', auid = 'resource-lists'): DocumentKey => ({ auid, xui, name });
const ALICE = 'sip:alice@example.com';
const BOB = 'sip:bob@example.com';

/** What every document store must do (the port's own words, and RFC 4825 8.5 on entity tags). */
export function documentStoreContract(name: string, open: () => Promise<DocumentStoreBackend>): void {
  describe(`document store contract: ${name}`, () => {
    let backend: DocumentStoreBackend;
    let store: DocumentStore;
    beforeEach(async () => {
      backend = await open();
      store = backend.store;
    });
    afterEach(() => backend.close());

    async function put(key: DocumentKey, text: string, expected?: string): Promise<DocumentChange> {
      const outcome = await store.write({ key, expected, text });
      if (outcome === 'stale') throw new Error('the write was stale');
      return outcome;
    }

    it('has nothing at first', async () => {
      expect(await store.get(list(ALICE))).toBeUndefined();
      expect(await store.list('resource-lists', ALICE)).toEqual([]);
      expect(await store.listAll('resource-lists')).toEqual([]);
    });

    it('gives back what was written, with the entity tag of the change', async () => {
      const before = Date.now();
      const change = await put(list(ALICE), '<a>ü\u{1F600}</a>');
      expect(change.previousEtag).toBeUndefined();
      const stored = await store.get(list(ALICE));
      expect(stored).toMatchObject({ key: list(ALICE), etag: change.newEtag, text: '<a>ü\u{1F600}</a>' });
      expect(stored?.modified).toBeGreaterThanOrEqual(before);
      expect(stored?.modified).toBeLessThanOrEqual(Date.now());
    });

    it('keeps users, the global tree, AUIDs and names apart', async () => {
      const keys = [
        list(ALICE),
        list(BOB),
        list(undefined),
        list(ALICE, 'work/friends.xml'),
        list(ALICE, 'index', 'pres-rules'),
        list('a', 'b/index'),
        list('a/b'),
      ];
      for (const [index, key] of keys.entries()) await put(key, `<n>${index}</n>`);
      for (const [index, key] of keys.entries()) expect((await store.get(key))?.text).toBe(`<n>${index}</n>`);
      expect((await store.list('resource-lists', ALICE)).map(({ key }) => key.name)).toEqual(['index', 'work/friends.xml']);
      expect((await store.list('resource-lists', undefined)).map(({ key }) => key)).toEqual([list(undefined)]);
      if (store.entries) {
        const { etag, modified } = (await store.get(list(ALICE))) ?? {};
        const entries = await store.entries('resource-lists', ALICE);
        expect(entries.map(({ key }) => key.name)).toEqual(['index', 'work/friends.xml']);
        expect(entries[0]).toEqual({ key: list(ALICE), etag, modified, size: 8 });
      }
      if (store.count) expect([store.count('resource-lists', ALICE), store.count('pres-rules', BOB)]).toEqual([2, 0]);
    });

    it('lists by name, and all by user and name', async () => {
      for (const key of [list(BOB, 'b'), list(ALICE, 'z'), list(BOB, 'a'), list(ALICE, 'c')]) await put(key, '<a/>');
      expect((await store.list('resource-lists', BOB)).map(({ key }) => key.name)).toEqual(['a', 'b']);
      expect((await store.listAll('resource-lists')).map(({ key }) => `${key.xui} ${key.name}`)).toEqual([
        `${ALICE} c`,
        `${ALICE} z`,
        `${BOB} a`,
        `${BOB} b`,
      ]);
      if (store.keys) expect(store.keys('resource-lists', 3)).toEqual([list(ALICE, 'c'), list(ALICE, 'z'), list(BOB, 'a')]);
    });

    it('lists what was written after an earlier list', async () => {
      expect(await store.list('resource-lists', ALICE)).toHaveLength(0);
      const created = await put(list(ALICE), '<a/>');
      expect((await store.list('resource-lists', ALICE)).map(({ text }) => text)).toEqual(['<a/>']);
      const replaced = await put(list(ALICE), '<b/>', created.newEtag);
      expect((await store.list('resource-lists', ALICE)).map(({ text }) => text)).toEqual(['<b/>']);
      await store.write({ key: list(ALICE), expected: replaced.newEtag, text: undefined });
      expect(await store.list('resource-lists', ALICE)).toHaveLength(0);
    });

    it('is stale, and changes nothing, when the condition does not hold', async () => {
      const heard: DocumentChange[] = [];
      expect(await store.write({ key: list(ALICE), expected: 'gone', text: '<a/>' })).toBe('stale');
      expect(await store.write({ key: list(ALICE), expected: 'gone', text: undefined })).toBe('stale');
      const { newEtag } = await put(list(ALICE), '<a/>');
      store.onChange((change) => heard.push(change));
      expect(await store.write({ key: list(ALICE), expected: undefined, text: '<b/>' })).toBe('stale');
      expect(await store.write({ key: list(ALICE), expected: 'other', text: '<b/>' })).toBe('stale');
      expect(await store.write({ key: list(ALICE), expected: 'other', text: undefined })).toBe('stale');
      expect(await store.get(list(ALICE))).toMatchObject({ etag: newEtag, text: '<a/>' });
      expect(heard).toEqual([]);
    });

    it('decides among writes of one turn in the order they were asked for', async () => {
      const [first, second, third] = await Promise.all([
        store.write({ key: list(ALICE), expected: undefined, text: '<first/>' }),
        store.write({ key: list(ALICE), expected: undefined, text: '<second/>' }),
        store.write({ key: list(BOB), expected: undefined, text: '<third/>' }),
      ]);
      expect(first).not.toBe('stale');
      expect(second).toBe('stale');
      expect(third).not.toBe('stale');
      expect((await store.get(list(ALICE)))?.text).toBe('<first/>');
    });

    it('lets exactly one of many conditional edits win', async () => {
      const { newEtag } = await put(list(ALICE), '<a/>');
      const outcomes = await Promise.all(
        Array.from({ length: 50 }, (_, index) => store.write({ key: list(ALICE), expected: newEtag, text: `<a>${index}</a>` })),
      );
      expect(outcomes.filter((outcome) => outcome !== 'stale')).toHaveLength(1);
    });

    it('RFC 4825 8.5: never uses an entity tag again, not even for the same content or after a deletion', async () => {
      const etags = new Set<string | undefined>();
      let expected: string | undefined;
      for (let round = 0; round < 20; round++) {
        const change = await put(list(ALICE), '<same/>', expected);
        expect(change.previousEtag).toBe(expected);
        etags.add(change.newEtag);
        expected = change.newEtag;
        if (round % 5 === 4) {
          const deleted = await store.write({ key: list(ALICE), expected, text: undefined });
          expect(deleted).toMatchObject({ previousEtag: expected });
          expect(deleted).not.toHaveProperty('newEtag');
          expected = undefined;
        }
      }
      expect(etags.size).toBe(20);
    });

    it('feeds every change in order of seq, before the promise of its write resolves', async () => {
      const events: string[] = [];
      const seqs: number[] = [];
      store.onChange((change) => {
        events.push(`heard ${change.key.name}`);
        seqs.push(change.seq);
      });
      await Promise.all(['a', 'b', 'c'].map((name) => put(list(ALICE, name), '<a/>').then(() => events.push(`done ${name}`))));
      for (const name of ['a', 'b', 'c']) {
        expect(events.indexOf(`heard ${name}`)).toBeGreaterThanOrEqual(0);
        expect(events.indexOf(`heard ${name}`)).toBeLessThan(events.indexOf(`done ${name}`));
      }
      expect(seqs).toHaveLength(3);
      expect([...seqs].sort((a, b) => a - b)).toEqual(seqs);
      expect(new Set(seqs).size).toBe(3);
    });

    it('shows a listener the state that the change made', async () => {
      const seen: (string | undefined)[] = [];
      store.onChange(async ({ key }) => {
        seen.push((await store.get(key))?.text);
      });
      const { newEtag } = await put(list(ALICE), '<a/>');
      await put(list(ALICE), '<b/>', newEtag);
      expect(seen).toEqual(['<a/>', '<b/>']);
    });

    it('goes on when a listener throws, and stops telling one that ended', async () => {
      let heard = 0;
      store.onChange(() => {
        throw new Error('a listener of the test fails on purpose');
      });
      const end = store.onChange(() => heard++);
      await put(list(ALICE, 'a'), '<a/>');
      end();
      await put(list(ALICE, 'b'), '<a/>');
      expect(heard).toBe(1);
    });

    it('has everything after a restart, and seq goes on', async () => {
      const first = await put(list(ALICE), '<a/>');
      const second = await put(list(undefined), '<g/>');
      store = await backend.reopen();
      expect(await store.get(list(ALICE))).toMatchObject({ etag: first.newEtag, text: '<a/>', key: list(ALICE) });
      expect(await store.get(list(undefined))).toMatchObject({ text: '<g/>', key: list(undefined) });
      const third = await put(list(BOB), '<b/>');
      expect(third.seq).toBeGreaterThan(second.seq);
      await store.write({ key: list(BOB), expected: third.newEtag, text: undefined });
      store = await backend.reopen();
      expect(await store.get(list(BOB))).toBeUndefined();
    });
  });
}
