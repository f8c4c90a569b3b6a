import type { CallCondition } from '../../schemas/simservs.ts';
import { type Steps, settled, turn } from '../../schemas/turns.ts';
import type { MaybePromise } from '../../xcap/document-store.ts';

/** Where the lists are that rules may refer to: their owner's own. */
export const LIST_AUID = 'resource-lists';
/** Lists that the rules of one user may refer to; of others the members are not known. */
const LIST_LIMIT = 50;

/**
 * Canonical addresses of the members of the list with an XCAP URI, if it is one of the owner's: nobody where there is no such list, undefined
 * where it cannot be read.
 */
export type ListMembers = (uri: string, owner: string) => MaybePromise<Iterable<string> | undefined>;

/** The lists that rules refer to. */
export interface ReferredLists {
  /** Members by the lists' URIs. */
  readonly lists: ReadonlyMap<string, ReadonlySet<string>>;
  /** URIs of those whose members are not known; they have none. */
  readonly unread: readonly string[];
}

const NO_LISTS: ReferredLists = { lists: new Map(), unread: [] };

/** Reads the lists that conditions of the owner's rules refer to. */
export function* referredLists(
  rules: readonly { readonly conditions: readonly CallCondition[] }[],
  owner: string,
  membersOf: ListMembers,
): Steps<ReferredLists> {
  const uris = new Set<string>();
  for (const { conditions } of rules) {
    for (const condition of conditions) {
      if (condition.kind === 'external-list') for (const uri of condition.anchors) uris.add(uri);
    }
  }
  if (uris.size === 0) return NO_LISTS;
  const lists = new Map<string, ReadonlySet<string>>();
  const unread: string[] = [...uris].slice(LIST_LIMIT);
  for (const uri of [...uris].slice(0, LIST_LIMIT)) {
    // A list can be as long as a document: nobody else waits for more than one.
    if (lists.size > 0) yield turn();
    const members = yield* settled(membersOf(uri, owner));
    lists.set(uri, new Set(members));
    if (!members) unread.push(uri);
  }
  return { lists, unread };
}
