/** What a list comes to: its members in order, each once, and the lists among them. */
import { addressHost, canonicalAddress } from '../../schemas/address.ts';
import type { DisplayName } from '../../schemas/display-name.ts';
import type { Entry, ListItem, ResourceList } from '../../schemas/resource-lists.ts';
import type { Service } from '../../schemas/rls-services.ts';
import type { DocumentKey, MaybePromise } from '../../xcap/document-store.ts';

/** Where services and lists are found; implemented over the XCAP documents. */
export interface ListDirectory {
  /** The service of a canonical URI, if it is one. */
  find(uri: string): { readonly owner: string; readonly service: Service } | undefined;
  /** Resolves once what is known to have changed is found; undefined when that is so already. */
  settled(): Promise<void> | undefined;
  /** Reads the owner's documents, each once. */
  open(owner: string): ListReader;
}

/** What a reference leads to, and the document it leads into; `found` is undefined when there is no such element (any more). */
export interface Referred<Found> {
  readonly key: DocumentKey;
  readonly found: Found | undefined;
  /** The document cannot be read: nobody knows what is in it. */
  readonly unread?: true;
}

/** Follows references into the resource lists of one user; undefined for what leads elsewhere. */
export interface ListReader {
  /** The list with an absolute XCAP URI. */
  list(anchor: string): MaybePromise<Referred<ResourceList> | undefined>;
  /** The entry with a path relative to the XCAP root (RFC 4826 3.2). */
  entry(ref: string): MaybePromise<Referred<Entry> | undefined>;
}

export interface ListMember {
  /** As the list writes it. */
  readonly uri: string;
  readonly canonical: string;
  readonly names: readonly DisplayName[];
  /** Set where the member is a list itself: `refused` one that is not for this event package, too deep, or holds this very list. */
  readonly list?: MemberList | 'refused' | undefined;
}

export interface MemberList {
  /** As the service writes it. */
  readonly uri: string;
  readonly names: readonly DisplayName[];
  readonly members: readonly ListMember[];
}

export interface ResolvedList extends MemberList {
  readonly owner: string;
  /** Event packages that it is for; none named: any. */
  readonly packages: readonly string[];
  /** Why no new subscription is made to it, although what could be found of it is told to those there are. */
  readonly problem?: string | undefined;
  /** The documents, by `documentId`, in which it may be changed. */
  readonly sources: readonly string[];
}

export function documentId({ auid, xui, name }: DocumentKey): string {
  return `${auid} ${xui ?? ''} ${name}`;
}

/** The members of the list and of those in its element, in order, each once; references left out. */
export function listMembers(list: ResourceList): ListMember[] {
  const members = new Map<string, ListMember>();
  collect(list.items, members);
  return [...members.values()];
}

function collect(items: readonly ListItem[], members: Map<string, ListMember>): void {
  for (const item of items) {
    if (item.kind === 'list') collect(item.items, members);
    else if (item.kind === 'entry') {
      const canonical = canonicalAddress(item.uri);
      if (!members.has(canonical)) members.set(canonical, { uri: item.uri, canonical, names: item.displayNames });
    }
  }
}

/** Members of one list, and of the lists in it, that are watched; the rest is named without state. */
export const MEMBER_LIMIT = 2000;

/** The members that are no lists, nested ones included, each once, as far as they are watched. */
export function watchedMembers(list: MemberList): Map<string, ListMember> {
  const watched = new Map<string, ListMember>();
  const visit = ({ members }: MemberList): void => {
    for (const member of members) {
      if (watched.size >= MEMBER_LIMIT) return;
      if (member.list === undefined) watched.set(member.canonical, member);
      else if (member.list !== 'refused') visit(member.list);
    }
  };
  visit(list);
  return watched;
}

/** Is the member an address of a domain that this server answers for? */
export function isLocal({ canonical }: ListMember, servesDomain: (host: string) => boolean): boolean {
  const host = addressHost(canonical);
  return host !== undefined && servesDomain(host);
}

/** Can the URI be subscribed to, by its scheme (RFC 4826 4.5)? */
export function isSubscribable(uri: string): boolean {
  return SUBSCRIBABLE.test(uri);
}

const SUBSCRIBABLE = /^(?:sips?|pres):/i;
