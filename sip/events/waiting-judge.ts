import { SipError } from '../message/sip-error.ts';
import type { Timer, TimerWheel } from '../transport/timer-wheel.ts';
import type { EventPackage, SubHandling } from './event-package.ts';
import type { WatcherLists } from './watcher-list.ts';

export interface WaitingJudgeOptions {
  readonly watchers: WatcherLists;
  readonly wheel: TimerWheel;
  readonly now: () => number;
  failed(error: unknown): void;
}

/** A decision is asked for again after this time at the latest, in milliseconds. */
const LONGEST_WAIT = 24 * 3600_000;

/**
 * Decides about watchers that wait (RFC 3857 4.7.1): whenever what decides about a resource may have changed, and at the moments at
 * which its rules begin or cease to hold.
 */
export class WaitingJudge {
  private readonly options: WaitingJudgeOptions;
  /** By package and resource: when the rules may decide otherwise by themselves. */
  private readonly timers = new Map<string, Timer>();

  constructor(options: WaitingJudgeOptions) {
    this.options = options;
  }

  /** Does nothing unless somebody waits. */
  judge(eventPackage: EventPackage, resource: string): void {
    if (!this.options.watchers.hasWaiting(eventPackage.name, resource)) return;
    const loading = eventPackage.ready?.(resource);
    if (loading) loading.then(() => this.judge(eventPackage, resource)).catch((error) => this.options.failed(error));
    else this.decide(eventPackage, resource);
  }

  private decide(eventPackage: EventPackage, resource: string): void {
    const { watchers, wheel, now } = this.options;
    const at = now();
    let next: number | undefined;
    const handlingOf = (watcher: string, aliases: readonly string[] | undefined): SubHandling => {
      try {
        const { handling, validUntil } = eventPackage.authorize(watcher, resource, at, aliases);
        if (validUntil !== undefined) next = Math.min(next ?? validUntil, validUntil);
        return handling;
      } catch (error) {
        // The resource is gone, and with it whatever one could wait for.
        if (error instanceof SipError) return 'block';
        throw error;
      }
    };
    watchers.decideWaiting(eventPackage.name, resource, handlingOf);

    const key = `${eventPackage.key} ${resource}`;
    const timer = this.timers.get(key);
    if (timer) wheel.cancel(timer);
    this.timers.delete(key);
    if (next === undefined || !watchers.hasWaiting(eventPackage.name, resource)) return;
    const again = (): void => {
      this.timers.delete(key);
      this.judge(eventPackage, resource);
    };
    this.timers.set(key, wheel.schedule(Math.min(next - at, LONGEST_WAIT), again));
  }
}
