/** From a service to the flat list of those behind it (RFC 4826 4.5), and to the lists among them (RFC 4662 4). */
import { canonicalAddress } from '../../schemas/address.ts';
import type { DisplayName } from '../../schemas/display-name.ts';
import type { Entry, ListItem } from '../../schemas/resource-lists.ts';
import type { Service } from '../../schemas/rls-services.ts';
import { turn } from '../../schemas/turns.ts';
import type { XmlElement } from '../../schemas/xml/tree.ts';
import type { MaybePromise } from '../../xcap/document-store.ts';
import {
  documentId,
  isSubscribable,
  type ListDirectory,
  type ListMember,
  type ListReader,
  type MemberList,
  type Referred,
  type ResolvedList,
} from './resolved-list.ts';

/** Lists in lists in lists. */
const DEPTH_LIMIT = 8;
/** Members named in all, nested ones included; what comes behind is left out. */
const NAMED_LIMIT = 5000;
/** References followed in all, and after how many of them the others have their turn. */
const REFERENCE_LIMIT = 1000;
const REFERENCES_A_TURN = 50;

/** The list of the service with a canonical URI, for one event package. Undefined when no service has the URI. */
export async function resolveList(uri: string, directory: ListDirectory, packageName: string): Promise<ResolvedList | undefined> {
  await directory.settled();
  const found = directory.find(uri);
  if (!found) return undefined;
  const traversal = new Traversal(directory, found.owner, packageName);
  const list = await traversal.service(found.service, []);
  const { problem, sources } = traversal;
  return { ...list, owner: found.owner, packages: found.service.packages, problem, sources: [...sources] };
}

class Traversal {
  readonly sources = new Set<string>();
  problem: string | undefined;
  private readonly directory: ListDirectory;
  private readonly owner: string;
  private readonly packageName: string;
  private readonly reader: ListReader;
  private named = 0;
  private references = 0;

  constructor(directory: ListDirectory, owner: string, packageName: string) {
    this.directory = directory;
    this.owner = owner;
    this.packageName = packageName;
    this.reader = directory.open(owner);
    // Any of the members may become a list of the owner's, or be none any more.
    this.sources.add(documentId({ auid: 'rls-services', xui: owner, name: 'index' }));
  }

  /** `above`: canonical URIs of the services that this one is in. */
  async service(service: Service, above: readonly string[]): Promise<MemberList> {
    let { list } = service;
    if (!list && service.resourceList !== undefined) {
      const anchor = service.resourceList;
      list = await this.follow(() => this.reader.list(anchor));
      // RFC 4826 4.5: what the service refers to must be a list.
      if (!list) this.problem ??= 'The list that the service refers to cannot be found';
    }
    const entries = new Map<string, ListMember>();
    if (list) await this.collect(list.items, entries, new Set([list.element]));
    const path = [...above, service.canonical];
    const members: ListMember[] = [];
    for (const member of entries.values()) members.push(await this.withList(member, path));
    return { uri: service.uri, names: list?.displayName ? [list.displayName] : [], members };
  }

  /** Nested elements are told flat, in document order; who stands in several of them is one member. */
  private async collect(items: readonly ListItem[], entries: Map<string, ListMember>, traversed: Set<XmlElement>): Promise<void> {
    for (const item of items) {
      if (this.named >= NAMED_LIMIT) return;
      switch (item.kind) {
        case 'entry':
          this.add(item, item.displayNames, entries);
          break;
        case 'list':
          await this.collect(item.items, entries, traversed);
          break;
        case 'entryRef': {
          const entry = await this.follow(() => this.reader.entry(item.ref));
          // RFC 4826 3.2: a name beside the reference stands instead of that of the entry.
          if (entry) this.add(entry, item.displayNames.length > 0 ? item.displayNames : entry.displayNames, entries);
          break;
        }
        case 'external': {
          const list = await this.follow(() => this.reader.list(item.anchor));
          if (!list) break;
          if (traversed.has(list.element)) {
            // RFC 4826 4.5: the traversal must not go on.
            this.problem ??= 'The list refers to itself, or twice to another';
            return;
          }
          traversed.add(list.element);
          await this.collect(list.items, entries, traversed);
        }
      }
      if (this.problem !== undefined) return;
    }
  }

  private add({ uri }: Entry, names: readonly DisplayName[], entries: Map<string, ListMember>): void {
    if (!isSubscribable(uri)) return;
    const canonical = canonicalAddress(uri);
    if (entries.has(canonical)) return;
    entries.set(canonical, { uri, canonical, names });
    this.named++;
  }

  /**
   * What a reference leads to. Undefined where it leads nowhere, to another user's documents or to another server: such a member or list
   * is left out, since the others are of use without it (RFC 4826 4.5).
   */
  private async follow<Found>(read: () => MaybePromise<Referred<Found> | undefined>): Promise<Found | undefined> {
    if (++this.references > REFERENCE_LIMIT) return undefined;
    if (this.references % REFERENCES_A_TURN === 0) await turn();
    const referred = await read();
    if (referred) this.sources.add(documentId(referred.key));
    return referred?.found;
  }

  /** A member that is a list of the owner's. Those of others are none of the watcher's business: they are addresses like any other. */
  private async withList(member: ListMember, path: readonly string[]): Promise<ListMember> {
    const found = this.directory.find(member.canonical);
    if (found?.owner !== this.owner) return member;
    const { packages } = found.service;
    const serves = packages.length === 0 || packages.includes(this.packageName);
    // RFC 4662 7.4: no list within itself.
    if (!serves || path.includes(member.canonical) || path.length >= DEPTH_LIMIT) return { ...member, list: 'refused' };
    if (this.named >= NAMED_LIMIT) return { ...member, list: 'refused' };
    return { ...member, list: await this.service(found.service, path) };
  }
}
