/** SUBSCRIBE (RFC 6665 4.2.1): a new subscription, a refresh, an end, or a fetch. */
import { canonicalAddress } from '../../schemas/address.ts';
import { ANONYMOUS } from '../core/identity.ts';
import type { HeaderField } from '../core/respond.ts';
import type { RequestContext } from '../core/router.ts';
import type { StateStore } from '../core/state-store.ts';
import { Dialog } from '../dialog/dialog.ts';
import { preferredCoding } from '../message/content-coding.ts';
import { createTag, randomHex } from '../message/identifiers.ts';
import type { SipRequest } from '../message/message.ts';
import { SipError } from '../message/sip-error.ts';
import { detach } from '../message/text.ts';
import { ownUri } from '../transport/own-uri.ts';
import type { Flow } from '../transport/transport.ts';
import { chooseContentType } from './content-type.ts';
import { eventId, eventName } from './event-header.ts';
import type { EventPackage } from './event-package.ts';
import type { Notifier } from './notifier.ts';
import { readRates } from './rate-control.ts';
import { unreadable, whenReady } from './readiness.ts';
import { readFilters } from './subscribe-filters.ts';
import { KeptTerms, notifyTarget, Subscription } from './subscription.ts';

export interface SubscribeHandlerOptions {
  readonly notifier: Notifier;
  readonly state: StateStore;
  readonly now: () => number;
  /** The least expiry granted, in seconds; shorter ones are answered 423. */
  readonly minExpires: number;
  /** Subscriptions that one watcher may hold, and that all may. */
  readonly maxPerWatcher: number;
  readonly maxInAll: number;
  /** That may come from one address while authentication is off. */
  readonly maxPerSource: number;
  /** The Contact URI's host and port by which this server is reached, for a peer that came over the flow. */
  reachedAt(flow: Flow): string;
  /** The package for a resource that is a list, or whose list comes in the request, given the package asked for; undefined for any other. Throws SipError. */
  listPackage(eventPackage: EventPackage, resource: string, request: SipRequest): EventPackage | undefined;
}

/** For `router.handle('SUBSCRIBE', ...)`. */
export function subscribeHandler(options: SubscribeHandlerOptions): (context: RequestContext) => void | Promise<void> {
  const { notifier } = options;
  return (context) => {
    const { request } = context;
    for (const name of ['Event', 'Expires', 'Contact']) {
      if (request.headers.count(name) > 1) throw new SipError(400, `More than one ${name} header field`);
    }
    const eventHeader = request.headers.get('Event') ?? '';
    const name = eventName(eventHeader);
    const eventPackage = notifier.packageNamed(name);
    if (!eventPackage) {
      const reason = name === '' ? 'SUBSCRIBE without an Event' : undefined;
      throw new SipError(489, reason, [['Allow-Events', notifier.eventNames.join(', ')]]);
    }
    return request.to.tag === undefined ? create(context, eventPackage, eventHeader, options) : refresh(context, eventHeader, options);
  };
}

async function create(context: RequestContext, asked: EventPackage, eventHeader: string, options: SubscribeHandlerOptions): Promise<void> {
  const { request, flow, identity, aliases } = context;
  const { notifier, now } = options;
  if (identity === undefined) throw new SipError(403, 'The watcher is not known');
  const resource = canonicalAddress(request.uri);
  const eventPackage = packageFor(request, asked, resource, options);
  // Who is nobody known may ask only for what users have rules about.
  if (identity === ANONYMOUS && !eventPackage.explain) throw new SipError(403, 'Not for anonymous watchers');
  const expires = grantedExpires(request, eventPackage, options.minExpires);
  const contentType = chooseContentType(request.headers.all('Accept'), eventPackage.contentTypes, eventPackage.partialContentType);
  const terms = eventPackage.readTerms?.(request, undefined);
  const rates = readRates(eventHeader);
  const filters = readFilters(request, eventPackage, resource, undefined);
  const condition = conditionOf(request);
  if (!request.headers.has('Contact')) throw new SipError(400, 'SUBSCRIBE without a Contact');

  const loading = whenReady(eventPackage, resource, context.log);
  if (loading) await loading;
  const source = context.identitySource === 'open' ? flow.remoteAddress : undefined;
  checkRoom(identity, source, options);
  const decision = eventPackage.authorize(identity, resource, now(), aliases);
  if (decision.handling === 'block') {
    context.log.info({ event: asked.name, watcher: identity, resource, because: decision.because }, 'subscription refused');
    throw new SipError(403);
  }
  eventPackage.admit?.(resource);

  const toTag = createTag();
  const dialog = Dialog.accept(request, toTag, contactOf(request, flow, options));
  const { target, destination } = notifyTarget(request, flow);
  const since = now();
  const init = {
    id: randomHex(8),
    eventPackage,
    resource,
    watcher: identity,
    aliases,
    displayName: detached(request.from.displayName),
    source,
    contentType,
    since,
    terms,
  };
  const subscription = new Subscription(init, dialog, keptEvent(eventHeader, asked), since + expires * 1000, target, destination);
  subscription.condition = condition;
  subscription.filterSet = filters;
  subscription.coding = preferredCoding(request.headers.all('Accept-Encoding'));
  if (expires === 0) {
    subscription.fetch = true;
    subscription.ending = 'timeout';
  } else if (rates) notifier.pacing.setRates(subscription, rates);
  try {
    await notifier.admit(subscription);
  } catch (error) {
    notifier.abandon(subscription);
    throw unreadable(error, context.log);
  }
  accept(context, subscription, expires, toTag, options);
}

/** RFC 6665 6.3. @throws SipError 403 or 503 */
function checkRoom(watcher: string, source: string | undefined, { notifier, ...limits }: SubscribeHandlerOptions): void {
  const { index } = notifier;
  if (notifier.isClosing) throw new SipError(503, 'The server is about to stop', [['Retry-After', '30']]);
  if (index.countOf(watcher) >= limits.maxPerWatcher) throw new SipError(403, 'This watcher has too many subscriptions');
  if (source !== undefined && index.countFrom(source) >= limits.maxPerSource) {
    throw new SipError(403, 'Too many subscriptions come from this address');
  }
  if (index.size >= limits.maxInAll) throw new SipError(503, 'Too many subscriptions', [['Retry-After', '600']]);
}

/** Nearly all say the package's name and no more. */
function keptEvent(eventHeader: string, { name }: EventPackage): string {
  return eventHeader === name ? name : detach(eventHeader);
}

/** Nothing kept may hold on to the message that it was cut from. */
function detached(text: string | undefined): string | undefined {
  return text === undefined ? undefined : detach(text);
}

function refresh(context: RequestContext, eventHeader: string, options: SubscribeHandlerOptions): void | Promise<void> {
  const { request, flow, identity } = context;
  const { notifier, now } = options;
  const dialogId = Dialog.idOf(request);
  const subscription = dialogId === undefined ? undefined : notifier.index.inDialog(dialogId);
  const matches =
    subscription && eventName(eventHeader) === subscription.eventPackage.name && eventId(eventHeader) === eventId(subscription.eventHeader);
  if (!subscription || subscription.ending) throw new SipError(481, 'Subscription does not exist');
  if (identity !== subscription.watcher) throw new SipError(403, "The subscription is another watcher's");
  // RFC 6665 4.5.2: another event, or another id, asks for a second subscription in the dialog.
  if (!matches) throw new SipError(403, 'Dialog sharing is not supported');
  const { eventPackage } = subscription;
  const expires = grantedExpires(request, eventPackage, options.minExpires);
  const terms = eventPackage.readTerms?.(request, subscription.terms);
  const rates = readRates(eventHeader);
  const filters = readFilters(request, eventPackage, subscription.resource, subscription.filterSet);
  const condition = conditionOf(request);
  // What it would be told must be there before it is granted anything; it is then looked at anew, for all may be otherwise.
  const loading = expires === 0 ? undefined : whenReady(eventPackage, subscription.resource, context.log);
  if (loading) return loading.then(() => refresh(context, eventHeader, options));
  const before = new KeptTerms(subscription);
  subscription.dialog.receive(request);
  subscription.terms = terms;
  subscription.filterSet = filters;
  subscription.coding = preferredCoding(request.headers.all('Accept-Encoding'));
  if (subscription.eventHeader !== eventHeader) subscription.eventHeader = keptEvent(eventHeader, eventPackage);
  subscription.aliases = context.aliases;
  subscription.condition = undefined;
  subscription.answeredSilently = false;
  subscription.retarget(request, flow);
  if (expires === 0) {
    subscription.ending = 'timeout';
    notifier.forget(subscription);
  } else {
    subscription.expiresAt = now() + expires * 1000;
    if (rates || subscription.rates) notifier.pacing.setRates(subscription, rates);
    notifier.refreshed(subscription, before.equal(new KeptTerms(subscription)));
  }
  const answer = (): void => {
    if (subscription.closed) throw new SipError(481, 'Subscription does not exist');
    if (condition === undefined || !notifier.holdsCondition(subscription, condition)) {
      accept(context, subscription, expires, undefined, options);
      return;
    }
    if (expires > 0) notifier.refreshed(subscription);
    else notifier.endSilently(subscription);
    acceptSilently(context, expires, options);
  };
  // A condition is compared with what the watcher may see, which must be in memory.
  const settled = (): void | Promise<void> => {
    const loading = condition === undefined ? undefined : whenReady(eventPackage, subscription.resource, context.log);
    return loading ? loading.then(answer) : answer();
  };
  // What ends must not have to wait for what may not come.
  const refreshing = expires === 0 ? undefined : eventPackage.refreshed?.(subscription);
  if (!refreshing) return settled();
  return refreshing.then(settled, (error: unknown) => {
    throw unreadable(error, context.log);
  });
}

/** RFC 5839 7.2; several values, or an empty one, are no condition that could hold. */
function conditionOf(request: SipRequest): string | undefined {
  const { headers } = request;
  if (!headers.has('Suppress-If-Match')) return undefined;
  if (headers.count('Suppress-If-Match') > 1) throw new SipError(400, 'More than one Suppress-If-Match header field');
  const value = headers.get('Suppress-If-Match') ?? '';
  if (value.length > LONGEST_TAG) return undefined;
  return value === '' ? undefined : detach(value);
}

/** Longer than any entity tag that was ever given. */
const LONGEST_TAG = 200;

/** Answers 200 once the subscription is written down, and tells the watcher its state at once (RFC 6665 4.2.1.2). */
function accept(
  context: RequestContext,
  subscription: Subscription,
  expires: number,
  toTag: string | undefined,
  options: SubscribeHandlerOptions,
): void {
  const headers: HeaderField[] = [
    ['Expires', String(expires)],
    ['Contact', contactOf(context.request, context.flow, options)],
  ];
  const { require } = subscription.eventPackage;
  if (require) headers.push(['Require', require]);
  options.state.afterCommit(() => {
    context.respond(200, { headers, toTag });
    options.notifier.force(subscription);
  });
}

/** RFC 5839 6.3: the watcher has what it would be told. */
function acceptSilently(context: RequestContext, expires: number, options: SubscribeHandlerOptions): void {
  const headers: HeaderField[] = [
    ['Expires', String(expires)],
    ['Contact', contactOf(context.request, context.flow, options)],
  ];
  options.state.afterCommit(() => context.respond(204, { headers }));
}

function packageFor(request: SipRequest, asked: EventPackage, resource: string, { listPackage }: SubscribeHandlerOptions): EventPackage {
  const list = listPackage(asked, resource, request);
  if (!list) return asked;
  const supported = [...request.headers.list('Supported'), ...request.headers.list('Require')].map((tag) => tag.toLowerCase());
  if (!supported.includes('eventlist')) {
    // RFC 4662 4.2: a list cannot be told to who does not know lists.
    throw new SipError(421, 'The resource is a list', [['Require', 'eventlist']]);
  }
  return list;
}

/** Seconds; the package's default without an Expires (RFC 6665 4.2.1.1). */
function grantedExpires(request: SipRequest, { expires }: EventPackage, configuredMinimum: number): number {
  const asked = request.expires ?? expires.default;
  const minimum = Math.max(expires.min, configuredMinimum);
  // Shorter than an hour only: RFC 6665 4.2.1.1 allows no 423 above that.
  if (asked > 0 && asked < minimum && asked < 3600) throw new SipError(423, undefined, [['Min-Expires', String(minimum)]]);
  return Math.min(asked, expires.max);
}

/** The Contact value by which this server is reached in the dialog. */
function contactOf(request: SipRequest, flow: Flow, { reachedAt }: SubscribeHandlerOptions): string {
  const [route = request.headers.get('Contact') ?? ''] = request.headers.list('Record-Route');
  // RFC 3261 12.1.1: who asks by SIPS, or is to be reached by nothing else, is answered so.
  const secure = /^sips:/i.test(request.uri) || /^[^<]*<\s*sips:|^\s*sips:/i.test(route);
  return `<${ownUri(reachedAt(flow), flow.protocol, secure)}>`;
}
