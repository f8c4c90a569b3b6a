import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StateStore } from '../../sip/core/state-store.ts';

/** A backend under test: `reopen` closes the store and opens the same data again. */
export interface StateStoreBackend {
  readonly store: StateStore;
  reopen(): Promise<StateStore>;
  close(): Promise<void>;
}

interface Binding {
  readonly contact: string;
  readonly expires: number;
}

/** What every state store must do. */
export function stateStoreContract(name: string, open: () => Promise<StateStoreBackend>): void {
  describe(`state store contract: ${name}`, () => {
    let backend: StateStoreBackend;
    let store: StateStore;
    beforeEach(async () => {
      backend = await open();
      store = backend.store;
    });
    afterEach(() => backend.close());

    const committed = () => new Promise<void>((resolve) => store.afterCommit(resolve));
    const records = (table: string) => new Map(store.table<Binding>(table).load());
    const binding = (expires: number): Binding => ({ contact: 'sip:ü@127.0.0.1', expires });

    it('calls back at once when nothing is outstanding', () => {
      let called = false;
      store.afterCommit(() => {
        called = true;
      });
      expect(called).toBe(true);
    });

    it('calls back later, once, when something is outstanding', async () => {
      let called = 0;
      store.table<Binding>('bindings').put('a', binding(1));
      store.afterCommit(() => called++);
      expect(called).toBe(0);
      await committed();
      expect(called).toBe(1);
      store.table<Binding>('bindings').delete('a');
      store.afterCommit(() => called++);
      expect(called).toBe(1);
      await committed();
      expect(called).toBe(2);
    });

    it('calls back in the order of asking, and goes on when a callback throws', async () => {
      const order: number[] = [];
      store.table<Binding>('bindings').put('a', binding(1));
      store.afterCommit(() => order.push(1));
      store.afterCommit(() => {
        throw new Error('a callback of the test fails on purpose');
      });
      store.afterCommit(() => order.push(2));
      await committed();
      expect(order).toEqual([1, 2]);
    });

    it('has the last record of each id after a restart', async () => {
      const table = store.table<Binding>('bindings');
      for (let expires = 0; expires < 10; expires++) table.put('a', binding(expires));
      table.put('b', binding(1));
      table.put('c', binding(2));
      table.delete('b');
      table.delete('never there');
      await committed();
      store = await backend.reopen();
      expect(records('bindings')).toEqual(new Map([['a', binding(9)], ['c', binding(2)]])); // biome-ignore format: one line
      const again = store.table<Binding>('bindings');
      again.delete('a');
      again.delete('c');
      again.put('c', binding(3));
      await committed();
      store = await backend.reopen();
      expect(records('bindings')).toEqual(new Map([['c', binding(3)]]));
    });

    it('keeps tables apart', async () => {
      store.table<Binding>('bindings').put('a', binding(1));
      store.table<Binding>('publications').put('a', binding(2));
      await committed();
      store = await backend.reopen();
      store.table<Binding>('bindings').delete('a');
      await committed();
      store = await backend.reopen();
      expect(records('bindings').size).toBe(0);
      expect(records('publications').get('a')).toEqual(binding(2));
    });

    it('loads what was put before, committed or not', () => {
      store.table<Binding>('bindings').put('a', binding(1));
      expect(records('bindings').get('a')).toEqual(binding(1));
    });

    it('may be written while it is loaded', async () => {
      const table = store.table<Binding>('bindings');
      for (let index = 0; index < 100; index++) table.put(`${index}`, binding(index));
      await committed();
      let count = 0;
      for (const [id] of table.load()) {
        table.delete(id);
        if (++count % 10 === 0) await committed();
      }
      await committed();
      expect(count).toBe(100);
      expect(records('bindings').size).toBe(0);
    });

    it('loses nothing that is outstanding when it is closed', async () => {
      store.table<Binding>('bindings').put('a', binding(1));
      store = await backend.reopen();
      expect(records('bindings').get('a')).toEqual(binding(1));
    });
  });
}
