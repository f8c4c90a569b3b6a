import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { StorageError } from './sqlite/database.ts';

/** Makes the directory of the databases, for its owner only; throws StorageError. */
export function makeDataDirectory(directory: string): void {
  try {
    make(directory);
  } catch (error) {
    throw new StorageError(`cannot make the data directory ${directory}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Level by level: where the system says ENOENT to the last one (/proc does), mkdirSync's own recursion never ends. */
function make(directory: string): void {
  if (existsSync(directory)) return;
  const parent = dirname(directory);
  if (parent !== directory) make(parent);
  mkdirSync(directory, { mode: 0o700 });
}
