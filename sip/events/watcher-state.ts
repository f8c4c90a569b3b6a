/**
 * The watcher's side of a subscription as RFC 3857 4.7.1 draws it, with the return from active to pending of RFC 5025 3.2.1.
 * A pure table: what a decision makes of a status, and which event to report for it.
 */
import type { SubHandling } from './event-package.ts';

export type WatcherStatus = 'pending' | 'active' | 'waiting' | 'terminated';
export type WatcherEvent = 'subscribe' | 'approved' | 'deactivated' | 'probation' | 'rejected' | 'timeout' | 'giveup' | 'noresource';

export interface WatcherTransition {
  readonly status: WatcherStatus;
  readonly event: WatcherEvent;
}

type Verdict = 'reject' | 'none' | 'accept';

const VERDICTS: Readonly<Record<SubHandling, Verdict>> = { block: 'reject', confirm: 'none', 'polite-block': 'accept', allow: 'accept' };

const TABLE: Readonly<Record<'init' | WatcherStatus, Readonly<Record<Verdict, WatcherTransition | undefined>>>> = {
  init: {
    reject: { status: 'terminated', event: 'rejected' },
    none: { status: 'pending', event: 'subscribe' },
    accept: { status: 'active', event: 'subscribe' },
  },
  pending: {
    reject: { status: 'terminated', event: 'rejected' },
    none: undefined,
    accept: { status: 'active', event: 'approved' },
  },
  active: {
    reject: { status: 'terminated', event: 'rejected' },
    none: { status: 'pending', event: 'subscribe' },
    accept: undefined,
  },
  waiting: {
    reject: { status: 'terminated', event: 'rejected' },
    none: undefined,
    accept: { status: 'terminated', event: 'approved' },
  },
  terminated: { reject: undefined, none: undefined, accept: undefined },
};

/** What the decision changes; undefined when nothing. */
export function decided(status: 'init' | WatcherStatus, handling: SubHandling): WatcherTransition | undefined {
  return TABLE[status][VERDICTS[handling]];
}

/** A subscription that ends by itself: one that nobody has decided about is remembered (RFC 3857 4.7.1, "waiting"). */
export function timedOut(status: WatcherStatus): WatcherTransition {
  return { status: status === 'pending' ? 'waiting' : 'terminated', event: 'timeout' };
}
