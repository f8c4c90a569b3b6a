/** Who is in a list that rules refer to: lists within it and what it refers to included (RFC 4826 3), as far as it is the owner's own. */
import { canonicalAddress } from '../../schemas/address.ts';
import type { ListItem } from '../../schemas/resource-lists.ts';
import { turn } from '../../schemas/turns.ts';
import type { XmlElement } from '../../schemas/xml/tree.ts';
import type { ListDirectory, ListReader, Referred } from './resolved-list.ts';

/** References followed, and after how many of them the others have their turn. What comes behind is left out. */
const REFERENCE_LIMIT = 1000;
const REFERENCES_A_TURN = 50;
const ADDRESS_LIMIT = 100_000;

/**
 * Canonical addresses of all in the list with the absolute XCAP URI; nobody where there is no such list of the owner's, undefined where it
 * cannot be read.
 */
export async function addressesIn(uri: string, owner: string, directory: ListDirectory): Promise<ReadonlySet<string> | undefined> {
  const gathering = new Gathering(directory.open(owner));
  await gathering.list(uri);
  return gathering.unread ? undefined : gathering.addresses;
}

class Gathering {
  readonly addresses = new Set<string>();
  /** A document on the way cannot be read. */
  unread = false;
  private readonly reader: ListReader;
  /** Each list is gone through once, so that those which refer to each other come to an end. */
  private readonly traversed = new Set<XmlElement>();
  private references = 0;

  constructor(reader: ListReader) {
    this.reader = reader;
  }

  async list(anchor: string): Promise<void> {
    const list = this.take(await this.reader.list(anchor));
    if (!list || this.traversed.has(list.element)) return;
    this.traversed.add(list.element);
    await this.collect(list.items);
  }

  private take<Found>(referred: Referred<Found> | undefined): Found | undefined {
    if (referred?.unread) this.unread = true;
    return referred?.found;
  }

  private async collect(items: readonly ListItem[]): Promise<void> {
    for (const item of items) {
      if (this.addresses.size >= ADDRESS_LIMIT) return;
      if (item.kind === 'entry') this.addresses.add(canonicalAddress(item.uri));
      else if (item.kind === 'list') await this.collect(item.items);
      else if (++this.references > REFERENCE_LIMIT) continue;
      else {
        if (this.references % REFERENCES_A_TURN === 0) await turn();
        if (item.kind === 'external') await this.list(item.anchor);
        else {
          const entry = this.take(await this.reader.entry(item.ref));
          if (entry) this.addresses.add(canonicalAddress(entry.uri));
        }
      }
    }
  }
}
