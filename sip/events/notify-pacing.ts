/** When a subscription is told: not too soon after the last NOTIFY, and where it wants that, not too late (RFC 6446). */
import type { TimerWheel } from '../transport/timer-wheel.ts';
import { eventName } from './event-header.ts';
import { RateControl, type Rates, readRates } from './rate-control.ts';
import type { Subscription } from './subscription.ts';

/** Least milliseconds between two NOTIFYs in one subscription. */
export interface PacingSettings {
  /** Of changes: of presence, and of watcher information. */
  readonly presence: number;
  readonly winfo: number;
  /** That no change has made. */
  readonly forced: number;
}

export interface NotifyPacingOptions {
  readonly wheel: TimerWheel;
  readonly now: () => number;
  /** Least milliseconds between NOTIFYs that no change has made. */
  readonly forcedInterval: number;
  /** Something may be due that had been put off. */
  touch(subscription: Subscription): void;
  /** A NOTIFY of the whole state is due without a change. */
  force(subscription: Subscription): void;
}

/** Seconds until a NOTIFY that was refused for the moment is sent again, when the refusal does not say. */
const RETRY_AFTER = 30;
/** Rates so slow that they never tell anything before a subscription ends need no timer, in milliseconds. */
const LONGEST_WAIT = 7 * 24 * 3600_000;

export class NotifyPacing {
  private readonly options: NotifyPacingOptions;

  constructor(options: NotifyPacingOptions) {
    this.options = options;
  }

  /**
   * Puts off what the package's interval or the watcher's maximum rate does not let be told yet; never an end, nor another status. True
   * where it has done so.
   */
  putOff(subscription: Subscription): boolean {
    const { eventPackage, rates, ending, lastStatus, status, toldAt, unfinished } = subscription;
    if (unfinished && !rates) return false;
    const interval = rates ? rates.interval : eventPackage.interval;
    if (interval === undefined || ending || lastStatus !== status) return false;
    const wait = toldAt + interval - this.options.now();
    if (wait <= 0 || wait > interval) return false;
    subscription.due = 'changed';
    this.touchAfter(subscription, wait);
    return true;
  }

  /**
   * After a NOTIFY that was refused for the moment: nothing is told before the time that the watcher named, in seconds, unless it asks
   * (RFC 3261 20.33). Where it named none, a change is told at once.
   */
  tellAgain(subscription: Subscription, retryAfter: number | undefined): void {
    subscription.held = retryAfter !== undefined;
    this.touchAfter(subscription, (retryAfter ?? RETRY_AFTER) * 1000);
  }

  private touchAfter(subscription: Subscription, delay: number): void {
    const { wheel, touch } = this.options;
    if (subscription.againTimer) wheel.reschedule(subscription.againTimer, delay);
    else {
      const again = (s: Subscription): void => {
        s.held = false;
        touch(s);
      };
      subscription.againTimer = wheel.schedule(delay, again, subscription);
    }
  }

  /** Agrees on the rates that a SUBSCRIBE, or an earlier run, asks for. */
  setRates(subscription: Subscription, asked: Rates | undefined): void {
    const { expiresAt, eventPackage, rates } = subscription;
    if (rates) this.cancel(subscription);
    if (!asked || subscription.fetch) {
      subscription.rates = undefined;
      return;
    }
    const { now, forcedInterval } = this.options;
    const remaining = (expiresAt - now()) / 1000;
    const bounds = { remaining, interval: eventPackage.interval ?? 0, forcedInterval };
    subscription.rates = new RateControl(asked, bounds, now(), rates);
    this.schedule(subscription);
  }

  /** RFC 6446 9.3: the Event header field of a 2xx to NOTIFY. False where it says nothing that could be understood. */
  changeRates(subscription: Subscription, event: string): boolean {
    if (eventName(event) !== subscription.eventPackage.name) return false;
    try {
      // Without any of them there is no control any more; but the SUBSCRIBE had some, so that they may come back.
      this.setRates(subscription, readRates(event) ?? {});
    } catch {
      return false;
    }
    return true;
  }

  /** A NOTIFY goes out in a subscription with rates. */
  noteSent(subscription: Subscription): void {
    subscription.rates?.noteSent(subscription.toldAt);
    this.schedule(subscription);
  }

  private schedule(subscription: Subscription): void {
    const { rates, toldAt } = subscription;
    const { wheel, force, now } = this.options;
    const due = rates?.dueAfter(now());
    if (!rates || toldAt === 0 || due === undefined || due > LONGEST_WAIT) return;
    const delay = Math.max(0, toldAt + due - now());
    if (rates.timer) wheel.reschedule(rates.timer, delay);
    else rates.timer = wheel.schedule(delay, force, subscription);
  }

  /** The subscription is at an end, or its rates are. */
  cancel({ rates }: Subscription): void {
    if (rates?.timer) this.options.wheel.cancel(rates.timer);
  }
}
