/** What a subscription is to be told, and when it need not be: entity tags of event state, and conditions on them (RFC 5839). */
import { hash } from 'node:crypto';
import type { Body, EventPackage } from './event-package.ts';
import type { Subscription } from './subscription.ts';

/** What the watcher is to be told of the state as it may see it now; undefined where there is nothing, in a `change` that its triggers pass over too. */
export function bodyOf(subscription: Subscription, change = false): Body | undefined {
  const { eventPackage, full, notified: version, filter } = subscription;
  const whole = visibleState(subscription);
  if (filter && whole) {
    // No change is to be counted from what is not told.
    if (change && filter.triggered === false) return undefined;
    if (whole.bytes.length === 0) return whole;
  }
  return whole && eventPackage.encode ? eventPackage.encode(whole, { watch: subscription, full, version }) : whole;
}

/** The state as the watcher may see it now, before it is told as changes. */
function visibleState(subscription: Subscription): Body | undefined {
  const { status, decision, eventPackage, ending, full, notified: version } = subscription;
  if (status !== 'active' || !decision || (ending !== undefined && ending !== 'timeout')) return undefined;
  const { filter } = subscription;
  const request = { watch: subscription, full, filtered: filter !== undefined, version };
  const body = eventPackage.render(eventPackage.state(subscription.resource), decision, request);
  return filter === undefined || body === undefined ? body : filter.apply(body, eventPackage.filtering?.volatile);
}

/** One body is told to many watchers. */
const tags = new WeakMap<Body, string>();

/** The tag of the state that a body tells; undefined where it tells no whole state. */
export function entityTagOf(body: Body, { bodiesAreWhole }: EventPackage): string | undefined {
  if (body.entityTag !== undefined || !bodiesAreWhole) return body.entityTag;
  let tag = tags.get(body);
  if (tag === undefined) {
    tag = hash('sha256', body.bytes, 'base64url').slice(0, 22);
    tags.set(body, tag);
  }
  return tag;
}

/** The condition that always holds. */
const ANY_STATE = '*';

/**
 * RFC 5839 6.2, 6.3: while the subscription's condition holds the state is not told. Undefined when it holds no longer, which is once
 * and for all; otherwise the state's entity tag, where there is one.
 */
export function suppress(subscription: Subscription): { readonly entityTag: string | undefined } | undefined {
  const { condition, eventPackage } = subscription;
  const entityTag = stateTag(subscription);
  if (condition !== ANY_STATE && condition !== entityTag) {
    subscription.condition = undefined;
    return undefined;
  }
  // Where the package cannot do so by itself, it is told to nobody: what it keeps for this watcher would grow otherwise.
  if (eventPackage.settled) eventPackage.settled(subscription);
  else if (!eventPackage.bodiesAreWhole) bodyOf(subscription);
  // What differs from the tag is news then, whatever was told before.
  subscription.lastBody = undefined;
  return { entityTag };
}

/** The entity tag of what the watcher may see now. */
function stateTag(subscription: Subscription): string | undefined {
  const { eventPackage, status } = subscription;
  if (status !== 'active') return undefined;
  if (eventPackage.entityTag) return eventPackage.entityTag(subscription);
  const body = eventPackage.bodiesAreWhole && visibleState(subscription);
  return body ? entityTagOf(body, eventPackage) : undefined;
}

/** Is the body told last as good as this one? */
export function sameBody(a: Body | undefined, b: Body | undefined): boolean {
  if (a === b) return true;
  // A package with nothing to add renders nothing; that is no change either.
  if (a === undefined) return true;
  if (b !== undefined && a.essence !== undefined) return a.essence === b.essence;
  return b !== undefined && a.contentType === b.contentType && a.bytes.equals(b.bytes);
}
