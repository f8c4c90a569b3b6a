/**
 * Watches that nobody decides about do not stay pending for ever, however often their subscriptions are refreshed (RFC 3857 4.7.1: the
 * giveup timer): they take memory for watchers who may be anybody.
 */
import type { Timer, TimerWheel } from '../transport/timer-wheel.ts';
import { Subscription } from './subscription.ts';
import type { WatchBase } from './watch.ts';

export interface UndecidedWatchesOptions {
  readonly wheel: TimerWheel;
  readonly now: () => number;
  /** How long a watch may be pending, in milliseconds. */
  readonly undecidedTime: number;
  /** Nobody has decided in time; `retryAfter` in seconds. */
  giveUp(watch: WatchBase, retryAfter: number): void;
}

/** Pending subscriptions of one watcher; the oldest give way (RFC 3857 4.7.1 on denial of service). */
const MOST_OF_A_WATCHER = 1000;
/** Longest wait that a watcher is asked for before it subscribes again, in seconds. */
const LONGEST_RETRY = 24 * 3600;

export class UndecidedWatches {
  private readonly timers = new Map<WatchBase, Timer>();
  /** Subscriptions, oldest first. */
  private readonly byWatcher = new Map<string, Set<Subscription>>();
  private readonly options: UndecidedWatchesOptions;

  constructor(options: UndecidedWatchesOptions) {
    this.options = options;
  }

  /** To be told of each new status, and of the end of the watch. */
  follow(watch: WatchBase): void {
    const isPending = watch.status === 'pending' && !watch.closed;
    if (isPending === this.timers.has(watch)) return;
    if (isPending) this.add(watch);
    else this.remove(watch);
  }

  private add(watch: WatchBase): void {
    const { wheel, now, undecidedTime } = this.options;
    const { watcher, since, undecidedSince } = watch;
    const left = (undecidedSince ?? since) + undecidedTime - now();
    this.timers.set(
      watch,
      wheel.schedule(Math.max(0, left), (w: WatchBase) => this.giveUp(w), watch),
    );
    if (!(watch instanceof Subscription)) return;
    const own = this.byWatcher.get(watcher) ?? new Set();
    this.byWatcher.set(watcher, own.add(watch));
    const [oldest] = own;
    if (own.size > MOST_OF_A_WATCHER && oldest) this.giveUp(oldest);
  }

  private remove(watch: WatchBase): void {
    const timer = this.timers.get(watch);
    if (timer) this.options.wheel.cancel(timer);
    this.timers.delete(watch);
    if (!(watch instanceof Subscription)) return;
    const own = this.byWatcher.get(watch.watcher);
    own?.delete(watch);
    if (own?.size === 0) this.byWatcher.delete(watch.watcher);
  }

  private giveUp(watch: WatchBase): void {
    this.remove(watch);
    this.options.giveUp(watch, Math.min(Math.ceil(this.options.undecidedTime / 1000), LONGEST_RETRY));
  }
}
