import type { CallCondition } from '../../schemas/simservs.ts';
import { turn } from '../../schemas/turns.ts';
import type { MaybePromise } from '../../xcap/document-store.ts';

/** Where the lists are that rules may refer to: their owner's own. */
export const LIST_AUID = 'resource-lists';
/** Lists that the rules of one user may refer to; others have no members. */
const LIST_LIMIT = 50;

/** Canonical addresses of the members of the list with an XCAP URI, if it is one of the owner's. */
export type ListMembers = (uri: string, owner: string) => MaybePromise<Iterable<string>>;

/** Reads the lists that conditions of the owner's rules refer to: members by the lists' URIs. */
export async function referredLists(
  rules: readonly { readonly conditions: readonly CallCondition[] }[],
  owner: string,
  membersOf: ListMembers,
): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const uris = new Set<string>();
  for (const { conditions } of rules) {
    for (const condition of conditions) {
      if (condition.kind === 'external-list') for (const uri of condition.anchors) uris.add(uri);
    }
  }
  const lists = new Map<string, ReadonlySet<string>>();
  for (const uri of [...uris].slice(0, LIST_LIMIT)) {
    // A list can be as long as a document: nobody else waits for more than one.
    if (lists.size > 0) await turn();
    lists.set(uri, new Set(await membersOf(uri, owner)));
  }
  return lists;
}
