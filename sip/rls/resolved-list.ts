/** What a service's list comes to: its members in order, each once. */
import { addressHost, canonicalAddress } from '../../schemas/address.ts';
import type { DisplayName } from '../../schemas/display-name.ts';
import type { ListItem, ResourceList } from '../../schemas/resource-lists.ts';
import type { Service } from '../../schemas/rls-services.ts';
import type { DocumentKey, MaybePromise } from '../../xcap/document-store.ts';

/** Where services and lists are found; implemented over the XCAP documents. */
export interface ListDirectory {
  /** The service of a canonical URI, if it is one. */
  find(uri: string): { readonly owner: string; readonly service: Service } | undefined;
  /**
   * The list that the owner's service refers to by an absolute XCAP URI, and the document it stands in;
   * `list` is undefined when there is no such list (any more).
   */
  resolve(anchor: string, owner: string): MaybePromise<{ readonly key: DocumentKey; readonly list: ResourceList | undefined } | undefined>;
}

export interface ListMember {
  /** As the list writes it. */
  readonly uri: string;
  readonly canonical: string;
  readonly names: readonly DisplayName[];
}

export interface ResolvedList {
  /** As the service writes it. */
  readonly uri: string;
  readonly owner: string;
  readonly names: readonly DisplayName[];
  readonly packages: readonly string[];
  readonly members: readonly ListMember[];
  /** The document that a change of the members would be made in, besides the service's own. */
  readonly source: DocumentKey | undefined;
}

/** Members of one list that are watched; the rest is named without state. */
export const MEMBER_LIMIT = 2000;

/** Undefined when no service has this canonical URI. */
export async function resolveList(uri: string, directory: ListDirectory): Promise<ResolvedList | undefined> {
  const found = directory.find(uri);
  if (!found) return undefined;
  const { owner, service } = found;
  const referred = service.resourceList === undefined ? undefined : await directory.resolve(service.resourceList, owner);
  const list = service.list ?? referred?.list;
  return {
    uri: service.uri,
    owner,
    names: list?.displayName ? [list.displayName] : [],
    packages: service.packages,
    members: list ? listMembers(list) : [],
    source: referred?.key,
  };
}

/** The members of the list and of those nested in it, in order, each once. */
export function listMembers(list: ResourceList): ListMember[] {
  const members = new Map<string, ListMember>();
  collect(list.items, members);
  return [...members.values()];
}

/** Nested lists are told flat, in document order; who stands in several of them is one member. */
function collect(items: readonly ListItem[], members: Map<string, ListMember>): void {
  for (const item of items) {
    if (item.kind === 'list') collect(item.items, members);
    else if (item.kind === 'entry') {
      const canonical = canonicalAddress(item.uri);
      if (!members.has(canonical)) members.set(canonical, { uri: item.uri, canonical, names: item.displayNames });
    }
  }
}

/** Is the member an address of a domain that this server answers for? Others have no state here. */
export function isLocal({ canonical }: ListMember, servesDomain: (host: string) => boolean): boolean {
  const host = addressHost(canonical);
  return host !== undefined && servesDomain(host);
}
