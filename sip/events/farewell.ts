/** The end of all subscriptions when the server stops for good, or moves elsewhere (RFC 6665 4.4.2). */
import type { TimerWheel } from '../transport/timer-wheel.ts';
import type { EndReason, Subscription } from './subscription.ts';

export interface FarewellOptions {
  readonly wheel: TimerWheel;
  /** Those that there are. */
  readonly subscriptions: () => Iterable<Subscription>;
  end(subscription: Subscription, reason: EndReason): void;
}

/** So many are told in each slice of time, in milliseconds: ten thousand in a second. */
const PER_SLICE = 200;
const SLICE = 20;
/** How often it is looked whether all have answered, in milliseconds. */
const GLANCE = 10;

/**
 * Tells every watcher that its subscription is at an end and may be made anew elsewhere at once. Resolves when all have answered, or when
 * the time is up: whoever has not been told then finds out when it subscribes again.
 * @param time in milliseconds
 */
export async function sayFarewell({ wheel, subscriptions, end }: FarewellOptions, time: number): Promise<void> {
  const deadline = performance.now() + time;
  const pause = (delay: number): Promise<void> => new Promise((resolve) => void wheel.schedule(delay, () => resolve()));
  const told: Subscription[] = [];
  for (const subscription of [...subscriptions()]) {
    if (told.length % PER_SLICE === PER_SLICE - 1) await pause(SLICE);
    if (performance.now() >= deadline) break;
    if (subscription.closed) continue;
    end(subscription, 'deactivated');
    told.push(subscription);
  }
  while (performance.now() < deadline && told.some(({ closed, inFlight }) => !closed || inFlight)) await pause(GLANCE);
}
