/**
 * The notifier (RFC 6665 4.2): every change of anything ends in `stateChanged`, and from there each watch goes one way:
 * decide -> state -> render -> pace -> NOTIFY.
 */

import type { DocumentChange } from '../../xcap/document-store.ts';
import { PacedQueue } from '../core/paced-queue.ts';
import type { Body, EventPackage } from './event-package.ts';
import { sayFarewell } from './farewell.ts';
import { MemberWatches } from './member-watches.ts';
import type { NotifierOptions } from './notifier-options.ts';
import { NotifyPacing } from './notify-pacing.ts';
import { NotifySender } from './notify-sender.ts';
import { restoreSubscriptions } from './restoration.ts';
import { type EndReason, endsUnasked, Subscription } from './subscription.ts';
import { SubscriptionBook } from './subscription-book.ts';
import { bodyOf, entityTagOf, sameBody, suppress } from './told-state.ts';
import { UndecidedWatches } from './undecided-watches.ts';
import { WaitingJudge } from './waiting-judge.ts';
import { MemberWatch, type WatchBase } from './watch.ts';
import { filteringIsSpent } from './watch-filter.ts';
import { WatchIndex } from './watch-index.ts';
import { WatchJudge } from './watch-judge.ts';
import { timedOut } from './watcher-state.ts';

/** Wait before a watch is tried again whose documents could not be read, in milliseconds. */
const RETRY_DELAY = 1000;
/** Seconds before which a watcher is asked not to come back whose subscription could not go on for a fault of ours. */
const PROBATION = 600;

export class Notifier {
  readonly index = new WatchIndex();
  private readonly packages = new Map<string, EventPackage>();
  private readonly book: SubscriptionBook;
  private readonly queue = new PacedQueue<WatchBase>((watch) => this.process(watch), { paused: () => this.options.told?.() });
  private readonly sender: NotifySender;
  readonly pacing: NotifyPacing;
  private readonly judge: WatchJudge;
  private readonly waiting: WaitingJudge;
  private readonly undecided: UndecidedWatches;
  /** Of lists' subscriptions. */
  readonly members: MemberWatches;
  private readonly options: NotifierOptions;
  /** The server is about to stop. */
  isClosing = false;

  constructor(options: NotifierOptions) {
    this.options = options;
    this.book = new SubscriptionBook({ ...options, expired: (subscription) => this.end(subscription, 'timeout') });
    this.judge = new WatchJudge(options, {
      touch: (watch) => this.touch(watch),
      save: (subscription) => this.book.saveSoon(subscription),
      moved: (watch) => this.undecided.follow(watch),
      waits: ({ eventPackage, resource }) => this.waiting.judge(eventPackage, resource),
    });
    this.members = new MemberWatches({
      ...options,
      index: this.index,
      judge: this.judge,
      process: (member, later) => (later ? this.touch(member) : this.process(member)),
    });
    this.waiting = new WaitingJudge({ ...options, failed: (error) => this.failed(error) });
    this.undecided = new UndecidedWatches({
      ...options,
      giveUp: (watch, retryAfter) => {
        if (watch instanceof Subscription) this.end(watch, 'giveup', retryAfter);
        else if (watch instanceof MemberWatch) this.members.giveUp(watch, retryAfter);
      },
    });
    this.pacing = new NotifyPacing({
      ...options,
      touch: (subscription) => this.touch(subscription),
      force: (subscription) => {
        subscription.due = 'forced';
        subscription.full = true;
        this.enqueue(subscription);
      },
    });
    this.sender = new NotifySender(options.uac, {
      delivered: (subscription) => {
        if (subscription.due !== 'nothing') this.enqueue(subscription);
      },
      moved: (subscription) => this.book.save(subscription),
      rated: (subscription, event) => {
        if (this.pacing.changeRates(subscription, event)) this.book.save(subscription);
      },
      undelivered: (subscription, retryAfter) => {
        // What the NOTIFY said is not known to the watcher: the next one says it all, and comes without a change.
        subscription.full = true;
        subscription.lastBody = undefined;
        subscription.filter?.noteLost();
        subscription.lastStatus = 'init';
        this.pacing.tellAgain(subscription, retryAfter);
      },
      parted: (subscription) => {
        if (endsUnasked(subscription)) this.book.forget(subscription);
      },
      lost: (subscription, why) => this.lose(subscription, why),
    });
  }

  register(eventPackage: EventPackage): void {
    this.packages.set(eventPackage.key, eventPackage);
  }

  /** The package of an Event header field's name, or undefined. */
  packageNamed(name: string): EventPackage | undefined {
    return this.packages.get(name);
  }

  /** Event names for Allow-Events. */
  get eventNames(): string[] {
    return [...new Set([...this.packages.values()].map(({ name }) => name))];
  }

  /** The state of the resource, or what decides about its watchers, may have changed: each is judged anew and told what it may see. */
  stateChanged(packageKey: string, resource: string): void {
    const eventPackage = this.packages.get(packageKey);
    eventPackage?.changed?.(resource);
    for (const watch of this.index.of(packageKey, resource)) this.touch(watch);
    if (eventPackage?.watcherinfo) this.waiting.judge(eventPackage, resource);
  }

  /** Follows the change feed of the documents. */
  documentChanged(change: DocumentChange): void {
    for (const eventPackage of this.packages.values()) {
      for (const resource of eventPackage.affectedBy?.(change) ?? []) this.stateChanged(eventPackage.key, resource);
    }
  }

  /** Accounts have come or gone: whose watcher or resource is no user any more is judged anew. */
  usersChanged(): void {
    const { mayWatch, isUser } = this.options;
    for (const watch of this.index.all()) {
      const gone = !watch.eventPackage.require && !isUser(watch.resource);
      if (gone || !mayWatch(watch.watcher)) this.touch(watch);
    }
  }

  /** Has something to tell this watch, or to judge it by. */
  touch(watch: WatchBase): void {
    if (watch instanceof Subscription && watch.due === 'nothing') watch.due = 'changed';
    this.enqueue(watch);
  }

  /** The NOTIFY that is being made has no room for all: another comes right after it. */
  goOn(watch: WatchBase): void {
    if (watch instanceof Subscription) watch.unfinished = true;
    this.touch(watch);
  }

  /** Tells the subscription its state in any case, the whole of it (after SUBSCRIBE, RFC 6665 4.2.1.2). */
  force(subscription: Subscription): void {
    subscription.due = 'forced';
    subscription.started = true;
    subscription.full = true;
    subscription.held = false;
    this.enqueue(subscription);
  }

  private enqueue(watch: WatchBase): void {
    if (watch.queued || watch.closed) return;
    watch.queued = true;
    this.queue.push(watch);
  }

  /** Goes on with a subscription of an earlier run whose watcher knows the state, if it is still the same. */
  private resume(subscription: Subscription): void {
    subscription.started = true;
    subscription.lastStatus = subscription.status;
    this.touch(subscription);
  }

  /** Judges a new subscription, takes it in, writes it down, and waits for the package to have opened it. The caller then forces a NOTIFY. */
  admit(subscription: Subscription): void | Promise<void> {
    this.judge.judge(subscription);
    return this.open(subscription);
  }

  /** Takes back what could not be opened: nobody has been told of it. */
  abandon(subscription: Subscription): void {
    if (!subscription.closed) this.drop(subscription);
  }

  /** The record of a subscription that ends goes before its end is acknowledged. */
  forget(subscription: Subscription): void {
    this.book.forget(subscription);
  }

  private open(subscription: Subscription): void | Promise<void> {
    this.index.add(subscription);
    this.book.save(subscription);
    this.book.startExpiry(subscription);
    return subscription.eventPackage.opened?.(subscription);
  }

  /** Notes a refresh: the expiry moves, and the record with it. @param asBefore nothing else has changed */
  refreshed(subscription: Subscription, asBefore = false): void {
    if (asBefore) this.book.renew(subscription);
    else this.book.save(subscription);
    this.book.startExpiry(subscription);
  }

  /** Ends the subscription with a last NOTIFY. @param retryAfter seconds before which the watcher is asked not to come back */
  end(subscription: Subscription, reason: EndReason, retryAfter?: number): void {
    if (subscription.closed) return;
    if (!subscription.ending) {
      subscription.ending = reason;
      subscription.retryAfter = retryAfter;
    }
    this.force(subscription);
  }

  /** Ends all subscriptions, so that their watchers subscribe anew elsewhere; no new ones are taken. @param time at most, in milliseconds */
  deactivate(time: number): Promise<void> {
    this.isClosing = true;
    const subscriptions = (): Iterable<Subscription> => this.index.subscriptions();
    return sayFarewell({ wheel: this.options.wheel, subscriptions, end: (subscription, reason) => this.end(subscription, reason) }, time);
  }

  /** Brings back the subscriptions of an earlier run; each is told its state once. Resolves when all are there, lists' members too. */
  restore(): Promise<void> {
    const { wheel, now } = this.options;
    return restoreSubscriptions({
      book: this.book,
      sender: this.sender,
      wheel,
      now,
      packageOf: (key) => this.packages.get(key),
      setRates: (subscription, rates) => this.pacing.setRates(subscription, rates),
      report: (subscription) => {
        this.judge.report(subscription);
        this.undecided.follow(subscription);
      },
      open: (subscription) => this.open(subscription),
      tell: (subscription) => (subscription.answeredSilently ? this.resume(subscription) : this.force(subscription)),
      failed: this.failed,
    });
  }

  private process(watch: WatchBase): void {
    watch.queued = false;
    if (watch.closed) return;
    if (watch.filter && filteringIsSpent()) {
      this.enqueue(watch);
      return;
    }
    try {
      const loading = watch.eventPackage.ready?.(watch.resource);
      if (loading) {
        loading.then(
          () => this.enqueue(watch),
          (error) => {
            this.failed(error);
            // A subscription that is at an end waits for nothing more.
            if (watch instanceof Subscription && watch.ending) this.breakOff(watch);
            else this.options.wheel.schedule(RETRY_DELAY, () => this.enqueue(watch));
          },
        );
        return;
      }
      if (watch instanceof Subscription) this.notify(watch);
      else if (watch instanceof MemberWatch) this.members.render(watch);
    } catch (error) {
      this.failed(error);
      if (watch instanceof Subscription) this.breakOff(watch);
    }
  }

  private readonly failed = (error: unknown): void => {
    this.options.log.error({ err: error }, 'a notification could not be made');
  };

  /** Ends a subscription whose state cannot be told: its watcher is better off knowing that, and may come back (RFC 6665 4.1.3). */
  private breakOff(subscription: Subscription): void {
    if (subscription.closed || subscription.inFlight || !subscription.started) return;
    if (!subscription.ending) {
      subscription.ending = 'probation';
      subscription.retryAfter = PROBATION;
    }
    this.finish(subscription, subscription.ending);
    this.send(subscription, undefined, undefined);
  }

  private notify(subscription: Subscription): void {
    const { due } = subscription;
    if (subscription.inFlight || due === 'nothing' || !subscription.started || subscription.held) return;
    subscription.due = 'nothing';
    const gone = this.judge.judge(subscription);
    const refused = gone ?? (subscription.status === 'terminated' ? 'rejected' : undefined);
    if (refused) {
      subscription.ending = refused;
      subscription.retryAfter = undefined;
    }
    if (due === 'changed' && this.pacing.putOff(subscription)) return;
    subscription.unfinished = false;
    // Who was not to see the state for a time may not have kept what it knew of it.
    if (subscription.status !== subscription.lastStatus) subscription.full = true;

    const suppressed = subscription.condition === undefined ? undefined : suppress(subscription);
    const change = due === 'changed' && subscription.lastStatus === subscription.status;
    const body = suppressed ? undefined : bodyOf(subscription, change);
    const { ending } = subscription;
    if (!ending && change && (suppressed || !isNews(subscription, body))) return;
    if (ending) this.finish(subscription, ending);
    else if (subscription.answeredSilently) this.noteTold(subscription);
    // A list's body is never like another.
    subscription.lastBody = subscription.eventPackage.require ? undefined : body;
    subscription.lastStatus = subscription.status;
    subscription.full = false;
    subscription.filter?.noteTold();
    const entityTag = suppressed ? suppressed.entityTag : body && entityTagOf(body, subscription.eventPackage);
    if (!this.send(subscription, body, entityTag) || ending) return;
    if (subscription.rates) this.pacing.noteSent(subscription);
    if (subscription.outgrown) this.book.renew(subscription);
  }

  /** A NOTIFY may get lost with the server: from now on a restart is told again. */
  private noteTold(subscription: Subscription): void {
    subscription.answeredSilently = false;
    this.book.save(subscription);
  }

  private send(subscription: Subscription, body: Body | undefined, entityTag: string | undefined): boolean {
    // Its watcher knows of no end as long as it has not answered, also when the server does not live to see that.
    if (endsUnasked(subscription)) this.book.save(subscription);
    subscription.toldAt = this.options.now();
    try {
      this.sender.send(subscription, body, entityTag, subscription.toldAt);
      return true;
    } catch (error) {
      this.failed(error);
      subscription.inFlight = false;
      if (endsUnasked(subscription)) this.book.forget(subscription);
      this.lose(subscription, 'it cannot be sent');
      return false;
    }
  }

  /**
   * Whether the condition of a SUBSCRIBE in its dialog holds, so that no NOTIFY is due (RFC 5839 6.3). It then holds on, until the state
   * is another or the watcher asks anew. What decides and what is told must be in memory (`EventPackage.ready`).
   */
  holdsCondition(subscription: Subscription, condition: string): boolean {
    const told = subscription.lastStatus;
    const gone = this.judge.judge(subscription);
    if (gone !== undefined || subscription.status !== told) return false;
    subscription.condition = condition;
    subscription.answeredSilently = suppress(subscription) !== undefined;
    return subscription.answeredSilently;
  }

  /** Ends the subscription without a last NOTIFY (RFC 5839 5.7). */
  endSilently(subscription: Subscription): void {
    this.finish(subscription, 'timeout');
  }

  private finish(subscription: Subscription, reason: EndReason): void {
    if (subscription.status === 'pending' || subscription.status === 'active') {
      const { status } = timedOut(subscription.status);
      this.judge.transit(subscription, reason === 'timeout' ? { status, event: 'timeout' } : { status: 'terminated', event: reason });
    }
    this.drop(subscription);
  }

  /** The watcher cannot be told any more (RFC 6665 4.2.2). */
  private lose(subscription: Subscription, why: string): void {
    if (subscription.closed) return;
    this.options.log.info({ watcher: subscription.watcher, resource: subscription.resource, why }, 'subscription removed: NOTIFY failed');
    this.finish(subscription, 'timeout');
  }

  private drop(subscription: Subscription): void {
    subscription.closed = true;
    this.index.remove(subscription);
    this.undecided.follow(subscription);
    const { decisionTimer, expiryTimer, againTimer } = subscription;
    for (const timer of [decisionTimer, expiryTimer, againTimer]) if (timer) this.options.wheel.cancel(timer);
    if (subscription.rates) this.pacing.cancel(subscription);
    this.book.forget(subscription);
    subscription.eventPackage.closed?.(subscription);
  }
}

/** Whether the body of a change is told: where triggers decide they do so alone (RFC 4660 5.3). */
function isNews({ filter, lastBody }: Subscription, body: Body | undefined): boolean {
  return (body && filter?.triggered) ?? !sameBody(body, lastBody);
}
