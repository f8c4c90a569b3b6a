import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { pino } from 'pino';
import { afterAll, describe, expect, it } from 'vitest';
import { SqliteDocumentStore } from '../../server/storage/sqlite/documents.ts';
import { documentStoreContract } from './document-store.ts';
import { killWriter } from './killed-writer.ts';

const log = pino({ level: 'silent' });
const root = mkdtempSync(join(tmpdir(), 'rollcall-documents-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const directory = () => mkdtempSync(join(root, 'data-'));
const key = (name: string) => ({ auid: 'resource-lists', xui: 'sip:alice@example.com', name });

documentStoreContract('SQLite', async () => {
  const file = join(directory(), 'documents.db');
  let store = new SqliteDocumentStore(file, log);
  return {
    store,
    reopen: async () => {
      store.close();
      store = new SqliteDocumentStore(file, log);
      return store;
    },
    close: async () => store.close(),
  };
});

describe('documents in SQLite', () => {
  it('gives the same object again for a document that did not change', async () => {
    const store = new SqliteDocumentStore(join(directory(), 'documents.db'), log);
    await store.write({ key: key('index'), expected: undefined, text: '<a/>' });
    expect(store.get(key('index'))).toBeDefined();
    expect(store.get(key('index'))).toBe(store.get(key('index')));
    expect(store.list('resource-lists', 'sip:alice@example.com')[0]).toBe(store.get(key('index')));
    store.close();
  });

  it('commits all writes of one turn in one transaction, together with their rows of the change feed', async () => {
    const file = join(directory(), 'documents.db');
    const store = new SqliteDocumentStore(file, log);
    const reader = new Database(file, { readonly: true });
    const versions = new Set<unknown>([reader.pragma('data_version', { simple: true })]);
    store.onChange(() => versions.add(reader.pragma('data_version', { simple: true })));
    const changes = await Promise.all(
      ['a', 'b', 'c'].map((name) => store.write({ key: key(name), expected: undefined, text: `<${name}/>` })),
    );
    expect(versions.size).toBe(2);
    const rows = reader.prepare('SELECT seq, auid, xui, name, previous_etag, new_etag FROM changes ORDER BY seq').all();
    expect(rows).toEqual(
      changes.map((change) => {
        if (change === 'stale') throw new Error('stale');
        return { seq: change.seq, ...change.key, previous_etag: null, new_etag: change.newEtag };
      }),
    );
    reader.close();
    store.close();
  });

  it('rejects while the file is locked, with nothing half done, and goes on afterwards', async () => {
    const file = join(directory(), 'documents.db');
    const store = new SqliteDocumentStore(file, log);
    const heard: number[] = [];
    store.onChange(({ seq }) => heard.push(seq));
    const other = new Database(file);
    other.exec('BEGIN IMMEDIATE');
    const refused = await Promise.allSettled(['a', 'b'].map((name) => store.write({ key: key(name), expected: undefined, text: '<a/>' })));
    expect(refused.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(store.get(key('a'))).toBeUndefined();
    expect(heard).toEqual([]);
    other.exec('ROLLBACK');
    other.close();
    expect(await store.write({ key: key('a'), expected: undefined, text: '<a/>' })).toMatchObject({ seq: 1 });
    expect(heard).toEqual([1]);
    store.close();
  });

  it('rejects when the disk is full, with nothing half done, and takes what fits afterwards', async () => {
    const file = join(directory(), 'documents.db');
    const store = new SqliteDocumentStore(file, log);
    // The page limit stands in for the disk: SQLite reports SQLITE_FULL for both.
    const database = (store as unknown as { database: Database.Database }).database;
    database.pragma('max_page_count = 20');
    const outcomes = await Promise.allSettled(
      ['a', 'b'].map((name) => store.write({ key: key(name), expected: undefined, text: 'x'.repeat(100_000) })),
    );
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(String((outcomes[0] as PromiseRejectedResult).reason)).toMatch(/full/);
    expect(store.listAll('resource-lists')).toEqual([]);
    expect(await store.write({ key: key('a'), expected: undefined, text: '<a/>' })).toMatchObject({ seq: 1 });
    store.close();
  });

  it('keeps the newest 100000 changes', async () => {
    const file = join(directory(), 'documents.db');
    new SqliteDocumentStore(file, log).close();
    const seed = new Database(file);
    seed.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 101999)
      INSERT INTO changes (seq, auid, xui, name, at) SELECT i, 'a', 'b', 'c', 0 FROM n`);
    seed.close();
    const store = new SqliteDocumentStore(file, log);
    expect(await store.write({ key: key('a'), expected: undefined, text: '<a/>' })).toMatchObject({ seq: 102_000 });
    store.close();
    const reader = new Database(file, { readonly: true });
    expect(reader.prepare('SELECT min(seq) AS min, max(seq) AS max, count(*) AS count FROM changes').get()).toEqual({
      min: 2001,
      max: 102_000,
      count: 100_000,
    });
    reader.close();
  });

  it('refuses a database of a newer version in one line', () => {
    const file = join(directory(), 'documents.db');
    new SqliteDocumentStore(file, log).close();
    const database = new Database(file);
    database.pragma('user_version = 99');
    database.close();
    expect(() => new SqliteDocumentStore(file, log)).toThrow(/^[^\n]*newer Rollcall \(schema 99[^\n]*$/);
  });

  it('has every acknowledged write after kill -9, again and again', { timeout: 60_000 }, async () => {
    const data = directory();
    for (let run = 0; run < 5; run++) {
      const acknowledged = await killWriter('documents', data, run, 30 + run * 37);
      expect(acknowledged.size).toBe(3);
      const store = new SqliteDocumentStore(join(data, 'documents.db'), log);
      for (const [name, [, round, etag]] of acknowledged) {
        const stored = store.get({ auid: 'resource-lists', xui: `sip:run${run}@example.com`, name });
        const storedRound = Number(stored?.text.slice(3, -4));
        // A write may be durable without its acknowledgement having left the process, never the other way round.
        expect(storedRound).toBeGreaterThanOrEqual(Number(round));
        if (storedRound === Number(round)) expect(stored?.etag).toBe(etag);
      }
      store.close();
      const reader = new Database(join(data, 'documents.db'), { readonly: true });
      const unfed = reader.prepare(
        'SELECT count(*) FROM documents WHERE etag NOT IN (SELECT new_etag FROM changes WHERE new_etag IS NOT NULL)',
      );
      expect(unfed.pluck().get()).toBe(0);
      reader.close();
    }
  });
});
