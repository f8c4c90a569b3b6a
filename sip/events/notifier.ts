/**
 * The notifier (RFC 6665 4.2): every change of anything ends in `stateChanged`, and from there each watch goes one way:
 * decide -> state -> render -> pace -> NOTIFY.
 */

import type { DocumentChange } from '../../xcap/document-store.ts';
import type { Logger } from '../core/log.ts';
import type { StateStore, StateTable } from '../core/state-store.ts';
import type { UserAgentClient } from '../core/uac.ts';
import { SipError } from '../message/sip-error.ts';
import type { TimerWheel } from '../transport/timer-wheel.ts';
import type { Body, EventPackage } from './event-package.ts';
import { NotifySender } from './notify-sender.ts';
import { PacedQueue } from './paced-queue.ts';
import { type EndReason, Subscription, type SubscriptionRecord } from './subscription.ts';
import { MemberWatch, type WatchBase } from './watch.ts';
import { WatchIndex } from './watch-index.ts';
import type { WatcherLists } from './watcher-list.ts';
import { decided, timedOut, type WatcherTransition } from './watcher-state.ts';

export interface NotifierOptions {
  readonly uac: UserAgentClient;
  readonly wheel: TimerWheel;
  readonly state: StateStore;
  readonly watchers: WatcherLists;
  readonly log: Logger;
  readonly now: () => number;
}

/** A decision is asked for again after this time at the latest, in milliseconds; keeps timers within what the wheel can hold. */
const LONGEST_DECISION = 24 * 3600_000;
/** Seconds until a NOTIFY that was refused for the moment is sent again, when the refusal does not say. */
const RETRY_AFTER = 30;
/** After a restart so many watchers are told their state in each slice of time, in milliseconds: ten thousand in a second. */
const RESTORED_PER_SLICE = 200;
const RESTORE_SLICE = 20;
/** Wait before a watch is tried again whose documents could not be read, in milliseconds. */
const RETRY_DELAY = 1000;

export class Notifier {
  readonly index = new WatchIndex();
  private readonly packages = new Map<string, EventPackage>();
  private readonly table: StateTable<SubscriptionRecord>;
  private readonly queue = new PacedQueue<WatchBase>((watch) => this.process(watch));
  private readonly sender: NotifySender;
  private readonly options: NotifierOptions;

  constructor(options: NotifierOptions) {
    this.options = options;
    this.table = options.state.table('subscriptions');
    this.sender = new NotifySender(options.uac, {
      delivered: (subscription) => {
        if (subscription.due !== 'nothing') this.enqueue(subscription);
      },
      undelivered: (subscription, retryAfter) => {
        // What the NOTIFY said is not known to the watcher: the next one says it all, and comes without a change.
        subscription.full = true;
        if (subscription.due === 'nothing') options.wheel.schedule((retryAfter ?? RETRY_AFTER) * 1000, (s) => this.force(s), subscription);
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
    this.packages.get(packageKey)?.changed?.(resource);
    for (const watch of this.index.of(packageKey, resource)) this.touch(watch);
  }

  /** Follows the change feed of the documents. */
  documentChanged(change: DocumentChange): void {
    for (const eventPackage of this.packages.values()) {
      for (const resource of eventPackage.affectedBy?.(change) ?? []) {
        this.stateChanged(eventPackage.key, resource);
        if (eventPackage.watcherinfo && this.options.watchers.hasWaiting(eventPackage.name, resource))
          this.judgeWaiting(eventPackage, resource);
      }
    }
  }

  /** Has something to tell this watch, or to judge it by. */
  touch(watch: WatchBase): void {
    if (watch instanceof Subscription && watch.due === 'nothing') watch.due = 'changed';
    this.enqueue(watch);
  }

  /** Tells the subscription its state in any case, the whole of it (after SUBSCRIBE, RFC 6665 4.2.1.2). */
  force(subscription: Subscription): void {
    subscription.due = 'forced';
    subscription.started = true;
    subscription.full = true;
    this.enqueue(subscription);
  }

  private enqueue(watch: WatchBase): void {
    if (watch.queued || watch.closed) return;
    watch.queued = true;
    this.queue.push(watch);
  }

  /** Judges a new subscription, takes it in, writes it down, and waits for the package to have opened it. The caller then forces a NOTIFY. */
  admit(subscription: Subscription): void | Promise<void> {
    this.judge(subscription);
    return this.open(subscription);
  }

  private open(subscription: Subscription): void | Promise<void> {
    this.index.add(subscription);
    this.save(subscription);
    this.startExpiry(subscription);
    return subscription.eventPackage.opened?.(subscription);
  }

  /** Notes a refresh: the expiry moves, and the record with it. */
  refreshed(subscription: Subscription): void {
    this.save(subscription);
    this.startExpiry(subscription);
  }

  /** Ends the subscription with a last NOTIFY. */
  end(subscription: Subscription, reason: EndReason): void {
    subscription.ending ??= reason;
    this.force(subscription);
  }

  /** Watches a resource on behalf of a list's subscription. The member's state is there at once when what it takes is in memory. */
  openMember(member: MemberWatch): void {
    this.index.add(member);
    this.process(member);
  }

  /** The list's subscription no longer has this member. */
  closeMember(member: MemberWatch): void {
    if (member.closed) return;
    this.drop(member);
    if (member.status !== 'terminated' && member.status !== 'init') this.transit(member, timedOut(member.status));
  }

  private save(subscription: Subscription): void {
    if (!subscription.fetch) this.table.put(subscription.id, subscription.toRecord());
  }

  private startExpiry(subscription: Subscription): void {
    const delay = Math.max(0, subscription.expiresAt - this.options.now());
    if (subscription.fetch) return;
    if (subscription.expiryTimer) this.options.wheel.reschedule(subscription.expiryTimer, delay);
    else subscription.expiryTimer = this.options.wheel.schedule(delay, (s) => this.end(s, 'timeout'), subscription);
  }

  /** Brings back the subscriptions of an earlier run; each is told its state once. Resolves when all are there, lists' members too. */
  async restore(): Promise<void> {
    const restored: Subscription[] = [];
    for (const [id, record] of this.table.load()) {
      const eventPackage = this.packages.get(record.package);
      if (eventPackage) restored.push(Subscription.restore(id, record, eventPackage));
      else this.table.delete(id);
    }
    const opened: unknown[] = [];
    for (const subscription of restored) {
      if (subscription.eventPackage.watcherinfo && subscription.status !== 'init') this.report(subscription);
      opened.push(this.open(subscription));
    }
    await Promise.all(opened);
    // Those who watch watchers come last, so that they hear of all of them at once.
    restored.sort((a, b) => rank(a) - rank(b));
    // And not all at once: a network that has just come back, and the watchers' own servers, must bear it.
    for (const [i, subscription] of restored.entries()) {
      if (subscription.expiresAt <= this.options.now()) continue;
      const slice = Math.floor(i / RESTORED_PER_SLICE);
      if (slice === 0) this.force(subscription);
      else this.options.wheel.schedule(slice * RESTORE_SLICE, (s) => this.force(s), subscription);
    }
  }

  private process(watch: WatchBase): void {
    watch.queued = false;
    if (watch.closed) return;
    try {
      const loading = watch.eventPackage.ready?.(watch.resource);
      if (loading) {
        loading.then(
          () => this.enqueue(watch),
          (error) => {
            this.failed(error);
            this.options.wheel.schedule(RETRY_DELAY, () => this.enqueue(watch));
          },
        );
        return;
      }
      if (watch instanceof Subscription) this.notify(watch);
      else if (watch instanceof MemberWatch) this.renderMember(watch);
    } catch (error) {
      this.failed(error);
    }
  }

  private readonly failed = (error: unknown): void => {
    this.options.log.error({ err: error }, 'a notification could not be made');
  };

  /** Judges the watch anew. False when the resource is gone. */
  private judge(watch: WatchBase): boolean {
    const { eventPackage, watcher, resource } = watch;
    const now = this.options.now();
    let decision: WatchBase['decision'];
    try {
      decision = eventPackage.authorize(watcher, resource, now);
    } catch (error) {
      if (error instanceof SipError) return false;
      throw error;
    }
    if (decision === watch.decision) return true;
    // A list asks on for a member that was refused: when it may be seen again, it is subscribed to anew.
    const again = watch instanceof MemberWatch && watch.status === 'terminated';
    const transition = decided(again ? 'init' : watch.status, decision.handling);
    watch.decision = decision;
    this.followDecision(watch, decision.validUntil, now);
    if (transition && !(again && transition.status === 'terminated')) this.transit(watch, transition);
    return true;
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
          this.touch(w);
        },
        watch,
      );
    }
  }

  /** Moves the watch to its new state and tells those who watch the watchers, save of a fetch that leaves nothing behind. */
  private transit(watch: WatchBase, { status, event }: WatcherTransition): void {
    const before = watch.status;
    watch.status = status;
    watch.event = event;
    const { log } = this.options;
    if (log.isLevelEnabled('info')) {
      const { watcher, resource, decision, eventPackage } = watch;
      const because = event === 'timeout' ? undefined : decision?.because;
      log.info({ event: eventPackage.name, watcher, resource, from: before, to: status, by: event, because }, 'subscription');
    }
    if (!watch.eventPackage.watcherinfo) return;
    if (watch instanceof Subscription) {
      if (watch.fetch && status !== 'waiting') return;
      if (before !== 'init' && status !== 'waiting' && status !== 'terminated') this.save(watch);
    }
    this.report(watch);
  }

  private report(watch: WatchBase): void {
    const { id, watcher, displayName, resource, eventPackage, status, event, since, endsAt } = watch;
    if (status === 'init') return;
    this.options.watchers.report({
      packageName: eventPackage.name,
      resource,
      id,
      watcher,
      displayName,
      status,
      event,
      since,
      expiresAt: endsAt,
    });
  }

  private judgeWaiting(eventPackage: EventPackage, resource: string): void {
    const judge = () =>
      this.options.watchers.decideWaiting(
        eventPackage.name,
        resource,
        (watcher) => eventPackage.authorize(watcher, resource, this.options.now()).handling,
      );
    const loading = eventPackage.ready?.(resource);
    if (loading) loading.then(judge).catch(this.failed);
    else judge();
  }

  private notify(subscription: Subscription): void {
    const { due } = subscription;
    if (subscription.inFlight || due === 'nothing' || !subscription.started) return;
    subscription.due = 'nothing';
    if (!this.judge(subscription)) subscription.ending = 'noresource';
    else if (subscription.status === 'terminated') subscription.ending = 'rejected';

    const body = this.bodyFor(subscription);
    const { ending } = subscription;
    if (!ending && due === 'changed' && subscription.lastStatus === subscription.status && sameBody(body, subscription.lastBody)) return;
    if (ending) this.finish(subscription, ending);
    subscription.lastBody = body;
    subscription.lastStatus = subscription.status;
    subscription.full = false;
    this.sender.send(subscription, body, this.options.now());
    if (!ending && subscription.outgrown) this.save(subscription);
  }

  private bodyFor(subscription: Subscription): Body | undefined {
    const { status, decision, eventPackage, full, notified: version } = subscription;
    if (status !== 'active' || !decision || subscription.ending === 'noresource') return undefined;
    return eventPackage.render(eventPackage.state(subscription.resource), decision, { watch: subscription, full, version });
  }

  private finish(subscription: Subscription, reason: EndReason): void {
    if (subscription.status === 'pending' || subscription.status === 'active') {
      const { status } = timedOut(subscription.status);
      this.transit(subscription, reason === 'timeout' ? { status, event: 'timeout' } : { status: 'terminated', event: reason });
    }
    this.drop(subscription);
  }

  /** The watcher cannot be told any more (RFC 6665 4.2.2). */
  private lose(subscription: Subscription, why: string): void {
    if (subscription.closed) return;
    this.options.log.info({ watcher: subscription.watcher, resource: subscription.resource, why }, 'subscription removed: NOTIFY failed');
    this.finish(subscription, 'timeout');
  }

  private drop(watch: WatchBase): void {
    watch.closed = true;
    this.index.remove(watch);
    if (watch.decisionTimer) this.options.wheel.cancel(watch.decisionTimer);
    if (!(watch instanceof Subscription)) return;
    if (watch.expiryTimer) this.options.wheel.cancel(watch.expiryTimer);
    if (!watch.fetch) this.table.delete(watch.id);
    watch.eventPackage.closed?.(watch);
  }

  private renderMember(member: MemberWatch): void {
    const { eventPackage, resource, state: before } = member;
    const found = this.judge(member);
    if (!found) {
      if (member.status === 'pending' || member.status === 'active') this.transit(member, { status: 'terminated', event: 'noresource' });
      member.decision = undefined;
      member.status = 'terminated';
    }
    const { status, decision } = member;
    const body =
      status === 'active' && decision
        ? eventPackage.render(eventPackage.state(resource), decision, { watch: member, full: true, version: 0 })
        : undefined;
    const reason = status === 'terminated' ? (found ? 'rejected' : 'noresource') : undefined;
    if (before && before.status === status && before.reason === reason && sameBody(body, before.body)) return;
    member.state = { status: status === 'active' || status === 'pending' ? status : 'terminated', reason, body };
    member.changed(member);
  }
}

/** Lists first, whose members make watchers; then plain subscriptions; then those that tell of watchers. */
function rank({ eventPackage }: Subscription): number {
  if (eventPackage.watcherinfo) return 1;
  return eventPackage.require ? 0 : 2;
}

function sameBody(a: Body | undefined, b: Body | undefined): boolean {
  if (a === b) return true;
  // A package with nothing to add renders nothing; that is no change either.
  if (a === undefined) return true;
  return b !== undefined && a.contentType === b.contentType && a.bytes.equals(b.bytes);
}
