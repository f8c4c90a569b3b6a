/** Subscriptions as they are written down, and the moments at which they expire. */
import type { StateStore, StateTable } from '../core/state-store.ts';
import type { TimerWheel } from '../transport/timer-wheel.ts';
import type { EventPackage } from './event-package.ts';
import { type RenewalRecord, renewed, Subscription, type SubscriptionRecord } from './subscription.ts';

export interface SubscriptionBookOptions {
  readonly state: StateStore;
  readonly wheel: TimerWheel;
  readonly now: () => number;
  expired(subscription: Subscription): void;
}

/** What lasts no longer than its first NOTIFY (a fetch) is not written down, and does not expire. */
export class SubscriptionBook {
  private readonly table: StateTable<SubscriptionRecord>;
  private readonly renewals: StateTable<RenewalRecord>;
  private readonly options: SubscriptionBookOptions;
  private due: Subscription[] = [];
  private readonly saveDue = (): void => {
    const { due } = this;
    this.due = [];
    for (const subscription of due) if (!subscription.closed) this.save(subscription);
  };

  constructor(options: SubscriptionBookOptions) {
    this.options = options;
    this.table = options.state.table('subscriptions');
    this.renewals = options.state.table('subscription-renewals');
  }

  save(subscription: Subscription): void {
    if (!subscription.fetch) this.table.put(subscription.id, subscription.toRecord());
  }

  /** Saves how long it lasts now, and the CSeq numbers in use: a refresh, of which there are the most, is a small row. */
  renew(subscription: Subscription): void {
    if (!subscription.fetch) this.renewals.put(subscription.id, subscription.toRenewal());
  }

  /** Saves it behind the current task, so that what a later run finds out anew by itself holds up no NOTIFY: who may see what. */
  saveSoon(subscription: Subscription): void {
    if (this.due.push(subscription) === 1) queueMicrotask(this.saveDue);
  }

  forget(subscription: Subscription): void {
    if (subscription.fetch) return;
    this.table.delete(subscription.id);
    this.renewals.delete(subscription.id);
  }

  /** Calls back when all that has been saved so far would be there after a crash. */
  onceWritten(callback: () => void): void {
    this.options.state.afterCommit(callback);
  }

  startExpiry(subscription: Subscription): void {
    if (subscription.fetch) return;
    const { wheel, now, expired } = this.options;
    const delay = Math.max(0, subscription.expiresAt - now());
    if (subscription.expiryTimer) wheel.reschedule(subscription.expiryTimer, delay);
    else subscription.expiryTimer = wheel.schedule(delay, expired, subscription);
  }

  /** Those of an earlier run; the records of packages that are not there any more go. */
  load(packageOf: (key: string) => EventPackage | undefined): [Subscription, SubscriptionRecord][] {
    const found: [Subscription, SubscriptionRecord][] = [];
    const renewals = new Map(this.renewals.load());
    for (const [id, stored] of this.table.load()) {
      const record = renewed(stored, renewals.get(id));
      const eventPackage = packageOf(record.package);
      if (eventPackage) found.push([Subscription.restore(id, record, eventPackage), record]);
      else {
        this.table.delete(id);
        this.renewals.delete(id);
      }
    }
    return found;
  }
}
