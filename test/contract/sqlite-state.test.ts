import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { pino } from 'pino';
import { afterAll, describe, expect, it } from 'vitest';
import { lockDataDirectory } from '../../server/storage/sqlite/data-lock.ts';
import { SqliteStateStore } from '../../server/storage/sqlite/state.ts';
import { killWriter } from './killed-writer.ts';
import { stateStoreContract } from './state-store.ts';

const log = pino({ level: 'silent' });
const root = mkdtempSync(join(tmpdir(), 'rollcall-state-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const directory = () => mkdtempSync(join(root, 'data-'));

stateStoreContract('SQLite', async () => {
  const file = join(directory(), 'state.db');
  let store = new SqliteStateStore(file, log);
  return {
    store,
    reopen: async () => {
      store.close();
      store = new SqliteStateStore(file, log);
      return store;
    },
    close: async () => store.close(),
  };
});

describe('state in SQLite', () => {
  it('removes what later rows have made void, and never brings back what is gone', async () => {
    const file = join(directory(), 'state.db');
    const store = new SqliteStateStore(file, log);
    const table = store.table<{ round: number }>('bindings');
    for (let round = 0; round < 60; round++) {
      for (let i = 0; i < 100; i++) {
        if ((i + round) % 7 === 0) table.delete(`r${i}`);
        else table.put(`r${i}`, { round });
      }
      await new Promise<void>((resolve) => store.afterCommit(resolve));
    }
    const expected = [...table.load()].sort();
    expect(expected.map(([id]) => id)).toEqual(
      Array.from({ length: 100 }, (_, i) => i)
        .filter((i) => (i + 59) % 7 !== 0)
        .map((i) => `r${i}`)
        .sort(),
    );
    store.close();
    const rows = new Database(file, { readonly: true });
    const { count } = rows.prepare('SELECT count(*) AS count FROM state').get() as { count: number };
    rows.close();
    expect(count).toBeLessThan(4200);
    const again = new SqliteStateStore(file, log);
    expect([...again.table('bindings').load()].sort()).toEqual(expected);
    again.close();
  });

  it('commits what one turn puts in one transaction, each id once', async () => {
    const file = join(directory(), 'state.db');
    const store = new SqliteStateStore(file, log);
    const reader = new Database(file, { readonly: true });
    const before = reader.pragma('data_version', { simple: true });
    const table = store.table<{ n: number }>('subscriptions');
    for (let n = 0; n < 10; n++) table.put('same', { n });
    table.put('other', { n: 0 });
    expect(reader.pragma('data_version', { simple: true })).toBe(before);
    await new Promise<void>((resolve) => store.afterCommit(resolve));
    expect(reader.prepare('SELECT id, record FROM state ORDER BY id').all()).toEqual([
      { id: 'other', record: '{"n":0}' },
      { id: 'same', record: '{"n":9}' },
    ]);
    reader.close();
    store.close();
  });

  it('runs what waits for a commit also when the file stays locked, and stores the records once it is free', {
    timeout: 30_000,
  }, async () => {
    const file = join(directory(), 'state.db');
    const store = new SqliteStateStore(file, log);
    (store as unknown as { database: Database.Database }).database.pragma('busy_timeout = 1');
    const other = new Database(file);
    other.exec('BEGIN IMMEDIATE');
    const table = store.table<{ n: number }>('subscriptions');
    table.put('a', { n: 1 });
    await new Promise<void>((resolve) => store.afterCommit(resolve));
    // No answer waits while the trouble lasts, also for what is asked without a new record.
    await new Promise<void>((resolve) => store.afterCommit(resolve));
    other.exec('ROLLBACK');
    expect(other.prepare('SELECT count(*) FROM state').pluck().get()).toBe(0);
    table.put('b', { n: 2 });
    await new Promise<void>((resolve) => store.afterCommit(resolve));
    expect(other.prepare('SELECT id FROM state ORDER BY id').pluck().all()).toEqual(['a', 'b']);
    other.close();
    store.close();
  });

  it('tries a failed commit again before anything waits in vain', async () => {
    const file = join(directory(), 'state.db');
    const store = new SqliteStateStore(file, log);
    (store as unknown as { database: Database.Database }).database.pragma('busy_timeout = 1');
    const other = new Database(file);
    other.exec('BEGIN IMMEDIATE');
    store.table<{ n: number }>('subscriptions').put('a', { n: 1 });
    let called = false;
    const committed = new Promise<void>((resolve) =>
      store.afterCommit(() => {
        called = true;
        resolve();
      }),
    );
    await new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));
    expect(called).toBe(false);
    other.exec('ROLLBACK');
    await committed;
    expect(other.prepare('SELECT id FROM state').pluck().all()).toEqual(['a']);
    other.close();
    store.close();
  });

  it('leaves out an unreadable record and one that is no JSON, and keeps the rest', async () => {
    const file = join(directory(), 'state.db');
    const store = new SqliteStateStore(file, log);
    const circular: { self?: unknown } = {};
    circular.self = circular;
    store.table<unknown>('t').put('circular', circular);
    store.table<unknown>('t').put('good', { n: 1 });
    await new Promise<void>((resolve) => store.afterCommit(resolve));
    const other = new Database(file);
    other.prepare('INSERT INTO state (kind, id, record) VALUES (?, ?, ?)').run('t', 'broken', '{');
    other.close();
    expect([...store.table<unknown>('t').load()]).toEqual([['good', { n: 1 }]]);
    store.close();
  });

  it('has every acknowledged record after kill -9, again and again', { timeout: 60_000 }, async () => {
    const data = directory();
    for (let run = 0; run < 5; run++) {
      const acknowledged = await killWriter('state', data, run, 30 + run * 37);
      expect(acknowledged.size).toBe(3);
      const store = new SqliteStateStore(join(data, 'state.db'), log);
      const records = new Map(store.table<{ round: number }>(`run${run}`).load());
      for (const [name, [, round]] of acknowledged) expect(records.get(name)?.round).toBeGreaterThanOrEqual(Number(round));
      store.close();
    }
  });
});

describe('the lock on a data directory', () => {
  it('is held by one at a time', () => {
    const data = directory();
    const release = lockDataDirectory(data);
    expect(() => lockDataDirectory(data)).toThrow(/in use by another server/);
    release();
    lockDataDirectory(data)();
  });

  it('names a directory that cannot be used', () => {
    expect(() => lockDataDirectory(join(directory(), 'missing'))).toThrow(/cannot use the data directory .*missing/);
  });
});
