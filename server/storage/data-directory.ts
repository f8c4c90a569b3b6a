import { mkdirSync } from 'node:fs';
import { StorageError } from './sqlite/database.ts';

/** Makes the directory of the databases, for its owner only; throws StorageError. */
export function makeDataDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new StorageError(`cannot make the data directory ${directory}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
