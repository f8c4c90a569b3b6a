/** Subscriptions as those see and end them who administer the server. */
import type { TimerWheel } from '../transport/timer-wheel.ts';
import type { Notifier } from './notifier.ts';
import type { EndReason, Subscription } from './subscription.ts';
import type { WatcherStatus } from './watcher-state.ts';

/** Which subscriptions: all that are as each of these says. */
export interface SubscriptionChoice {
  /** Canonical addresses. */
  readonly watcher?: string | undefined;
  readonly resource?: string | undefined;
  /** As in the Event header field. */
  readonly packageName?: string | undefined;
}

/** A reason that somebody may decide on (RFC 6665 4.1.3); the others are what has happened. */
export type GivenReason = Extract<EndReason, 'deactivated' | 'probation' | 'rejected' | 'giveup'>;

export interface SubscriptionReport {
  readonly id: string;
  readonly packageName: string;
  readonly watcher: string;
  readonly resource: string;
  readonly status: WatcherStatus | 'init';
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly endsAt: number;
}

/** So many are told in each slice of time, in milliseconds: the watchers' next SUBSCRIBEs come as soon. */
const PER_SLICE = 200;
const SLICE = 20;

export class SubscriptionControl {
  private readonly notifier: Notifier;
  private readonly wheel: TimerWheel;

  constructor(notifier: Notifier, wheel: TimerWheel) {
    this.notifier = notifier;
    this.wheel = wheel;
  }

  /** How many there are, and the first of them. */
  list(choice: SubscriptionChoice, limit: number): { readonly total: number; readonly first: readonly SubscriptionReport[] } {
    const first: SubscriptionReport[] = [];
    let total = 0;
    for (const subscription of this.chosen(choice)) {
      if (total++ < limit) first.push(report(subscription));
    }
    return { total, first };
  }

  /**
   * Ends them, each with a last NOTIFY. What has been given up can only be what nobody has decided about (RFC 3857 4.7.1).
   * @param retryAfter seconds before which the watchers are asked not to come back
   * @returns how many
   */
  end(choice: SubscriptionChoice, reason: GivenReason, retryAfter: number | undefined): number {
    const chosen = [...this.chosen(choice)].filter(({ status }) => reason !== 'giveup' || status === 'pending');
    const end = (subscription: Subscription): void => this.notifier.end(subscription, reason, retryAfter);
    for (const [i, subscription] of chosen.entries()) {
      const slice = Math.floor(i / PER_SLICE);
      if (slice === 0) end(subscription);
      else this.wheel.schedule(slice * SLICE, end, subscription);
    }
    return chosen.length;
  }

  private *chosen({ watcher, resource, packageName }: SubscriptionChoice): Iterable<Subscription> {
    for (const subscription of this.notifier.index.subscriptions()) {
      if (subscription.ending) continue;
      if (watcher !== undefined && subscription.watcher !== watcher) continue;
      if (resource !== undefined && subscription.resource !== resource) continue;
      if (packageName !== undefined && subscription.eventPackage.name !== packageName) continue;
      yield subscription;
    }
  }
}

function report({ id, eventPackage, watcher, resource, status, since, endsAt }: Subscription): SubscriptionReport {
  return { id, packageName: eventPackage.name, watcher, resource, status, since, endsAt };
}
