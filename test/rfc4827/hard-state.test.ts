import { describe, expect, it } from 'vitest';
import { HardState } from '../../sip/presence/hard-state.ts';
import type { DocumentKey, DocumentStore, StoredDocument } from '../../xcap/document-store.ts';

const B = 'sip:b@x';
const key: DocumentKey = { auid: 'pidf-manipulation', xui: B, name: 'index' };
const pidf = (id: string) =>
  `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="${B}"><tuple id="${id}"><status><basic>open</basic></status></tuple></presence>`;
const stored = (text: string): StoredDocument => ({ key, etag: 'e', text, modified: 0 });

/** A store that answers when it is told to. */
class SlowStore implements DocumentStore {
  readonly asked: { key: DocumentKey; answer: (document: StoredDocument | undefined) => void }[] = [];

  get(wanted: DocumentKey): Promise<StoredDocument | undefined> {
    return new Promise((answer) => this.asked.push({ key: wanted, answer }));
  }

  list = () => [];
  listAll = () => [];
  write = () => Promise.reject(new Error('not for writing'));
  onChange = () => () => undefined;
}

const ids = (state: HardState) => state.document(B)?.components.map(({ id }) => id);

describe('RFC 4827: hard state over a store that takes its time', () => {
  it('is read once for all who wait, and is then in memory', async () => {
    const store = new SlowStore();
    const state = new HardState(store);
    const first = state.ready(B);
    expect(state.ready(B)).toBe(first);
    expect(store.asked.map((asked) => asked.key)).toEqual([key]);
    expect(() => state.document(B)).toThrow('not in memory');
    store.asked[0]?.answer(stored(pidf('a')));
    await first;
    expect([state.ready(B), ids(state), store.asked.length]).toEqual([undefined, ['a'], 1]);
  });

  it('is read again when it changes, also while it is being read', async () => {
    const store = new SlowStore();
    const state = new HardState(store);
    const ready = state.ready(B);
    expect(state.changed({ seq: 1, key, newEtag: 'f' })).toBe(B);
    store.asked[0]?.answer(stored(pidf('old')));
    await expect.poll(() => store.asked.length).toBe(2);
    store.asked[1]?.answer(stored(pidf('new')));
    await ready;
    expect(ids(state)).toEqual(['new']);
    expect(state.changed({ seq: 2, key, previousEtag: 'f' })).toBe(B);
    const again = state.ready(B);
    store.asked[2]?.answer(undefined);
    await again;
    expect([state.ready(B), ids(state)]).toEqual([undefined, undefined]);
  });

  it('is nobody else’s, and no other document', () => {
    const state = new HardState(new SlowStore());
    for (const other of [
      { ...key, auid: 'pres-rules' },
      { ...key, name: 'other' },
      { ...key, xui: undefined },
    ]) {
      expect(state.changed({ seq: 1, key: other, newEtag: 'f' })).toBeUndefined();
    }
  });

  it('that cannot be read is none', async () => {
    const store = new SlowStore();
    const state = new HardState(store);
    const ready = state.ready(B);
    store.asked[0]?.answer(stored('<other/>'));
    await ready;
    expect(state.document(B)).toBeUndefined();
  });
});
