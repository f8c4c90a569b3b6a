import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, sep } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '..');
/** In the order of layers: each may import from those before it. */
const FOLDERS = ['schemas', 'xcap', 'sip', 'server'];
const SIP_FOLDERS = [
  'message',
  'transport',
  'transaction',
  'dialog',
  'core',
  'events',
  'presence',
  'services',
  'packages',
  'rls',
  'node-options.ts',
  'node.ts',
];
const MAX_LINES = 400;

interface Import {
  readonly target: string;
  readonly typesOnly: boolean;
}

interface Source {
  readonly path: string;
  readonly text: string;
  readonly imports: readonly Import[];
}

const sources: readonly Source[] = FOLDERS.flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => read(`${folder}/${name.split(sep).join('/')}`)),
);

function read(path: string): Source {
  const text = readFileSync(join(ROOT, path), 'utf8');
  const imports: Import[] = [];
  const statement = /^\s*(?:import|export)\b(\s+type\b)?([^'"`;]*?)(?:\bfrom\s*)?['"](\.{1,2}\/[^'"]+)['"]/gm;
  for (const [, type, names = '', specifier = ''] of text.matchAll(statement)) {
    const braced = /^\s*\{([^}]*)\}\s*$/.exec(names)?.[1];
    const eachIsType = braced?.split(',').every((name) => name.trim() === '' || name.trim().startsWith('type ')) ?? false;
    imports.push({ target: resolveImport(path, specifier), typesOnly: type !== undefined || eachIsType });
  }
  for (const [, specifier = ''] of text.matchAll(/\bimport\(\s*['"](\.{1,2}\/[^'"]+)['"]\s*\)/g)) {
    imports.push({ target: resolveImport(path, specifier), typesOnly: false });
  }
  return { path, text, imports };
}

function resolveImport(from: string, specifier: string): string {
  return normalize(join(dirname(from), specifier))
    .split(sep)
    .join('/');
}

/** All imports that a rule forbids, as `from -> to`. */
function forbidden(rule: (from: string, imported: Import) => boolean): string[] {
  return sources.flatMap(({ path, imports }) =>
    imports.filter((imported) => rule(path, imported)).map(({ target }) => `${path} -> ${target}`),
  );
}

const folderOf = (path: string) => path.slice(0, path.indexOf('/'));
const sipLayer = (path: string) => SIP_FOLDERS.indexOf(path.split('/')[1] ?? '');

describe('architecture', () => {
  it('reads the sources and their imports', () => {
    for (const folder of FOLDERS) expect(sources.some(({ path }) => folderOf(path) === folder)).toBe(true);
    const composition = sources.find(({ path }) => path === 'server/server.ts');
    expect(composition?.imports).toContainEqual({ target: 'sip/node.ts', typesOnly: false });
    expect(composition?.imports).toContainEqual({ target: 'server/config-keys.ts', typesOnly: true });
    const known = new Set(sources.map(({ path }) => path));
    expect(forbidden((_, { target }) => target.endsWith('.ts') && !known.has(target))).toEqual([]);
  });

  it('has imports only from a folder to itself and to those before it: schemas, xcap, sip, server', () => {
    expect(forbidden((_from, { target }) => FOLDERS.indexOf(folderOf(target)) < 0 && target.endsWith('.ts'))).toEqual([]);
    expect(forbidden((from, { target }) => FOLDERS.indexOf(folderOf(target)) > FOLDERS.indexOf(folderOf(from)))).toEqual([]);
  });

  it('lets sip take from xcap only the types of the document store', () => {
    const isAllowed = ({ target, typesOnly }: Import) => target === 'xcap/document-store.ts' && typesOnly;
    expect(forbidden((from, imported) => folderOf(from) === 'sip' && folderOf(imported.target) === 'xcap' && !isAllowed(imported))).toEqual(
      [],
    );
  });

  it('has the layers of sip in order: each imports from itself and from those before it', () => {
    const unknown = sources.filter(({ path }) => folderOf(path) === 'sip' && sipLayer(path) < 0).map(({ path }) => path);
    expect(unknown).toEqual([]);
    expect(
      forbidden((from, { target }) => folderOf(from) === 'sip' && folderOf(target) === 'sip' && sipLayer(target) > sipLayer(from)),
    ).toEqual([]);
  });

  it('keeps services and event packages apart', () => {
    const layerOf = (path: string) => path.split('/')[1] ?? '';
    const apart = (a: string, b: string) => layerOf(a) === 'services' && ['packages', 'rls'].includes(layerOf(b));
    expect(forbidden((from, { target }) => apart(from, target) || apart(target, from))).toEqual([]);
  });

  it('has no cycles, type imports included', () => {
    const importsOf = new Map(sources.map(({ path, imports }) => [path, imports.map(({ target }) => target)]));
    const cycles: string[] = [];
    const done = new Set<string>();
    const visit = (path: string, way: readonly string[]): void => {
      if (way.includes(path)) cycles.push([...way.slice(way.indexOf(path)), path].join(' -> '));
      if (done.has(path)) return;
      done.add(path);
      for (const target of importsOf.get(path) ?? []) visit(target, [...way, path]);
    };
    for (const { path } of sources) visit(path, []);
    expect(cycles).toEqual([]);
  });

  it('has no other folders with sources', () => {
    const allowed = new Set([...FOLDERS, 'test', 'dist', 'data', 'node_modules', 'coverage']);
    const folders = readdirSync(ROOT, { withFileTypes: true }).filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'));
    const holdsSources = (name: string) =>
      readdirSync(join(ROOT, name), { recursive: true, encoding: 'utf8' }).some((file) => /\.[cm]?[jt]s$/.test(file));
    expect(folders.map(({ name }) => name).filter((name) => !allowed.has(name) && holdsSources(name))).toEqual([]);
  });

  it(`has no file over ${MAX_LINES} lines`, () => {
    const long = sources.map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 })).filter(({ lines }) => lines > MAX_LINES);
    expect(long).toEqual([]);
  });

  it('names files in kebab case, none of them after nothing in particular, and has no barrels', () => {
    const paths = sources.map(({ path }) => path);
    expect(paths.filter((path) => !/^(?:[a-z0-9]+(?:-[a-z0-9]+)*\/)+[a-z0-9]+(?:-[a-z0-9]+)*\.ts$/.test(path))).toEqual([]);
    expect(paths.filter((path) => /(?:^|[/-])(?:utils?|helpers?|misc|common)\.ts$/.test(path))).toEqual([]);
    expect(sources.filter(({ text }) => /^export \*/m.test(text)).map(({ path }) => path)).toEqual([]);
  });
});
