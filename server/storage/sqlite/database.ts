import { closeSync, openSync } from 'node:fs';
import Database from 'better-sqlite3';

export type { Database } from 'better-sqlite3';

/** The storage cannot be used; the message is one line for an admin. */
export class StorageError extends Error {
  override readonly name = 'StorageError';
}

export interface DatabaseLayout {
  readonly file: string;
  /** FULL: a commit survives the loss of power. NORMAL: it survives the death of the process. */
  readonly synchronous: 'FULL' | 'NORMAL';
  /** SQL that takes the schema from version i to i + 1; the version is kept in `user_version`. */
  readonly migrations: readonly string[];
  /** How long to wait for another process's write, in milliseconds. */
  readonly busyTimeout?: number;
  /** Most KiB of pages held in memory; without it 16 000. */
  readonly cacheSize?: number;
}

/**
 * Opens a database in WAL mode, readable by its owner only, and brings its schema up to date.
 * Throws StorageError when the file cannot be opened, is no database, or was written by a newer version.
 */
export function openDatabase(layout: DatabaseLayout): Database.Database {
  let database: Database.Database | undefined;
  try {
    closeSync(openSync(layout.file, 'a', 0o600));
    database = new Database(layout.file, { timeout: layout.busyTimeout ?? 1000 });
    database.pragma('journal_mode = WAL');
    database.pragma(`synchronous = ${layout.synchronous}`);
    // What a large batch made of the log is given back to the disk at the next checkpoint.
    database.pragma('journal_size_limit = 16777216');
    if (layout.cacheSize !== undefined) database.pragma(`cache_size = ${-layout.cacheSize}`);
    migrate(database, layout);
    return database;
  } catch (error) {
    database?.close();
    if (error instanceof StorageError) throw error;
    throw new StorageError(`cannot open ${layout.file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function migrate(database: Database.Database, { file, migrations }: DatabaseLayout): void {
  const known = migrations.length;
  const version = () => database.pragma('user_version', { simple: true }) as number;
  if (version() > known) {
    throw new StorageError(`${file} was written by a newer Rollcall (schema ${version()}, this one knows ${known})`);
  }
  if (version() === known) return;
  // The version is read again under the write lock: another process may have brought the schema up to date meanwhile.
  database
    .transaction(() => {
      for (let next = version(); next < known; next++) {
        database.exec(migrations[next] ?? '');
        database.pragma(`user_version = ${next + 1}`);
      }
    })
    .immediate();
}
