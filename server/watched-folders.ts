import { readlinkSync } from 'node:fs';
import { dirname, join, parse, resolve, sep } from 'node:path';

/** Links on one path, and links that these lead to, that are followed; as many as Linux does. */
const MOST_LINKS = 40;

/**
 * The folders in which a change can make a path lead to another file: the one that holds the file, those that hold links on the way there,
 * and, where something on the way is not there, the one that it would be in.
 */
export function foldersOnTheWay(path: string): Set<string> {
  const folders = new Set<string>();
  let rest = resolve(path);
  for (let links = 0; links <= MOST_LINKS; links++) {
    const link = firstLink(rest);
    folders.add(link.folder);
    if (link.target === undefined) break;
    rest = link.target;
  }
  return folders;
}

/** The first link on the path: what holds it, and the path as it is with what it leads to in its place; without one, what holds the end. */
function firstLink(path: string): { folder: string; target?: string } {
  const { root } = parse(path);
  const names = path.slice(root.length).split(sep);
  let folder = root;
  for (const [i, name] of names.entries()) {
    const next = join(folder, name);
    try {
      return { folder, target: resolve(folder, readlinkSync(next), ...names.slice(i + 1)) };
    } catch (error) {
      // EINVAL: it is there and no link.
      if (!(error instanceof Error && 'code' in error && error.code === 'EINVAL')) return { folder };
    }
    folder = next;
  }
  return { folder: dirname(path) };
}
