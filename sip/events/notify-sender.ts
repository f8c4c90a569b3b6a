/** Sends NOTIFYs, one at a time in each dialog, and makes of the answers what RFC 6665 4.2.2 says. */
import type { UacCallbacks, UserAgentClient } from '../core/uac.ts';
import { encodedBody } from '../message/content-coding.ts';
import type { SipResponse } from '../message/message.ts';
import type { Body } from './event-package.ts';
import type { Subscription } from './subscription.ts';

export interface NotifyOutcomes {
  delivered(subscription: Subscription): void;
  /** An error that does not end the subscription; what was in the NOTIFY is not known to the watcher. `retryAfter` in seconds. */
  undelivered(subscription: Subscription, retryAfter: number | undefined): void;
  /** The watcher has told another address of its own. */
  moved(subscription: Subscription): void;
  /** The watcher wants other rates (RFC 6446 9.3), as an Event header field says. */
  rated(subscription: Subscription, event: string): void;
  /** The last NOTIFY of a subscription has been answered, or will not be. */
  parted(subscription: Subscription): void;
  /** The subscription is at an end. */
  lost(subscription: Subscription, why: string): void;
}

/** Responses that end the subscription (RFC 6665 4.2.2, RFC 5057 5.1; 408, as if Timer F had fired here: RFC 3261 12.2.1.2). */
const ENDING = new Set([404, 405, 408, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604]);

/** Bounds in seconds to what a watcher may say in Retry-After: with 0 it would be told without end, as fast as it answers. */
const SHORTEST_RETRY = 5;
const LONGEST_RETRY = 3600;

export class NotifySender {
  private readonly uac: UserAgentClient;
  private readonly outcomes: NotifyOutcomes;

  constructor(uac: UserAgentClient, outcomes: NotifyOutcomes) {
    this.uac = uac;
    this.outcomes = outcomes;
  }

  /** `entityTag` is that of the state, whether the body tells it or the watcher has it already; `now` in milliseconds since the epoch. */
  send(subscription: Subscription, body: Body | undefined, entityTag: string | undefined, now: number): void {
    const { eventPackage, ending, status, expiresAt } = subscription;
    const request = subscription.dialog.createRequest('NOTIFY');
    const { headers } = request;
    headers.add('Event', subscription.eventHeader);
    const remaining = Math.max(0, Math.ceil((expiresAt - now) / 1000));
    headers.add('Subscription-State', ending ? endOf(subscription) : `${status};expires=${remaining}${subscription.rates?.params ?? ''}`);
    if (eventPackage.require) headers.add('Require', eventPackage.require);
    // RFC 4660 5.3.1: a filter may leave nothing.
    if (body && body.bytes.length > 0) {
      headers.add('Content-Type', body.contentType);
      const coded = subscription.coding && encodedBody(body.bytes, subscription.coding);
      if (coded && subscription.coding) headers.add('Content-Encoding', subscription.coding);
      request.body = coded ?? body.bytes;
    }
    if (entityTag !== undefined) headers.add('SIP-ETag', entityTag);
    subscription.inFlight = true;
    this.uac.send(request, subscription.target, new NotifyTransaction(subscription, this.outcomes));
  }
}

/** RFC 6665 4.1.3. */
function endOf({ ending, retryAfter }: Subscription): string {
  return `terminated;reason=${ending}${retryAfter === undefined ? '' : `;retry-after=${retryAfter}`}`;
}

class NotifyTransaction implements UacCallbacks {
  private readonly subscription: Subscription;
  private readonly outcomes: NotifyOutcomes;

  constructor(subscription: Subscription, outcomes: NotifyOutcomes) {
    this.subscription = subscription;
    this.outcomes = outcomes;
  }

  onResponse(response: SipResponse): void {
    const { subscription, outcomes } = this;
    const { status, headers } = response;
    subscription.inFlight = false;
    if (subscription.closed) {
      outcomes.parted(subscription);
      return;
    }
    if (ENDING.has(status)) {
      outcomes.lost(subscription, `answered ${status}`);
      return;
    }
    if (status >= 300) {
      const retryAfter = Number.parseInt(headers.get('Retry-After') ?? '', 10);
      const wait = Math.min(Math.max(retryAfter, SHORTEST_RETRY), LONGEST_RETRY);
      outcomes.undelivered(subscription, Number.isNaN(wait) ? undefined : wait);
    }
    if (status < 300 && subscription.dialog.receiveSuccess(response)) outcomes.moved(subscription);
    // RFC 6446 4.1: only who has asked for rates may ask for others here.
    if (subscription.rates && status < 300) {
      const event = headers.get('Event');
      if (event !== undefined) outcomes.rated(subscription, event);
    }
    outcomes.delivered(subscription);
  }

  onFailure(kind: 'timeout' | 'transport' | 'unresolved'): void {
    const { subscription, outcomes } = this;
    subscription.inFlight = false;
    if (subscription.closed) outcomes.parted(subscription);
    else outcomes.lost(subscription, kind);
  }
}
