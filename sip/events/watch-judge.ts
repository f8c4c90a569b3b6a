/** Decides about a watch and moves it through the states of `watcher-state`, telling those who watch the watchers. */
import type { Logger } from '../core/log.ts';
import { SipError } from '../message/sip-error.ts';
import type { TimerWheel } from '../transport/timer-wheel.ts';
import { Subscription } from './subscription.ts';
import { MemberWatch, type WatchBase } from './watch.ts';
import type { WatcherLists } from './watcher-list.ts';
import { decided, type WatcherTransition } from './watcher-state.ts';

export interface WatchJudgeOptions {
  readonly wheel: TimerWheel;
  readonly watchers: WatcherLists;
  readonly log: Logger;
  readonly now: () => number;
  /** May the canonical address watch at all: is it another domain's, or a user here? */
  readonly mayWatch: (address: string) => boolean;
}

export interface WatchJudgeHooks {
  /** The decision may have become another one by itself. */
  touch(watch: WatchBase): void;
  /** The record of the subscription says something else now. */
  save(subscription: Subscription): void;
  /** The watch has another status now, or has come back with one. */
  moved(watch: WatchBase): void;
  /** Nobody has decided about the watch, and it has ended: its watcher waits. */
  waits(watch: WatchBase): void;
}

/** A decision is asked for again after this time at the latest, in milliseconds; keeps timers within what the wheel can hold. */
const LONGEST_DECISION = 24 * 3600_000;

export class WatchJudge {
  private readonly options: WatchJudgeOptions;
  private readonly hooks: WatchJudgeHooks;

  constructor(options: WatchJudgeOptions, hooks: WatchJudgeHooks) {
    this.options = options;
    this.hooks = hooks;
  }

  /** Judges the watch anew; gives the reason for which it ends, if it does so without a decision. */
  judge(watch: WatchBase): 'noresource' | 'rejected' | undefined {
    const { eventPackage, watcher, aliases, resource } = watch;
    const now = this.options.now();
    if (!this.options.mayWatch(watcher)) return 'rejected';
    let decision: WatchBase['decision'];
    try {
      decision = eventPackage.authorize(watcher, resource, now, aliases);
    } catch (error) {
      if (error instanceof SipError) return 'noresource';
      throw error;
    }
    if (decision === watch.decision) return undefined;
    // A list asks on for a member that was refused: when it may be seen again, it is subscribed to anew.
    const again = watch instanceof MemberWatch && watch.status === 'terminated';
    const transition = decided(again ? 'init' : watch.status, decision.handling);
    watch.decision = decision;
    this.followDecision(watch, decision.validUntil, now);
    if (again) {
      // Given up, and still nobody has decided: its watcher has to ask anew.
      if (transition?.status === 'pending' && watch.retryAt !== undefined) return undefined;
      watch.retryAt = undefined;
      if (transition?.status === 'terminated') return undefined;
    }
    if (transition) this.transit(watch, transition);
    return undefined;
  }

  private followDecision(watch: WatchBase, validUntil: number | undefined, now: number): void {
    if (validUntil === undefined) {
      if (watch.decisionTimer) this.options.wheel.cancel(watch.decisionTimer);
      return;
    }
    const delay = Math.min(validUntil - now, LONGEST_DECISION);
    if (watch.decisionTimer) this.options.wheel.reschedule(watch.decisionTimer, delay);
    else {
      watch.decisionTimer = this.options.wheel.schedule(
        delay,
        (w: WatchBase) => {
          // Asked anew even when the timer was cut short.
          w.decision = undefined;
          this.hooks.touch(w);
        },
        watch,
      );
    }
  }

  /** Moves the watch to its new state and tells those who watch the watchers, save of a fetch that leaves nothing behind. */
  transit(watch: WatchBase, { status, event }: WatcherTransition): void {
    const before = watch.status;
    watch.status = status;
    watch.event = event;
    this.note(watch, before);
    if (!watch.eventPackage.watcherinfo) return;
    const subscription = watch instanceof Subscription ? watch : undefined;
    if (subscription?.fetch && status !== 'waiting') return;
    // An earlier decision has been taken back (RFC 5025 3.2.1).
    if (status === 'pending' && before !== 'init') watch.undecidedSince = this.options.now();
    this.hooks.moved(watch);
    if (subscription && before !== 'init' && status !== 'waiting' && status !== 'terminated') this.hooks.save(subscription);
    this.report(watch);
    if (status === 'waiting') this.hooks.waits(watch);
  }

  /** A line for each; of the members of lists, thousands of which may come with one SUBSCRIBE, only where details are wanted. */
  private note(watch: WatchBase, before: WatchBase['status']): void {
    const { log } = this.options;
    const level = watch instanceof MemberWatch ? 'debug' : 'info';
    if (!log.isLevelEnabled(level)) return;
    const { watcher, resource, decision, eventPackage, status, event } = watch;
    const because = event === 'timeout' ? undefined : decision?.because;
    log[level]({ event: eventPackage.name, watcher, resource, from: before, to: status, by: event, because }, 'subscription');
  }

  report(watch: WatchBase): void {
    const { id, watcher, aliases, displayName, resource, eventPackage, status, event, since } = watch;
    if (status === 'init') return;
    this.options.watchers.report({
      packageName: eventPackage.name,
      resource,
      id,
      watcher,
      aliases,
      displayName,
      status,
      event,
      since,
      lasting: status === 'pending' || status === 'active' ? watch : undefined,
    });
  }
}
