import type { Logger } from 'pino';
import type { StateStore, StateTable } from '../../../sip/core/state-store.ts';
import { type Database, openDatabase } from './database.ts';

/** Waiting times before a failed commit is tried again, in milliseconds; after the last the callbacks run regardless. */
const RETRY_DELAYS = [50, 250, 1000] as const;
/** Records held for a storage that does not take them; past this the oldest are given up. */
const OUTSTANDING_LIMIT = 250_000;

/**
 * A log: the row with the highest n says what a record is now; a NULL record says that it is gone. Appended rows share pages, where
 * rows in the order of their random identifiers would each have cost a page of the write-ahead log.
 */
const MIGRATIONS = ['CREATE TABLE state (n INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, record TEXT)'];
/** KiB: rows are appended, and read once, at start; pages that are full need not stay in memory. */
const CACHE_SIZE = 1024;
/** Rows that no longer say anything are removed so many at a time, once there are as many and as there are records. */
const SWEEP = 2000;

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
  private lastRow = 0;
  private records = 0;
  /** Rows that a later one has made void, in no order. */
  private dead: number[] = [];
  private scheduled = false;
  private failures = 0;
  private retry: NodeJS.Timeout | undefined;

  /** Opens (or makes) the database; throws StorageError when that cannot be done. */
  constructor(file: string, log: Logger) {
    this.log = log;
    this.database = openDatabase({ file, synchronous: 'NORMAL', migrations: MIGRATIONS, cacheSize: CACHE_SIZE });
    this.statements = prepare(this.database);
    for (const { n, kind, id, gone } of this.statements.rows.all()) {
      this.lastRow = n;
      this.append(this.tableOf(kind), id, gone === 0, n);
    }
  }

  table<T>(name: string): StateTable<T> {
    return this.tableOf(name) as StateTable<unknown> as StateTable<T>;
  }

  private tableOf(name: string): SqliteStateTable<unknown> {
    let table = this.tables.get(name);
    if (!table) {
      table = new SqliteStateTable(this.load(name), () => this.noteOutstanding());
      this.tables.set(name, table);
    }
    return table;
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
    const tableOf = (name: string) => this.tableOf(name);
    return function* () {
      commit();
      const rows = tableOf(kind).rows;
      for (const { n, id, record } of statements.load.all(kind)) {
        if (rows.get(id) !== n) continue;
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
    const batch: Appended[] = [];
    let swept = 0;
    try {
      this.statements.begin.run();
      let n = this.lastRow;
      for (const [kind, table] of this.tables) {
        for (const [id, record] of table.outstanding) {
          const text = this.textOf(kind, id, record);
          // What came and went within one batch, or is not there, leaves no trace.
          if (text === undefined || (text === null && !table.rows.has(id))) continue;
          this.statements.append.run(++n, kind, id, text);
          batch.push({ table, id, kept: text !== null, n });
        }
      }
      swept = this.sweep();
      this.statements.commit.run();
    } catch (error) {
      this.fail(error);
      return;
    }
    this.dead.splice(0, swept);
    for (const { table, id, kept, n } of batch) {
      this.lastRow = n;
      this.append(table, id, kept, n);
    }
    // New maps: one that is cleared leaves a table that points to its next, and keeps its records alive as long as it lives itself.
    for (const table of this.tables.values()) if (table.outstanding.size > 0) table.outstanding = new Map();
    this.outstanding = 0;
    this.failures = 0;
    this.runCallbacks();
  }

  /** Takes note of a row that is now the last word on its record. */
  private append({ rows }: SqliteStateTable<unknown>, id: string, kept: boolean, n: number): void {
    const before = rows.get(id);
    if (before !== undefined) this.dead.push(before);
    if (kept) {
      rows.set(id, n);
      if (before === undefined) this.records++;
    } else {
      rows.delete(id);
      this.dead.push(n);
      if (before !== undefined) this.records--;
    }
  }

  /** Removes void rows, the oldest first: a row that says "gone" must not go before what it has made void. Gives their number. */
  private sweep(): number {
    if (this.dead.length < SWEEP || this.dead.length < this.records) return 0;
    this.dead.sort((a, b) => a - b);
    const swept = this.dead.slice(0, SWEEP);
    // Where few records are written again and again, nearly all rows of a time are void: they go by runs.
    let first = 0;
    for (let i = 1; i <= swept.length; i++) {
      const before = swept[i - 1] ?? 0;
      if (swept[i] === before + 1) continue;
      this.statements.remove.run(swept[first] ?? before, before);
      first = i;
    }
    return swept.length;
  }

  /** JSON, null for a record that is gone, undefined for one that cannot be stored. */
  private textOf(kind: string, id: string, record: unknown): string | null | undefined {
    if (record === undefined) return null;
    try {
      return JSON.stringify(record);
    } catch (error) {
      // One record that is no JSON must not keep all others from the disk.
      this.log.error({ err: error, kind, id }, 'state: a record that is no plain JSON is left out');
      return undefined;
    }
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
  outstanding = new Map<string, T | undefined>();
  /** The row of each record that is stored. */
  readonly rows = new Map<string, number>();
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
    rows: database.prepare<[], { n: number; kind: string; id: string; gone: number }>(
      'SELECT n, kind, id, record IS NULL AS gone FROM state ORDER BY n',
    ),
    load: database.prepare<[string], { n: number; id: string; record: string }>(
      'SELECT n, id, record FROM state WHERE kind = ? AND record IS NOT NULL ORDER BY n',
    ),
    append: database.prepare<[number, string, string, string | null]>('INSERT INTO state (n, kind, id, record) VALUES (?, ?, ?, ?)'),
    remove: database.prepare<[number, number]>('DELETE FROM state WHERE n BETWEEN ? AND ?'),
  };
}

/** A row written in a transaction that is under way. */
interface Appended {
  readonly table: SqliteStateTable<unknown>;
  readonly id: string;
  readonly kept: boolean;
  readonly n: number;
}
