import { gunzipSync, inflateSync } from 'node:zlib';
import { attempt, readSubscriptionState, type SubscriptionState } from './sip-checks.ts';
import { cseqNumber, parseNameAddress, parseUri, parseValue } from './sip-headers.ts';
import { bodyText, header, headerLines, headerList, type SipMessage } from './sip-message.ts';

/** A NOTIFY that passed every check. */
export interface Notification {
  readonly message: SipMessage;
  readonly state: SubscriptionState['state'];
  readonly expires: number | undefined;
  readonly reason: string | undefined;
  /** Seconds. */
  readonly retryAfter?: number;
  readonly cseq: number;
  /** Without parameters, in lower case; '' without a body. */
  readonly type: string;
  readonly body: string;
}

/** How NOTIFYs are answered: with a status, or not at all. */
export type Answer = number | 'silent';

export interface SubscriptionTerms {
  /** The To of the SUBSCRIBE and the From of the NOTIFYs. */
  readonly uri: string;
  /** The From of the SUBSCRIBE and the To of the NOTIFYs. */
  readonly watcher: string;
  readonly callId: string;
  /** Undefined for an RFC 2543 watcher, whose From has no tag. */
  readonly localTag: string | undefined;
  readonly event: string;
  /** What the Accept header named; empty: there was none, and the package's default holds. */
  readonly accept: readonly string[];
  /** The Record-Route values of the SUBSCRIBE. */
  /** What the Accept-Encoding of the SUBSCRIBE named, if there was one. */
  readonly acceptEncoding?: string | undefined;
  readonly routes: readonly string[];
  readonly contact: string;
  /** Where the server listens; its Contact must lead there. */
  readonly server: { readonly address: string; readonly port: number; readonly name?: string };
  /** Our own server is a proxy on the way. */
  readonly proxied?: boolean;
  /** Seconds asked for. */
  readonly expires: number;
}

/** What a refresh says otherwise than the SUBSCRIBE before it. */
export interface TermsChange {
  readonly event?: string;
  readonly body?: string | Buffer;
  readonly headers?: readonly (readonly [name: string, value: string])[];
}

/** What the subscription needs of the peer that holds it. */
export interface SubscriptionHost {
  /** Sends a SUBSCRIBE within the dialog and gives the final response. */
  resubscribe(subscription: Subscription, expires: number | undefined, changes?: TermsChange): Promise<SipMessage>;
  error(text: string): Error;
  assertClean(): void;
}

const DEFAULT_TYPES: Readonly<Record<string, string>> = {
  presence: 'application/pidf+xml',
  'presence.winfo': 'application/watcherinfo+xml',
  'xcap-diff': 'application/xcap-diff+xml',
  dialog: 'application/dialog-info+xml',
  'dialog.winfo': 'application/watcherinfo+xml',
  conference: 'application/conference-info+xml',
  'message-summary': 'application/simple-message-summary',
  reg: 'application/reginfo+xml',
};

interface Waiter {
  readonly matches: (notification: Notification) => boolean;
  readonly resolve: (notification: Notification) => void;
  readonly reject: (error: Error) => void;
}

/** A watcher's side of one subscription: its dialog (RFC 3261 12), and the NOTIFYs that come in it (RFC 6665 4.1). */
export class Subscription {
  readonly terms: SubscriptionTerms;
  /** Every NOTIFY so far, in order. */
  readonly notifications: Notification[] = [];
  answer: Answer = 200;
  /** Header fields of the answers to NOTIFYs beside the usual (RFC 6446 9.3: Event). */
  answerHeaders: readonly (readonly [name: string, value: string])[] = [];
  remoteTag: string | undefined;
  remoteTarget: string | undefined;
  /** Of our requests in the dialog, as the response recorded it (RFC 3261 12.1.2). */
  routeSet: readonly string[] = [];
  terminated = false;
  #response: SipMessage | undefined;
  #queue: Notification[] = [];
  #waiters: Waiter[] = [];
  #cseq: number | undefined;
  /** What the Event of a NOTIFY may be: that of the last SUBSCRIBE, and while one is not answered that of the one before too. */
  #events: readonly string[];
  #mayForget = false;
  #expiresAt: number;
  /** Seconds that a SUBSCRIBE under way asks for: a NOTIFY may come before its answer (RFC 6665 4.1.2.4). */
  #asked = 0;
  #heardAt = Date.now();
  readonly #host: SubscriptionHost;

  constructor(terms: SubscriptionTerms, host: SubscriptionHost) {
    this.terms = terms;
    this.#host = host;
    this.#events = [terms.event];
    this.#expiresAt = Date.now() + terms.expires * 1000;
    this.#asked = terms.expires;
  }

  /** A refresh with this Event goes out, or has been accepted. */
  refreshing(event: string, accepted: boolean, expires = 0): void {
    this.#asked = accepted ? 0 : expires;
    this.#events = accepted ? [event] : [...this.#events, event];
  }

  /** The last final response to a SUBSCRIBE. */
  get response(): SipMessage {
    if (!this.#response) throw this.#host.error('the SUBSCRIBE has no response yet');
    return this.#response;
  }

  /** Seconds granted by the last response; NaN when it granted none. */
  get granted(): number {
    return Number(header(this.response, 'expires') ?? Number.NaN);
  }

  /** How many NOTIFYs came that no `notify` has taken. */
  get unread(): number {
    return this.#queue.length;
  }

  /** The CSeq number of the last NOTIFY. */
  get cseq(): number | undefined {
    return this.#cseq;
  }

  /** The next NOTIFY that no call has taken yet; with a predicate the next that satisfies it, passing over the others. */
  notify(matches: (notification: Notification) => boolean = () => true, timeout = 5000): Promise<Notification> {
    this.#host.assertClean();
    for (;;) {
      const next = this.#queue.shift();
      if (!next) break;
      if (matches(next)) return Promise.resolve(next);
    }
    if (this.#response && this.#response.status >= 300 && this.remoteTag === undefined) {
      return Promise.reject(this.#host.error(`no NOTIFY can come: the SUBSCRIBE was answered ${this.#response.status}`));
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        const count = this.notifications.length;
        reject(
          this.#host.error(`no NOTIFY as expected within ${timeout} ms for ${this.terms.uri} (${this.terms.event}); ${count} came so far`),
        );
      }, timeout);
      const waiter: Waiter = {
        matches,
        resolve: (notification) => {
          clearTimeout(timer);
          resolve(notification);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
      this.#waiters.push(waiter);
    });
  }

  /** Subscribes again in the dialog, and gives the response. */
  refresh(expires?: number, changes?: TermsChange): Promise<SipMessage> {
    return this.#host.resubscribe(this, expires ?? this.terms.expires, changes);
  }

  /** Ends the subscription (RFC 6665 4.1.2.3). */
  unsubscribe(): Promise<SipMessage> {
    return this.#host.resubscribe(this, 0);
  }

  /** The server restarts: the CSeq of its next NOTIFY may skip numbers, but must still be higher. */
  serverRestarted(): void {
    this.#mayForget = true;
  }

  /** Fails every waiting `notify`. */
  fail(error: Error): void {
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
  }

  /** Takes the final response to a SUBSCRIBE of this dialog; returns what is wrong with it. */
  respond(response: SipMessage): string[] {
    const faults: string[] = [];
    this.#response = response;
    this.#asked = 0;
    if (response.status < 200 || response.status > 299) return faults;
    if (this.routeSet.length === 0 && this.terms.proxied) this.routeSet = headerList(response, 'record-route').toReversed();
    this.#learnTag(attempt(faults, 'To', () => parseNameAddress(header(response, 'to') ?? ''))?.params.get('tag'), faults);
    this.#learnTarget(response, faults);
    this.#heardAt = Date.now();
    this.#expiresAt = this.#heardAt + Number(header(response, 'expires') ?? 0) * 1000;
    return faults;
  }

  /** Takes a NOTIFY that names this dialog; returns what is wrong with it. `throughRoute`: it came to the first route's socket. */
  receive(message: SipMessage, throughRoute: boolean): string[] {
    const faults: string[] = [];
    const mayRepeat = this.#mayForget;
    this.#checkDialog(message, throughRoute, faults);
    const event = header(message, 'event') ?? '';
    if (!this.#events.includes(event)) faults.push(`Event is "${event}", the SUBSCRIBE said "${this.#events.join('" or "')}"`);
    const state = readSubscriptionState(message, faults);
    // A server that went down does not know whether its last NOTIFY has arrived: it may say the end again, and nothing else.
    if (this.terminated && !(mayRepeat && state?.state === 'terminated'))
      faults.push('a NOTIFY after the one that terminated the subscription');
    // It was sent after what came before it, however long it has been under way. A second's grace, for both sides count whole seconds.
    const left = (this.#expiresAt - this.#heardAt) / 1000;
    this.#heardAt = Date.now();
    if (state?.expires !== undefined && state.expires > Math.max(left, this.#asked) + 1)
      faults.push(`expires=${state.expires} with ${left.toFixed(1)} s left: it rises`);
    const type = this.#checkBody(message, faults);
    const body = this.#decode(message, faults);
    if (!state || faults.length > 0) return faults;
    if (state.state === 'terminated') this.terminated = true;
    const cseq = cseqNumber(header(message, 'cseq'));
    this.#deliver({ message, ...state, cseq, type, body });
    return faults;
  }

  /** The body without its content coding, which must be one that was asked for. */
  #decode(message: SipMessage, faults: string[]): string {
    const coding = header(message, 'content-encoding');
    if (coding === undefined) return bodyText(message);
    if (!(this.terms.acceptEncoding ?? '').includes(coding)) faults.push(`the body is coded as ${coding}, which we do not take`);
    const decoded = attempt(faults, 'Content-Encoding', () => (coding === 'gzip' ? gunzipSync : inflateSync)(message.body));
    return decoded?.toString('utf8') ?? '';
  }

  #deliver(notification: Notification): void {
    this.notifications.push(notification);
    const waiter = this.#waiters[0];
    if (!waiter) return void this.#queue.push(notification);
    if (!waiter.matches(notification)) return;
    this.#waiters.shift();
    waiter.resolve(notification);
  }

  #checkDialog(message: SipMessage, throughRoute: boolean, faults: string[]): void {
    const { terms } = this;
    const from = attempt(faults, 'From', () => parseNameAddress(header(message, 'from') ?? ''));
    const to = attempt(faults, 'To', () => parseNameAddress(header(message, 'to') ?? ''));
    if (from && from.uri !== terms.uri) faults.push(`From is ${from.uri}, the dialog's remote URI is ${terms.uri}`);
    if (to && to.uri !== terms.watcher) faults.push(`To is ${to.uri}, the dialog's local URI is ${terms.watcher}`);
    if (to && to.params.get('tag') !== terms.localTag) faults.push(`To tag is ${to.params.get('tag')}, ours is ${terms.localTag}`);
    this.#learnTag(from?.params.get('tag'), faults);
    if (message.requestUri !== terms.contact) faults.push(`Request-URI is ${message.requestUri}, our Contact is ${terms.contact}`);
    const routes = headerList(message, 'route');
    if (routes.join(', ') !== terms.routes.join(', '))
      faults.push(`Route is "${routes.join(', ')}", the route set is "${terms.routes.join(', ')}"`);
    if (terms.routes.length > 0 && !throughRoute) faults.push('the NOTIFY did not come through the route set');
    const cseq = cseqNumber(header(message, 'cseq'));
    if (this.#cseq !== undefined) {
      const right = this.#mayForget ? cseq > this.#cseq : cseq === this.#cseq + 1;
      if (!right) faults.push(`CSeq is ${cseq} after ${this.#cseq}${this.#mayForget ? ' across a restart' : ''}`);
    }
    this.#cseq = cseq;
    this.#mayForget = false;
    this.#learnTarget(message, faults);
  }

  #learnTag(tag: string | undefined, faults: string[]): void {
    if (this.remoteTag === undefined) this.remoteTag = tag;
    else if (this.remoteTag !== tag) faults.push(`the server's tag is ${tag}, in this dialog it was ${this.remoteTag}`);
  }

  #learnTarget(message: SipMessage, faults: string[]): void {
    const contacts = headerLines(message, 'contact');
    if (contacts.length !== 1)
      return void faults.push(`${contacts.length} Contact header fields in ${message.method} (RFC 6665 8.1.1: one)`);
    const uri = attempt(faults, 'Contact', () => parseNameAddress(contacts[0] ?? '').uri);
    const target = uri === undefined ? undefined : attempt(faults, 'Contact', () => parseUri(uri));
    if (!target) return;
    const { server } = this.terms;
    const isThere =
      server.name === undefined
        ? target.host.replace(/^\[|\]$/g, '') === server.address && (target.port ?? 5060) === server.port
        : target.host === server.name && target.port === undefined;
    if (!isThere) {
      faults.push(`Contact ${uri} does not lead to the server at ${server.address}:${server.port}`);
    }
    this.remoteTarget = uri;
  }

  #checkBody(message: SipMessage, faults: string[]): string {
    if (message.body.length === 0) return '';
    const parsed = attempt(faults, 'Content-Type', () => parseValue(header(message, 'content-type') ?? ''));
    const type = parsed?.value.toLowerCase() ?? '';
    const { accept, event } = this.terms;
    const packageName = event.split(';')[0]?.trim().toLowerCase() ?? '';
    const accepted = accept.length > 0 ? accept.map((value) => value.split(';')[0]?.trim().toLowerCase()) : [DEFAULT_TYPES[packageName]];
    // Some agents write `multipart/relate` and mean this.
    if (accepted.includes('multipart/relate')) accepted.push('multipart/related');
    if (!accepted.includes(type)) faults.push(`Content-Type ${type} is not among what we accept: ${accepted.join(', ')}`);
    if (this.notifications.length > 0) {
      const lists = this.notifications.filter((notification) => notification.type.startsWith('multipart/')).length > 0;
      const bodies = this.notifications.some((notification) => notification.type !== '');
      if (bodies && lists !== type.startsWith('multipart/'))
        faults.push('a subscription changed between list and single resource (RFC 4662 4.5)');
    }
    return type;
  }
}
