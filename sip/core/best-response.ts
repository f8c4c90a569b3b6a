import type { SipResponse } from '../message/message.ts';

/** RFC 3261 16.7 step 6: of the 4xx these tell the sender how to try again. */
const INFORMATIVE: ReadonlySet<number> = new Set([401, 407, 415, 420, 484]);

/** A failure that a target has answered, or that we have met on the way to it. */
export interface Failure {
  readonly status: number;
  /** Undefined where no response came. */
  readonly response: SipResponse | undefined;
}

/** The failure that the sender is told (RFC 3261 16.7 step 6): a 6xx, else of the lowest class; undefined when there is none. */
export function bestFailure(failures: readonly Failure[]): Failure | undefined {
  let best: Failure | undefined;
  for (const failure of failures) if (best === undefined || rank(failure) < rank(best)) best = failure;
  return best;
}

/** Lower is better. */
function rank({ status, response }: Failure): number {
  if (status >= 600) return 0;
  const own = response === undefined ? 0.05 : 0;
  const order = status === 503 ? 0.9 : INFORMATIVE.has(status) ? 0.1 : status === 487 || status === 408 || status === 430 ? 0.7 : 0.5;
  return Math.floor(status / 100) + order + own;
}

/**
 * RFC 3261 16.7 step 7: the sender needs the challenges of all targets at once to answer them, so those of the others are put into
 * the response.
 */
export function collectChallenges(best: SipResponse, failures: readonly Failure[]): void {
  if (best.status !== 401 && best.status !== 407) return;
  for (const { status, response } of failures) {
    if (response === undefined || response === best || (status !== 401 && status !== 407)) continue;
    for (const name of ['WWW-Authenticate', 'Proxy-Authenticate']) {
      for (const challenge of response.headers.all(name)) best.headers.append(name, challenge);
    }
  }
}

/** RFC 3261 16.7 step 6: what holds between us and the next hop is not what holds between the sender and us. RFC 5626 5.3 for 430. */
export function statusForSender(status: number): number {
  if (status === 503) return 500;
  return status === 430 ? 480 : status;
}
