/** What a watcher knows after a number of notifications, put together as the package of each says, in forms that can be compared. */
import { meaningOf, PidfDiffClient } from '../helpers/pidf-diff-client.ts';
import { type ReadListState, readListState } from '../helpers/rlmi-reader.ts';
import type { SubscribeOptions } from '../helpers/sip-peer-options.ts';
import type { Notification } from '../helpers/sip-subscription.ts';
import { readWatcherinfo } from '../helpers/watcherinfo-reader.ts';
import { XcapDiffClient } from '../helpers/xcap-diff-client.ts';
import { LIST_SUBSCRIPTION } from '../scenarios/steps.ts';

/** The text of each version of each document, by its entity tag: what a reader that fetches each in time has. */
export type Versions = ReadonlyMap<string, string>;

export interface View {
  /** How a watcher asks. */
  readonly options: SubscribeOptions;
  /** How the same is asked afresh, where that is another way. */
  readonly afresh?: SubscribeOptions;
  /** Throws where the notifications do not follow from each other. */
  read(notifications: readonly Notification[], versions: Versions): unknown;
}

export type Watched = 'presence' | 'partial' | 'winfo' | 'list' | 'documents';

/**
 * @param selectors of the documents that are watched
 * @param mode how their changes are told (RFC 5875 4.3)
 */
export function views(selectors: readonly string[], mode: 'aggregate' | 'xcap-patching'): Readonly<Record<Watched, View>> {
  const entries = selectors.map((uri) => `<entry uri="${uri}"/>`).join('');
  return {
    presence: { options: {}, read: (all) => presenceOf(all, ({ body }) => meaningOf(body)) },
    partial: {
      options: { accept: ['application/pidf-diff+xml', 'application/pidf+xml;q=0.1'] },
      afresh: {},
      read: (all) => presenceOf(all, ({ type, body }) => (type === 'application/pidf+xml' ? meaningOf(body) : partialPresence(all))),
    },
    winfo: { options: { event: 'presence.winfo' }, read: watchersOf },
    list: { options: LIST_SUBSCRIPTION, read: membersOf },
    documents: {
      options: {
        event: `xcap-diff;diff-processing=${mode}`,
        headers: [['Content-Type', 'application/resource-lists+xml']],
        body: `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list>${entries}</list></resource-lists>`,
      },
      read: documentsOf,
    },
  };
}

/** Nothing while the state is not to be seen. */
function presenceOf(all: readonly Notification[], read: (last: Notification) => string): string | undefined {
  const last = all.at(-1);
  return last && last.body !== '' ? read(last) : undefined;
}

function partialPresence(all: readonly Notification[]): string {
  const client = new PidfDiffClient();
  for (const notification of all) if (notification.body !== '') client.receive(notification);
  return client.meaning;
}

function watchersOf(all: readonly Notification[]): unknown {
  const known = new Map<string, unknown>();
  for (const { body } of all) {
    if (body === '') continue;
    const { state, watchers } = readWatcherinfo(body);
    if (state === 'full') known.clear();
    for (const { id, uri, status, event } of watchers) {
      if (status === 'terminated') known.delete(id);
      else known.set(id, { uri, status, event });
    }
  }
  return sorted(known);
}

function membersOf(all: readonly Notification[]): unknown {
  const known = new Map<string, unknown[]>();
  for (const notification of all) {
    if (notification.body === '') continue;
    const list = readListState(notification);
    if (list.fullState) known.clear();
    for (const resource of list.resources) known.set(resource.uri, instances(resource));
  }
  // A member that has been dropped from the list is told once more, without an instance.
  for (const [uri, all] of known) if (all.length === 0) known.delete(uri);
  return sorted(known);
}

function instances({ instances: all }: ReadListState['resources'][number]): unknown[] {
  return all
    .filter(({ reason }) => reason !== 'noresource')
    .map(({ state, reason, part }) => ({ state, reason, body: part?.body.toString() }));
}

function documentsOf(all: readonly Notification[], versions: Versions): unknown {
  const client = new XcapDiffClient();
  for (const { body } of all) {
    if (body === '') continue;
    client.receive(body);
    for (const [selector, { etag, text }] of client.documents) {
      const written = versions.get(etag);
      if (written === undefined) throw new Error(`${selector} has never been ${etag}`);
      if (text === undefined) client.fetched(selector, etag, written);
      else if (text !== written)
        throw new Error(`the patches of ${selector} do not lead to ${etag}, but to\n${text}\ninstead of\n${written}`);
    }
  }
  return sorted(new Map([...client.documents].map(([selector, { etag }]) => [selector, etag])));
}

function sorted(known: ReadonlyMap<string, unknown>): unknown {
  return [...known].sort(([a], [b]) => (a < b ? -1 : 1));
}
