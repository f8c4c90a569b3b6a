/** The subscriptions that we hold at notifiers of other domains for members of lists: one for each watcher, member and filter, whatever number of lists. */
import { addressHost } from '../../schemas/address.ts';
import type { RequestContext } from '../core/router.ts';
import { eventName } from '../events/event-header.ts';
import type { MemberState } from '../events/watch.ts';
import { SipError } from '../message/sip-error.ts';
import { type BackEndOptions, BackEndSubscription, type BackEndTerms } from './back-end-subscription.ts';
import type { MemberSource } from './list-subscription.ts';

/** For which domains members of lists are subscribed to: none, those with a next hop of their own, or all. */
export type RemoteMembers = 'off' | 'next-hops' | 'all';

export interface BackEndPoolOptions extends BackEndOptions {
  readonly remoteMembers: RemoteMembers;
}

/** Subscriptions that may be held in one watcher's name, and in all; and SUBSCRIBEs that wait for their answers at a time. */
const MOST_PER_WATCHER = 500;
const MOST_IN_ALL = 50_000;
const MOST_ASKING = 50;

const TOO_MANY: MemberState = { status: 'terminated', reason: 'giveup', body: undefined };

interface Shared {
  readonly subscription: BackEndSubscription;
  /** Called after every change. */
  readonly listeners: Set<() => void>;
}

export class BackEndSubscriptions {
  private readonly options: BackEndPoolOptions;
  private readonly shared = new Map<string, Shared>();
  private readonly perWatcher = new Map<string, number>();
  /** All that have not ended, those that nobody wants any more included. */
  private readonly alive = new Set<BackEndSubscription>();
  private readonly waiting: BackEndSubscription[] = [];
  private readonly asking = new Set<BackEndSubscription>();
  private readonly byDialog = new Map<string, BackEndSubscription>();

  constructor(options: BackEndPoolOptions) {
    this.options = options;
  }

  get size(): number {
    return this.alive.size;
  }

  /**
   * Watches somebody of another domain; undefined where the settings have it otherwise. `changed` is called after every change of the
   * state.
   */
  open(terms: BackEndTerms, changed: () => void): MemberSource | undefined {
    const host = addressHost(terms.uri.replace(/^sips:/, 'sip:'));
    const { remoteMembers, nextHops } = this.options;
    if (host === undefined || remoteMembers === 'off') return undefined;
    if (remoteMembers === 'next-hops' && nextHops.find(host) === undefined) return undefined;
    const key = JSON.stringify([terms.watcher, terms.event, terms.contentType, terms.uri, terms.filter]);
    let shared = this.shared.get(key);
    if (!shared) {
      const count = this.perWatcher.get(terms.watcher) ?? 0;
      if (count >= MOST_PER_WATCHER || this.alive.size >= MOST_IN_ALL) return { state: TOO_MANY, close: () => {} };
      this.perWatcher.set(terms.watcher, count + 1);
      shared = this.begin(terms);
      this.shared.set(key, shared);
    }
    return new Share(shared, changed, () => this.release(key));
  }

  /** For the NOTIFY method. */
  handle(context: RequestContext): void {
    const { request } = context;
    const subscription = this.byDialog.get(dialogKey(request.callId, request.to.tag ?? ''));
    if (!subscription || eventName(request.headers.get('Event') ?? '') !== subscription.terms.event) {
      throw new SipError(481, 'Subscription does not exist');
    }
    subscription.notify(request);
    context.respond(200);
  }

  private begin(terms: BackEndTerms): Shared {
    const listeners = new Set<() => void>();
    let known = '';
    const subscription: BackEndSubscription = new BackEndSubscription(terms, this.options, {
      changed: () => {
        for (const listener of [...listeners]) listener();
      },
      queue: () => queueMicrotask(() => this.enqueue(subscription)),
      begun: () => {
        this.byDialog.delete(known);
        known = dialogKey(subscription.callId, subscription.localTag);
        this.byDialog.set(known, subscription);
      },
      asked: () => {
        this.asking.delete(subscription);
        this.next();
      },
      over: () => {
        this.byDialog.delete(known);
        this.alive.delete(subscription);
      },
    });
    this.alive.add(subscription);
    return { subscription, listeners };
  }

  private enqueue(subscription: BackEndSubscription): void {
    this.waiting.push(subscription);
    this.next();
  }

  private next(): void {
    while (this.asking.size < MOST_ASKING) {
      const subscription = this.waiting.shift();
      if (!subscription) return;
      this.asking.add(subscription);
      subscription.subscribe();
    }
  }

  private release(key: string): void {
    const shared = this.shared.get(key);
    if (!shared || shared.listeners.size > 0) return;
    this.shared.delete(key);
    const { watcher } = shared.subscription.terms;
    const count = (this.perWatcher.get(watcher) ?? 1) - 1;
    if (count > 0) this.perWatcher.set(watcher, count);
    else this.perWatcher.delete(watcher);
    shared.subscription.close();
  }
}

/** One list's part in a subscription. */
class Share implements MemberSource {
  private readonly shared: Shared;
  private readonly changed: () => void;
  private readonly released: () => void;

  constructor(shared: Shared, changed: () => void, released: () => void) {
    this.shared = shared;
    // A function of its own, so that one that is given twice counts twice.
    this.changed = () => changed();
    this.released = released;
    shared.listeners.add(this.changed);
  }

  get state(): MemberState | undefined {
    return this.shared.subscription.state;
  }

  get filtered(): boolean {
    return this.shared.subscription.filtered;
  }

  close(): void {
    this.shared.listeners.delete(this.changed);
    this.released();
  }
}

function dialogKey(callId: string, localTag: string): string {
  return `${callId}\n${localTag}`;
}
