/** A subscription of ours at the notifier of another domain, in a watcher's name (RFC 4662 4, RFC 6665 4.1). */

import { addressHost } from '../../schemas/address.ts';
import { SIMPLE_FILTER_TYPE } from '../../schemas/filter/filter-set.ts';
import { decodeUtf8, parseXml, XmlError } from '../../schemas/xml/parse.ts';
import { assertIdentity } from '../core/asserted-identity.ts';
import type { Logger } from '../core/log.ts';
import type { UserAgentClient } from '../core/uac.ts';
import { Dialog } from '../dialog/dialog.ts';
import type { MemberState } from '../events/watch.ts';
import { decodedBody } from '../message/content-coding.ts';
import { Headers } from '../message/headers.ts';
import { createCallId, createTag } from '../message/identifiers.ts';
import { SipRequest, type SipResponse } from '../message/message.ts';
import { SipError } from '../message/sip-error.ts';
import type { NextHops } from '../transport/next-hops.ts';
import { ownUri } from '../transport/own-uri.ts';
import type { Timer, TimerWheel } from '../transport/timer-wheel.ts';
import type { Destination, Flow } from '../transport/transport.ts';
import {
  endsSubscription,
  type Outcome,
  outcomeOfReason,
  outcomeOfStatus,
  SHORTEST_WAIT,
  UNREACHABLE,
  waitBefore,
} from './back-end-outcomes.ts';

export interface BackEndOptions {
  readonly uac: UserAgentClient;
  readonly nextHops: NextHops;
  readonly wheel: TimerWheel;
  readonly log: Logger;
  readonly now: () => number;
  readonly isTrustedPeer?: ((address: string) => boolean) | undefined;
  /** Where a request from an address to a URI goes. @throws SipError for what is no SIP URI */
  locate(uri: string, from: string): readonly Destination[] | Promise<readonly Destination[]>;
  /** A way to the destination. */
  flowTo(destination: Destination): Flow | undefined;
  /** Host and port at which we are reached by whoever is at the other end of the flow. */
  reachedAt(flow: Flow): string;
}

/** What is subscribed to, and in whose name. */
export interface BackEndTerms {
  /** Of the Event header field. */
  readonly event: string;
  readonly contentType: string;
  /** SIP or SIPS URI of the member. */
  readonly uri: string;
  /** Canonical address of the watcher: nobody else is told what comes (RFC 4662 7.2). */
  readonly watcher: string;
  /** Seconds to ask for. */
  readonly expires: number;
  /** Document of a filter that the notifier is asked to apply (RFC 4660 4.1). */
  readonly filter?: string | undefined;
}

export interface BackEndHooks {
  /** `state` is another. */
  changed(): void;
  /** Waits for its turn to subscribe; `subscribe` is called then, and `asked` once that is through. */
  queue(): void;
  asked(): void;
  /** It has another Call-ID and local tag now. */
  begun(): void;
  /** Nothing more comes of it. */
  over(): void;
}

/** Seconds that a notifier may hold a first NOTIFY back: Timer N, 64*T1 (RFC 6665 4.1.2.4). */
const TIMER_N = 32;
/** Bytes of a state. */
const LONGEST_BODY = 65_536;
/** A subscription that has lived so long, in seconds, has not failed. */
const LIVED = 60;
const LONGEST_EXPIRES = 86_400;
/** Answers of who knows no filters, or not this one (RFC 3261 21.4.13, RFC 4660 5.4). */
const FILTER_REFUSED: ReadonlySet<number> = new Set([400, 415, 488]);

export class BackEndSubscription {
  state: MemberState | undefined;
  readonly terms: BackEndTerms;
  /** Of the subscription under way: by both a NOTIFY finds it. */
  callId = '';
  localTag = '';
  private dialog: Dialog | undefined;
  private request: SipRequest | undefined;
  private contact = '';
  /** Of the notifier's server, by TLS. */
  private provedName: string | undefined;
  private expires: number;
  private expiresAt = 0;
  private since = 0;
  private failures = 0;
  private raised = false;
  /** The notifier takes no filters, or not this one. */
  private unfiltered = false;
  private closing = false;
  private timer: Timer | undefined;
  private readonly options: BackEndOptions;
  private readonly hooks: BackEndHooks;

  constructor(terms: BackEndTerms, options: BackEndOptions, hooks: BackEndHooks) {
    this.terms = terms;
    this.options = options;
    this.hooks = hooks;
    this.expires = terms.expires;
    this.hooks.queue();
  }

  /** Does the notifier apply the filter? */
  get filtered(): boolean {
    return this.terms.filter !== undefined && !this.unfiltered;
  }

  /** Begins a subscription in a dialog of its own. */
  subscribe(): void {
    if (this.closing) {
      this.hooks.asked();
      this.finish();
      return;
    }
    this.callId = createCallId();
    this.localTag = createTag();
    this.dialog = undefined;
    this.hooks.begun();
    void this.ask().catch((error: unknown) => {
      if (!(error instanceof SipError)) this.options.log.error({ err: error }, 'back-end subscription');
      this.hooks.asked();
      this.fail(UNREACHABLE, undefined);
    });
  }

  /** Nobody wants it any more. */
  close(): void {
    if (this.closing) return;
    this.closing = true;
    this.stopTimer();
    if (this.dialog) this.leave(this.dialog);
    // One that is being asked for is left once there is a dialog.
    else if (this.request === undefined) this.finish();
  }

  private async ask(): Promise<void> {
    const { uri, watcher } = this.terms;
    const { nextHops, isTrustedPeer, uac } = this.options;
    const nextHop = nextHops.find(addressHost(uri.replace(/^sips:/, 'sip:')) ?? '') ?? uri;
    const destinations = await this.options.locate(nextHop, watcher);
    const [first] = destinations;
    this.provedName = first?.name;
    const flow = first && this.options.flowTo(first);
    if (!flow) throw new SipError(503, 'There is no way to the notifier');
    this.contact = `<${ownUri(this.options.reachedAt(flow), flow.protocol, uri.startsWith('sips:'))}>`;
    const headers = new Headers();
    headers.add('Max-Forwards', '70');
    headers.add('From', `<${watcher}>;tag=${this.localTag}`);
    headers.add('To', `<${uri}>`);
    headers.add('Call-ID', this.callId);
    headers.add('CSeq', '1 SUBSCRIBE');
    headers.add('Contact', this.contact);
    const request = new SipRequest('SUBSCRIBE', uri, headers);
    this.describe(request, this.expires);
    // What is not said again in refreshes stays as it is (RFC 4660 3.3.3).
    if (this.filtered && this.terms.filter !== undefined) {
      headers.add('Content-Type', SIMPLE_FILTER_TYPE);
      request.body = Buffer.from(this.terms.filter, 'utf8');
    }
    assertIdentity(
      request,
      watcher,
      destinations.every(({ address }) => isTrustedPeer?.(address) === true),
    );
    this.request = request;
    uac.send(
      request,
      { destinations },
      {
        onResponse: (response) => {
          this.hooks.asked();
          this.answered(request, response);
        },
        onFailure: () => {
          this.hooks.asked();
          if (request.callId === this.callId) this.fail(UNREACHABLE, undefined);
        },
      },
    );
  }

  /** RFC 4662 7.4: without `Supported: eventlist` no list answers, and so no chain of lists leads back to us. */
  private describe({ headers }: SipRequest, expires: number): void {
    headers.add('Event', this.terms.event);
    headers.add('Expires', String(expires));
    headers.add('Accept', this.terms.contentType);
  }

  private answered(request: SipRequest, response: SipResponse): void {
    const { status, headers } = response;
    if (request.callId !== this.callId) return;
    if (status >= 200 && status < 300) {
      if (!this.established(() => Dialog.initiate(request, response, this.contact))) return;
      this.lastsFor(secondsOf(headers.get('Expires')) ?? this.expires);
      // RFC 6665 4.1.2.4: without a NOTIFY there is no subscription.
      if (!this.closing && this.since === 0) this.after(TIMER_N, () => this.fail(UNREACHABLE, undefined));
      return;
    }
    if (status === 423 && !this.raised && !this.closing) {
      const least = Number.parseInt(headers.get('Min-Expires') ?? '', 10);
      if (least > this.expires && least <= LONGEST_EXPIRES) {
        this.raised = true;
        this.expires = least;
        this.hooks.queue();
        return;
      }
    }
    if (FILTER_REFUSED.has(status) && this.filtered && !this.closing) {
      this.unfiltered = true;
      this.hooks.queue();
      return;
    }
    this.fail(outcomeOfStatus(status), secondsOf(headers.get('Retry-After')));
  }

  /** A 2xx or a NOTIFY, whichever comes first, makes the dialog (RFC 6665 4.4.1). False when it is none. */
  private established(make: () => Dialog): boolean {
    if (this.dialog) return true;
    try {
      this.dialog = make();
    } catch (error) {
      if (!(error instanceof SipError)) throw error;
      this.fail(UNREACHABLE, undefined);
      return false;
    }
    if (this.closing) this.leave(this.dialog);
    return true;
  }

  /** RFC 6665 4.1.2.3: the last NOTIFY is still answered. */
  private leave(dialog: Dialog): void {
    this.send(dialog, 0);
    this.after(TIMER_N, () => this.finish());
  }

  /**
   * Takes a NOTIFY of this subscription.
   * @throws SipError to answer with
   */
  notify(request: SipRequest): void {
    const { headers } = request;
    const [state = '', ...params] = (headers.get('Subscription-State') ?? '').split(';').map((part) => part.trim().toLowerCase());
    if (!/^[a-z][\w-]*$/.test(state)) throw new SipError(400, 'NOTIFY without a Subscription-State');
    const { dialog } = this;
    // RFC 3856 6.9: of several notifiers, one is listened to.
    if (dialog && dialog.remoteTag !== (request.from.tag ?? '')) throw new SipError(481, 'Subscription does not exist');
    const { request: asked } = this;
    if (dialog) dialog.receive(request);
    else if (!asked || !this.established(() => Dialog.initiate(asked, request, this.contact))) throw new SipError(400, 'No dialog');
    if (this.closing) {
      if (state === 'terminated') this.finish();
      return;
    }
    const body = state === 'active' ? this.read(request) : undefined;
    const paramOf = (name: string): string | undefined => params.find((param) => param.startsWith(`${name}=`))?.slice(name.length + 1);
    if (state === 'terminated') {
      this.fail(outcomeOfReason(paramOf('reason')), secondsOf(paramOf('retry-after')));
      return;
    }
    if (this.since === 0) this.since = this.options.now();
    this.lastsFor(secondsOf(paramOf('expires')));
    if (state === 'active') {
      // Where a filter leaves nothing, nothing is told (RFC 4660 5.3.1).
      if (!body && this.filtered) this.show({ status: 'active', reason: undefined, body: undefined });
      // RFC 6665 4.1.3: one without a body says that nothing has changed.
      else if (body ?? this.state?.body) this.show({ status: 'active', reason: undefined, body: body ?? this.state?.body });
    } else this.show({ status: 'pending', reason: undefined, body: undefined });
  }

  private read(request: SipRequest): MemberState['body'] {
    if (request.body.length === 0) return undefined;
    const { contentType } = this.terms;
    const bytes = decodedBody(request, LONGEST_BODY, [contentType]);
    if (request.contentType?.type !== contentType) throw new SipError(415, undefined, [['Accept', contentType]]);
    checkXml(bytes);
    // Kept longer than the message that it came in.
    return { contentType, bytes: Buffer.from(bytes) };
  }

  private show(state: MemberState): void {
    const { state: before } = this;
    const same = before && before.status === state.status && before.reason === state.reason;
    if (same && (before.body === state.body || (state.body && before.body?.bytes.equals(state.body.bytes)))) return;
    this.state = state;
    if (!this.closing) this.hooks.changed();
  }

  /** The notifier has said how long the subscription lasts, in seconds, or that it goes on. */
  private lastsFor(seconds: number | undefined): void {
    const now = this.options.now();
    if (seconds !== undefined || this.expiresAt <= now) this.expiresAt = now + Math.min(seconds ?? this.expires, this.expires) * 1000;
    // Before it ends, and with a little chance in it, lest all do so at once.
    if (!this.closing && this.since > 0) this.refreshAfter(((this.expiresAt - now) / 1000) * (0.7 + Math.random() * 0.15));
  }

  private refreshAfter(seconds: number): void {
    this.after(Math.max(seconds, SHORTEST_WAIT), () => this.dialog && this.send(this.dialog, this.expires));
  }

  /** A SUBSCRIBE in the dialog: a refresh, or the end. */
  private send(dialog: Dialog, expires: number): void {
    const request = dialog.createRequest('SUBSCRIBE');
    this.describe(request, expires);
    const { callId } = this;
    this.options.uac.send(
      request,
      { provedName: this.provedName },
      {
        onResponse: (response) => {
          if (this.callId === callId) this.refreshed(response, expires);
        },
        onFailure: () => {
          if (this.callId === callId && !this.closing) this.survive();
        },
      },
    );
  }

  private refreshed(response: SipResponse, expires: number): void {
    const { status, headers } = response;
    if (this.closing) return;
    if (status < 300) {
      this.dialog?.receiveSuccess(response);
      if (expires > 0) this.lastsFor(secondsOf(headers.get('Expires')) ?? expires);
      return;
    }
    if (status === 481) this.fail({ reason: 'timeout', again: 'soon' }, undefined);
    else if (endsSubscription(status)) this.fail(outcomeOfStatus(status), secondsOf(headers.get('Retry-After')));
    else this.survive();
  }

  /** RFC 6665 4.1.2.2: the subscription lives on until it expires, and is refreshed once more before that. */
  private survive(): void {
    const left = (this.expiresAt - this.options.now()) / 1000;
    if (left > 2 * SHORTEST_WAIT) this.refreshAfter(left / 2);
    else this.after(Math.max(left, 0), () => this.fail({ reason: 'timeout', again: 'soon' }, undefined));
  }

  /** The subscription is at an end, or has not come about. */
  private fail(outcome: Outcome, retryAfter: number | undefined): void {
    if (this.closing) {
      this.finish();
      return;
    }
    const { since } = this;
    if (since > 0 && this.options.now() - since > LIVED * 1000) this.failures = 0;
    const wait = waitBefore(outcome, this.failures, retryAfter);
    this.failures++;
    this.since = 0;
    this.expiresAt = 0;
    this.dialog = undefined;
    this.request = undefined;
    this.callId = '';
    this.stopTimer();
    const { watcher, uri } = this.terms;
    this.options.log.info({ watcher, member: uri, ...outcome }, 'back-end subscription ended');
    this.show({ status: 'terminated', reason: outcome.reason, body: undefined });
    if (outcome.again !== 'never') this.after(wait, () => this.hooks.queue());
  }

  private finish(): void {
    this.stopTimer();
    this.hooks.over();
  }

  private after(seconds: number, act: () => void): void {
    this.stopTimer();
    this.timer = this.options.wheel.schedule(seconds * 1000, act);
  }

  private stopTimer(): void {
    if (this.timer) this.options.wheel.cancel(this.timer);
    this.timer = undefined;
  }
}

/** What our watchers' parsers would have to bear is looked at first. @throws SipError 400 */
function checkXml(bytes: Buffer): void {
  try {
    parseXml(decodeUtf8(bytes));
  } catch (error) {
    if (error instanceof XmlError) throw new SipError(400, `The body is malformed: ${error.message}`);
    throw error;
  }
}

function secondsOf(value: string | undefined): number | undefined {
  const seconds = /^\s*(\d{1,9})\b/.exec(value ?? '')?.[1];
  return seconds === undefined ? undefined : Number(seconds);
}
