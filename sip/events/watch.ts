/** A watcher's interest in one resource: by a subscription of its own, or as a member of a list that it subscribed to. */
import type { Timer } from '../transport/timer-wheel.ts';
import type { Body, Decision, EventPackage, Watch } from './event-package.ts';
import type { WatchFilter } from './watch-filter.ts';
import type { WatcherEvent, WatcherStatus } from './watcher-state.ts';

export interface WatchInit {
  readonly id: string;
  readonly eventPackage: EventPackage;
  readonly resource: string;
  readonly watcher: string;
  /** As in `Watch`. */
  readonly aliases?: readonly string[] | undefined;
  readonly displayName: string | undefined;
  readonly contentType: string;
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly terms?: unknown;
  /** Textual address that it came from, where nothing else says whose it is (authentication is off). */
  readonly source?: string | undefined;
}

/**
 * Moments of watches are kept as milliseconds from this one: such whole numbers stand in the object itself, where those since the epoch
 * would each be an object of their own.
 */
export const ORIGIN = Date.now();

/** What both kinds share; the notifier moves it through the states of `watcher-state`. */
export abstract class WatchBase implements Watch {
  readonly id: string;
  readonly eventPackage: EventPackage;
  readonly resource: string;
  readonly watcher: string;
  aliases: readonly string[] | undefined;
  readonly displayName: string | undefined;
  readonly contentType: string;
  private readonly begun: number;
  readonly source: string | undefined;
  terms: unknown;
  memo: unknown;
  status: 'init' | WatcherStatus = 'init';
  event: WatcherEvent = 'subscribe';
  decision: Decision | undefined;
  /** Fires when the decision may become another one by itself. */
  decisionTimer: Timer | undefined;
  /** When it became pending, in milliseconds since the epoch, if it has not been so from the first. */
  undecidedSince: number | undefined;
  /** What the watcher wants to be told of it, where that is not all (RFC 4660). */
  filter: WatchFilter | undefined;
  /** In the notifier's queue. */
  queued = false;
  /** No longer watched; whatever still comes for it is dropped. */
  closed = false;

  constructor(init: WatchInit) {
    this.id = init.id;
    this.eventPackage = init.eventPackage;
    this.resource = init.resource;
    this.watcher = init.watcher;
    this.aliases = init.aliases;
    this.displayName = init.displayName;
    this.contentType = init.contentType;
    this.begun = init.since - ORIGIN;
    this.source = init.source;
    this.terms = init.terms;
  }

  /** Milliseconds since the epoch. */
  get since(): number {
    return this.begun + ORIGIN;
  }

  /** Milliseconds since the epoch, for a watch that will end by itself. */
  abstract get endsAt(): number | undefined;
}

/** What a list's subscription sees of one member. */
export interface MemberState {
  readonly status: 'pending' | 'active' | 'terminated';
  /** Of the terminated: a value of Subscription-State's reason (RFC 4662 5.5). */
  readonly reason: string | undefined;
  readonly body: Body | undefined;
}

/** One resource of a list, watched with the list watcher's own rights (RFC 4662 4.1: a virtual subscription, never SIP sent to ourselves). */
export class MemberWatch extends WatchBase {
  state: MemberState | undefined;
  /** Of the body told last, for packages whose bodies have one. */
  version = 0;
  /** Nobody has decided in time, and it has been given up: it may be tried again from then on, in milliseconds since the epoch. */
  retryAt: number | undefined;
  /** Told the resource after every change of `state`. */
  readonly changed: (resource: string) => void;
  private readonly list: WatchBase;

  /** `changed` is one function for all members of the list: there are many of them. */
  constructor(init: WatchInit, list: WatchBase, changed: (resource: string) => void) {
    super(init);
    this.list = list;
    this.changed = changed;
  }

  get endsAt(): number | undefined {
    return this.list.endsAt;
  }
}
