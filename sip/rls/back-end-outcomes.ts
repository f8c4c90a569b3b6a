/** What becomes of a subscription of ours at another notifier (RFC 6665 4.1.2, 4.1.3): what members of lists show of it, and whether it is tried again. */

export interface Outcome {
  /** Of the terminated instance (RFC 4662 5.5). */
  readonly reason: string;
  /** When to subscribe anew: as soon as may be, after a time, or never. */
  readonly again: 'soon' | 'later' | 'never';
}

/** RFC 6665 4.1.3: reasons in the Subscription-State of a NOTIFY. */
const REASONS: Readonly<Record<string, Outcome>> = {
  deactivated: { reason: 'deactivated', again: 'soon' },
  timeout: { reason: 'timeout', again: 'soon' },
  probation: { reason: 'probation', again: 'later' },
  giveup: { reason: 'giveup', again: 'later' },
  rejected: { reason: 'rejected', again: 'never' },
  noresource: { reason: 'noresource', again: 'never' },
  invariant: { reason: 'invariant', again: 'never' },
};

/** For a NOTIFY that ends the subscription. A reason that is not known, or none, lets us try again at any time. */
export function outcomeOfReason(reason: string | undefined): Outcome {
  return REASONS[reason ?? ''] ?? { reason: 'probation', again: 'later' };
}

const GONE: ReadonlySet<number> = new Set([404, 410, 604]);
/** The notifier or the way to it may be well again at another time (RFC 3261 21.4, 21.5). */
const PASSING: ReadonlySet<number> = new Set([408, 480, 486, 491, 500, 502, 503, 504, 600]);

/** For a final response other than 2xx to a SUBSCRIBE that would make a subscription. */
export function outcomeOfStatus(status: number): Outcome {
  if (GONE.has(status)) return { reason: 'noresource', again: 'never' };
  // RFC 4662 5.5 has the words of Subscription-State: that it will be tried again is "probation".
  return PASSING.has(status) ? { reason: 'probation', again: 'later' } : { reason: 'rejected', again: 'never' };
}

/** No answer, or no way there. */
export const UNREACHABLE: Outcome = { reason: 'probation', again: 'later' };

/** RFC 6665 4.1.2.2: responses to a refresh after which there is no subscription any more; with others it lives on until it expires. */
const ENDING: ReadonlySet<number> = new Set([404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604]);

export function endsSubscription(status: number): boolean {
  return ENDING.has(status);
}

/** Seconds before the next try. */
export const SHORTEST_WAIT = 2;
const FIRST_WAIT = 30;
const LONGEST_WAIT = 3600;

/**
 * Seconds to wait before subscribing anew.
 * @param failures tries in a row that came to nothing
 * @param retryAfter what the notifier asks for, in seconds
 */
export function waitBefore({ again }: Outcome, failures: number, retryAfter: number | undefined): number {
  if (retryAfter !== undefined) return Math.min(Math.max(retryAfter, SHORTEST_WAIT), 24 * LONGEST_WAIT);
  if (again === 'soon' && failures === 0) return 0;
  return Math.min(FIRST_WAIT * 2 ** Math.min(failures, 10), LONGEST_WAIT);
}
