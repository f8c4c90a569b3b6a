// Compiles the TypeScript sources to dist/ and copies the schema files beside them.
// Leaves everything as it is when no source is newer than the last build.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
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
  const started = Date.now() / 1000;
  // Built aside and moved into place, so that whoever runs dist/ meanwhile finds it whole.
  const fresh = join(root, `dist.${process.pid}`);
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
  const { status } = spawnSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.json'), '--outDir', fresh], { stdio: 'inherit' });
  if (status !== 0) {
    rmSync(fresh, { recursive: true, force: true });
    process.exit(status ?? 1);
  }
  cpSync(join(root, 'schemas/xsd'), join(fresh, 'schemas/xsd'), { recursive: true });
  const freshStamp = join(fresh, '.built');
  writeFileSync(freshStamp, '');
  // A source edited while the compiler ran must count as newer than this build.
  utimesSync(freshStamp, started, started);
  const old = join(root, `dist.${process.pid}.old`);
  if (existsSync(dist)) renameSync(dist, old);
  renameSync(fresh, dist);
  rmSync(old, { recursive: true, force: true });
}
