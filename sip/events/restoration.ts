/** Takes up the subscriptions of an earlier run: same dialogs, CSeq going up, one NOTIFY each. */
import type { TimerWheel } from '../transport/timer-wheel.ts';
import type { EventPackage } from './event-package.ts';
import type { NotifySender } from './notify-sender.ts';
import type { Rates } from './rate-control.ts';
import { endsUnasked, type Subscription } from './subscription.ts';
import type { SubscriptionBook } from './subscription-book.ts';

export interface RestorationOptions {
  readonly book: SubscriptionBook;
  readonly sender: NotifySender;
  readonly wheel: TimerWheel;
  readonly now: () => number;
  packageOf(key: string): EventPackage | undefined;
  setRates(subscription: Subscription, rates: Rates): void;
  /** Tells those who watch the watchers. */
  report(subscription: Subscription): void;
  /** Takes it in; resolves when its package has opened it. */
  open(subscription: Subscription): void | Promise<void>;
  /** Tells it its state. */
  tell(subscription: Subscription): void;
  failed(error: unknown): void;
}

/** So many watchers are told their state in each slice of time, in milliseconds: ten thousand in a second. */
const PER_SLICE = 200;
const SLICE = 20;

/** Resolves when all are there, lists' members too. */
export async function restoreSubscriptions(options: RestorationOptions): Promise<void> {
  const { book, wheel, now, failed } = options;
  const restored: Subscription[] = [];
  const ended: Subscription[] = [];
  for (const [subscription, { rates }] of book.load((key) => options.packageOf(key))) {
    if (!subscription.ending && rates) options.setRates(subscription, rates);
    (subscription.ending ? ended : restored).push(subscription);
  }
  const opened: unknown[] = [];
  for (const subscription of restored) {
    if (subscription.eventPackage.watcherinfo && subscription.status !== 'init') options.report(subscription);
    opened.push(options.open(subscription));
  }
  for (const outcome of await Promise.allSettled(opened)) if (outcome.status === 'rejected') failed(outcome.reason);
  // Those who watch watchers come last, so that they hear of all of them at once.
  restored.sort((a, b) => rank(a) - rank(b));
  // And not all at once: a network that has just come back, and the watchers' own servers, must bear it.
  for (const [i, subscription] of [...restored, ...ended].entries()) {
    const hadEnded = i >= restored.length;
    // One that has come to its end meanwhile is told so already.
    if (!hadEnded && (subscription.ending || subscription.expiresAt <= now())) continue;
    const tell = (s: Subscription): void => {
      if (hadEnded) partAgain(s, options);
      else if (!s.ending) options.tell(s);
    };
    const slice = Math.floor(i / PER_SLICE);
    if (slice === 0) tell(subscription);
    else wheel.schedule(slice * SLICE, tell, subscription);
  }
}

/** Lists first, whose members make watchers; then plain subscriptions; then those that tell of watchers. */
function rank({ eventPackage }: Subscription): number {
  if (eventPackage.require) return 0;
  return eventPackage.name.split('.winfo').length;
}

/** Says again that it has ended: the server went down before the watcher answered. Whose time is over knows it by now (RFC 6665 4.2.2). */
function partAgain(subscription: Subscription, { book, sender, now, failed }: RestorationOptions): void {
  const at = now();
  subscription.closed = true;
  if (subscription.expiresAt <= at || !endsUnasked(subscription)) {
    book.forget(subscription);
    return;
  }
  // Another CSeq is in use, which no later run may use again (RFC 3261 12.2.1.1), however soon this one ends.
  book.save(subscription);
  book.onceWritten(() => {
    try {
      sender.send(subscription, undefined, undefined, at);
    } catch (error) {
      failed(error);
      book.forget(subscription);
    }
  });
}
