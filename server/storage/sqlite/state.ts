import type { Logger } from 'pino';
import type { StateStore, StateTable } from '../../../sip/core/state-store.ts';
import { type Database, openDatabase } from './database.ts';

/** Waiting times before a failed commit is tried again, in milliseconds; after the last the callbacks run regardless. */
const RETRY_DELAYS = [50, 250, 1000] as const;
/** Records held for a storage that does not take them; past this the oldest are given up. */
const OUTSTANDING_LIMIT = 250_000;

const MIGRATIONS = [
  'CREATE TABLE state (kind TEXT NOT NULL, id TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID',
];

/**
 * Registrations, publications and subscriptions in one SQLite file, written behind: what one turn of the event loop puts and deletes
 * is committed at its end, each record once, in one transaction. A commit survives the death of the process (synchronous=NORMAL).
 */
export class SqliteStateStore implements StateStore {
  private readonly database: Database;
  private readonly log: Logger;
  private readonly statements: Statements;
  private readonly tables = new Map<string, SqliteStateTable<unknown>>();
  private callbacks: (() => void)[] = [];
  private outstanding = 0;
  private scheduled = false;
  private failures = 0;
  private retry: NodeJS.Timeout | undefined;

  /** Opens (or makes) the database; throws StorageError when that cannot be done. */
  constructor(file: string, log: Logger) {
    this.log = log;
    this.database = openDatabase({ file, synchronous: 'NORMAL', migrations: MIGRATIONS });
    this.statements = prepare(this.database);
  }

  table<T>(name: string): StateTable<T> {
    let table = this.tables.get(name);
    if (!table) {
      table = new SqliteStateTable(this.load(name), () => this.noteOutstanding());
      this.tables.set(name, table);
    }
    return table as StateTable<unknown> as StateTable<T>;
  }

  afterCommit(callback: () => void): void {
    if (this.outstanding === 0) callback();
    else {
      this.callbacks.push(callback);
      this.schedule();
    }
  }

  /** Commits what is outstanding and closes the file. */
  close(): void {
    clearTimeout(this.retry);
    this.retry = undefined;
    this.commit();
    clearTimeout(this.retry);
    this.runCallbacks();
    this.database.close();
  }

  private load(kind: string): () => Iterable<readonly [string, unknown]> {
    const { log, statements } = this;
    const commit = () => this.commit();
    return function* () {
      commit();
      for (const { id, record } of statements.load.all(kind)) {
        let value: unknown;
        try {
          value = JSON.parse(record);
        } catch {
          log.error({ kind, id }, 'state: an unreadable record is left out');
          continue;
        }
        yield [id, value] as const;
      }
    };
  }

  private noteOutstanding(): void {
    this.outstanding++;
    this.schedule();
  }

  private schedule(): void {
    if (this.scheduled || this.retry) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      this.commit();
    });
  }

  private commit(): void {
    if (this.outstanding === 0 || this.retry) return;
    try {
      this.statements.begin.run();
      for (const [kind, table] of this.tables) {
        for (const [id, record] of table.outstanding) this.write(kind, id, record);
      }
      this.statements.commit.run();
    } catch (error) {
      this.fail(error);
      return;
    }
    for (const table of this.tables.values()) table.outstanding.clear();
    this.outstanding = 0;
    this.failures = 0;
    this.runCallbacks();
  }

  private write(kind: string, id: string, record: unknown): void {
    if (record === undefined) {
      this.statements.remove.run(kind, id);
      return;
    }
    let text: string;
    try {
      text = JSON.stringify(record);
    } catch (error) {
      // One record that is no JSON must not keep all others from the disk.
      this.log.error({ err: error, kind, id }, 'state: a record that is no plain JSON is left out');
      return;
    }
    this.statements.put.run(kind, id, text);
  }

  /** Nothing of the batch is stored; it stays outstanding, with what is put meanwhile, and is tried again. */
  private fail(error: unknown): void {
    try {
      if (this.database.inTransaction) this.statements.rollback.run();
    } catch (again) {
      this.log.error({ err: again }, 'state: the failed transaction could not be rolled back');
    }
    const delay = RETRY_DELAYS[this.failures];
    this.failures++;
    this.log.error({ err: error, records: this.outstanding, retryIn: delay }, 'state could not be stored');
    if (delay !== undefined) {
      this.retry = setTimeout(() => {
        this.retry = undefined;
        this.commit();
      }, delay);
      return;
    }
    // Answers must not wait for a disk that stays full: until a commit succeeds again, each batch is tried once.
    this.giveUpOldest();
    this.runCallbacks();
  }

  private giveUpOldest(): void {
    let count = 0;
    for (const table of this.tables.values()) count += table.outstanding.size;
    const given = Math.max(0, count - OUTSTANDING_LIMIT);
    let left = given;
    for (const table of this.tables.values()) {
      for (const id of table.outstanding.keys()) {
        if (left === 0) break;
        table.outstanding.delete(id);
        left--;
      }
    }
    if (given > 0) this.log.error({ records: given }, 'state: the oldest unstored records are given up');
  }

  private runCallbacks(): void {
    const callbacks = this.callbacks;
    if (callbacks.length === 0) return;
    this.callbacks = [];
    for (const callback of callbacks) {
      try {
        callback();
      } catch (error) {
        this.log.error({ err: error }, 'state: what followed a commit failed');
      }
    }
  }
}

class SqliteStateTable<T> implements StateTable<T> {
  /** What is to be stored by id, in order of arrival; undefined deletes. */
  readonly outstanding = new Map<string, T | undefined>();
  readonly load: () => Iterable<readonly [string, T]>;
  private readonly changed: () => void;

  constructor(load: () => Iterable<readonly [string, T]>, changed: () => void) {
    this.load = load;
    this.changed = changed;
  }

  put(id: string, record: T): void {
    this.outstanding.set(id, record);
    this.changed();
  }

  delete(id: string): void {
    this.outstanding.set(id, undefined);
    this.changed();
  }
}

type Statements = ReturnType<typeof prepare>;

function prepare(database: Database) {
  return {
    begin: database.prepare('BEGIN IMMEDIATE'),
    commit: database.prepare('COMMIT'),
    rollback: database.prepare('ROLLBACK'),
    load: database.prepare<[string], { id: string; record: string }>('SELECT id, record FROM state WHERE kind = ?'),
    put: database.prepare<[string, string, string]>(
      'INSERT INTO state (kind, id, record) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET record = excluded.record',
    ),
    remove: database.prepare<[string, string]>('DELETE FROM state WHERE kind = ? AND id = ?'),
  };
}
