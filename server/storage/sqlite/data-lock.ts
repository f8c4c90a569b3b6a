import { join } from 'node:path';
import Database from 'better-sqlite3';
import { StorageError } from './database.ts';

/**
 * Claims the data directory for this process: two servers on one directory would each answer from a memory the other does not see.
 * The lock is the operating system's, so it ends with the process however that dies; the databases stay readable for backups.
 * Returns what gives it up; throws StorageError when another server holds it or the directory cannot be written.
 */
export function lockDataDirectory(directory: string): () => void {
  let lock: Database.Database | undefined;
  try {
    lock = new Database(join(directory, 'server.lock'), { timeout: 0 });
    lock.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    lock?.close();
    if (error instanceof Database.SqliteError && error.code === 'SQLITE_BUSY') {
      throw new StorageError(`the data directory ${directory} is in use by another server`);
    }
    throw new StorageError(`cannot use the data directory ${directory}: ${error instanceof Error ? error.message : String(error)}`);
  }
  const held = lock;
  return () => held.close();
}
