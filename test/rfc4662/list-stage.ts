/** Lists as documents, and a watcher's copy of a list's state that it keeps by the rules of RFC 4662 5.6. */
import { type ReadInstance, type ReadListState, readListState } from '../helpers/rlmi-reader.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import type { SubscribeOptions } from '../helpers/sip-peer-options.ts';
import type { Notification, Subscription } from '../helpers/sip-subscription.ts';
import type { Stage } from '../scenarios/stage.ts';

export const LIST_ACCEPT = ['application/pidf+xml', 'application/rlmi+xml', 'multipart/related'];
export const ASKED: SubscribeOptions = { supported: ['eventlist'], accept: LIST_ACCEPT, expires: 3600 };

const RL = 'urn:ietf:params:xml:ns:resource-lists';

/** A resource-lists document. */
export const lists = (...content: readonly string[]): string => `<resource-lists xmlns="${RL}">${content.join('\n')}</resource-lists>`;
export const list = (name: string, ...items: readonly string[]): string => `<list name="${name}">${items.join('\n')}</list>`;
export const entry = (uri: string, name?: string): string =>
  name === undefined ? `<entry uri="${uri}"/>` : `<entry uri="${uri}"><display-name>${name}</display-name></entry>`;

/** The path of an element of a document of the user's, from the XCAP root on and without its slash. */
export const pathOf = (user: string, document: string, ...names: readonly string[]): string =>
  `resource-lists/users/${user}/${document}/~~/resource-lists${names.map((name) => `/list%5B@name=%22${name}%22%5D`).join('')}`;

/** Writes a document `resource-lists/users/USER/NAME`. */
export async function putLists(stage: Stage, user: string, name: string, ...content: readonly string[]): Promise<void> {
  const { status } = await (await stage.xcap(user)).put(`/resource-lists/users/${user}/${name}`, lists(...content));
  stage.expect(status === 200 || status === 201, `${name} is stored (${status})`);
}

/** Writes the user's services: each with its address's user part, its list's content or the URI of one, and its packages. */
export async function putServices(
  stage: Stage,
  user: string,
  services: Readonly<Record<string, { readonly items?: readonly string[]; readonly ref?: string; readonly packages?: readonly string[] }>>,
): Promise<void> {
  const content = Object.entries(services).map(([name, { items, ref, packages }]) => {
    const members =
      ref === undefined ? `<list xmlns:rl="${RL}">${(items ?? []).join('').replace(/<(\/?)(?=[a-z])/g, '<$1rl:')}</list>` : '';
    const reference = ref === undefined ? '' : `<resource-list>${ref}</resource-list>`;
    const served = packages ? `<packages>${packages.map((one) => `<package>${one}</package>`).join('')}</packages>` : '';
    return `<service uri="${stage.address(name)}">${members}${reference}${served}</service>`;
  });
  const document = `<rls-services xmlns="urn:ietf:params:xml:ns:rls-services">${content.join('\n')}</rls-services>`;
  const { status } = await (await stage.xcap(user)).put(`/rls-services/users/${user}/index`, document);
  stage.expect(status === 200 || status === 201, `the services are stored (${status})`);
}

/** What a watcher knows of a list, kept as RFC 4662 5.6 says. Throws where a version is not the one that must come next. */
export class ListView {
  readonly rows = new Map<string, readonly ReadInstance[]>();
  readonly names = new Map<string, readonly string[]>();
  /** Of lists in this one, by their URIs. */
  readonly inner = new Map<string, ListView>();
  version = -1;
  mayForget = false;

  take(state: ReadListState): void {
    const isNext = this.mayForget ? state.version > this.version : state.version === this.version + 1;
    if (!isNext) throw new Error(`version ${state.version} after ${this.version} (RFC 4662 5.2)`);
    if (this.version < 0 && !state.fullState) throw new Error('the first notification is not full (RFC 4662 5.2)');
    this.version = state.version;
    if (state.fullState) {
      this.rows.clear();
      this.names.clear();
    }
    for (const { uri, instances, names } of state.resources) {
      this.rows.set(uri, instances);
      this.names.set(
        uri,
        names.map(({ text }) => text),
      );
      for (const instance of instances) {
        if (!instance.list) continue;
        const inner = this.inner.get(uri) ?? new ListView();
        this.inner.set(uri, inner);
        inner.mayForget = this.mayForget;
        inner.take(instance.list);
      }
    }
    this.mayForget = false;
  }

  /** The members' states in a word each: `open`, `closed`, or `terminated rejected`; `-` without an instance. */
  words(): Record<string, unknown> {
    return Object.fromEntries([...this.rows].map(([uri, instances]) => [uri.replace(/^sip:([^@]*)@.*$/, '$1'), this.word(uri, instances)]));
  }

  private word(uri: string, [instance]: readonly ReadInstance[]): unknown {
    if (!instance) return '-';
    if (instance.list) return this.inner.get(uri)?.words();
    if (instance.state !== 'active') return [instance.state, instance.reason].filter(Boolean).join(' ');
    return instance.pidf ? instance.pidf.tuples.map(({ basic }) => basic).join(' ') : instance.part?.type;
  }
}

/** A subscription to a list and the watcher's view of it. */
export class ListWatcher {
  readonly subscription: Subscription;
  readonly view = new ListView();
  last: ReadListState | undefined;

  constructor(subscription: Subscription) {
    this.subscription = subscription;
  }

  static async open(peer: SipPeer, uri: string, options: SubscribeOptions = ASKED): Promise<ListWatcher> {
    const subscription = await peer.subscribe(uri, options);
    if (subscription.response.status !== 200) throw new Error(`the SUBSCRIBE to ${uri} was answered ${subscription.response.status}`);
    const watcher = new ListWatcher(subscription);
    await watcher.next();
    return watcher;
  }

  /** The next notification, read into the view. */
  async next(): Promise<ReadListState> {
    return this.take(await this.subscription.notify());
  }

  /** Notifications until the view is as it should be. */
  async until(holds: (words: Record<string, unknown>) => boolean): Promise<void> {
    for (let n = 0; n < 200 && !holds(this.view.words()); n++) await this.next();
  }

  private take(notification: Notification): ReadListState {
    const state = readListState(notification);
    this.view.take(state);
    this.last = state;
    return state;
  }
}
