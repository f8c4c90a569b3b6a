/**
 * Subscriptions that nobody decides about do not stay for ever, however often they are refreshed (RFC 3857 4.7.1: the giveup timer): they take
 * memory for watchers who may be anybody.
 */
import type { Timer, TimerWheel } from '../transport/timer-wheel.ts';
import type { Subscription } from './subscription.ts';

export interface UndecidedWatchesOptions {
  readonly wheel: TimerWheel;
  readonly now: () => number;
  /** How long a subscription may be pending, in milliseconds. */
  readonly undecidedTime: number;
  /** Nobody has decided in time; `retryAfter` in seconds. */
  giveUp(subscription: Subscription, retryAfter: number): void;
}

/** Pending subscriptions of one watcher; the oldest give way (RFC 3857 4.7.1 on denial of service). */
const MOST_OF_A_WATCHER = 1000;
/** Longest wait that a watcher is asked for before it subscribes again, in seconds. */
const LONGEST_RETRY = 24 * 3600;

export class UndecidedWatches {
  private readonly timers = new Map<Subscription, Timer>();
  /** Oldest first. */
  private readonly byWatcher = new Map<string, Set<Subscription>>();
  private readonly options: UndecidedWatchesOptions;

  constructor(options: UndecidedWatchesOptions) {
    this.options = options;
  }

  /** To be told of each new status, and of the end of the subscription. */
  follow(subscription: Subscription): void {
    const isPending = subscription.status === 'pending' && !subscription.closed;
    if (isPending === this.timers.has(subscription)) return;
    if (isPending) this.add(subscription);
    else this.remove(subscription);
  }

  private add(subscription: Subscription): void {
    const { wheel, now, undecidedTime } = this.options;
    const { watcher, since, undecidedSince } = subscription;
    const left = (undecidedSince ?? since) + undecidedTime - now();
    this.timers.set(
      subscription,
      wheel.schedule(Math.max(0, left), (s: Subscription) => this.giveUp(s), subscription),
    );
    const own = this.byWatcher.get(watcher) ?? new Set();
    this.byWatcher.set(watcher, own.add(subscription));
    const [oldest] = own;
    if (own.size > MOST_OF_A_WATCHER && oldest) this.giveUp(oldest);
  }

  private remove(subscription: Subscription): void {
    const timer = this.timers.get(subscription);
    if (timer) this.options.wheel.cancel(timer);
    this.timers.delete(subscription);
    const own = this.byWatcher.get(subscription.watcher);
    own?.delete(subscription);
    if (own?.size === 0) this.byWatcher.delete(subscription.watcher);
  }

  private giveUp(subscription: Subscription): void {
    this.remove(subscription);
    this.options.giveUp(subscription, Math.min(Math.ceil(this.options.undecidedTime / 1000), LONGEST_RETRY));
  }
}
