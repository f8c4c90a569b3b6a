import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The version in package.json, which stands above both the sources and their compiled form. */
export function readVersion(): string {
  for (const above of ['..', '../..']) {
    try {
      const { name, version } = JSON.parse(readFileSync(join(import.meta.dirname, above, 'package.json'), 'utf8'));
      if (name === 'rollcall') return String(version);
    } catch {
      // Not this far up.
    }
  }
  return 'unknown';
}
