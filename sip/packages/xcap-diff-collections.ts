/** What a watcher may see of a collection (RFC 5875 4.1, 4.7): what it holds now, and where new documents of it come up. */
import type { MaybePromise } from '../../xcap/document-store.ts';
import type { Listed, XcapCollection, XcapResources } from './xcap-resources.ts';

/** Documents that one subscription follows. */
export const MAX_DOCUMENTS = 2000;

/** Its documents, but for those that the watcher can never read, so that they need not be looked at either. */
export function listedIn({ auid, tree, xui }: XcapCollection, watcher: string, resources: XcapResources): MaybePromise<readonly Listed[]> {
  const lists: MaybePromise<readonly Listed[]>[] = [];
  if (xui !== undefined) lists.push(resources.list(auid, xui));
  else {
    if (tree !== 'global') {
      lists.push(resources.readsOthers(watcher, auid) ? resources.listAll(auid, MAX_DOCUMENTS) : resources.list(auid, watcher));
    }
    if (tree !== 'users') lists.push(resources.list(auid, undefined));
  }
  const known: Listed[] = [];
  for (const list of lists) {
    if (list instanceof Promise) return Promise.all(lists).then((all) => all.flat());
    known.push(...list);
  }
  return known;
}

/** Names of the places where documents of it come up that the watcher may read. */
export function treesOf({ auid, tree, xui }: XcapCollection, watcher: string, resources: XcapResources): string[] {
  if (xui !== undefined) return [treeId(auid, xui)];
  const trees = tree === 'users' ? [] : [treeId(auid, undefined)];
  return tree === 'global' ? trees : [...trees, resources.readsOthers(watcher, auid) ? everyTreeId(auid) : treeId(auid, watcher)];
}

/** The places where the documents of a user (or, with undefined, of the global tree) come up. */
export function placesOf(auid: string, xui: string | undefined): string[] {
  return [treeId(auid, xui), everyTreeId(auid)];
}

function treeId(auid: string, xui: string | undefined): string {
  return xui === undefined ? `${auid}//` : `${auid}/${xui}`;
}

function everyTreeId(auid: string): string {
  return `${auid}/*`;
}
