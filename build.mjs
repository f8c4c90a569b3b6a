// Compiles the TypeScript sources to dist/ and copies the schema files beside them.
// Leaves everything as it is when no source is newer than the last build.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(fileURLToPath(import.meta.url));
const dist = join(root, 'dist');
const stamp = join(dist, '.built');
const sources = ['server', 'sip', 'xcap', 'schemas', 'test', 'package.json', 'tsconfig.json', 'build.mjs'];

function newest(path) {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return 0;
  if (!stat.isDirectory()) return stat.mtimeMs;
  return readdirSync(path).reduce((latest, name) => Math.max(latest, newest(join(path, name))), stat.mtimeMs);
}

const built = statSync(stamp, { throwIfNoEntry: false })?.mtimeMs ?? 0;
if (Math.max(...sources.map((name) => newest(join(root, name)))) > built) {
  const started = Date.now();
  rmSync(dist, { recursive: true, force: true });
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
  const { status } = spawnSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.json')], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
  mkdirSync(dist, { recursive: true });
  cpSync(join(root, 'schemas/xsd'), join(dist, 'schemas/xsd'), { recursive: true });
  writeFileSync(stamp, '');
  // A source edited while the compiler ran must count as newer than this build.
  const { utimesSync } = await import('node:fs');
  utimesSync(stamp, started / 1000, started / 1000);
}
