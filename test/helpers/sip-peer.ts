import { DigestClient } from './digest-client.ts';
import { answerPort, composeAnswer } from './sip-answer.ts';
import { checkRequest, checkResponse } from './sip-checks.ts';
import { checkForwarded } from './sip-checks-forwarded.ts';
import { header, headerLines, headerList, parseMessage, type SipMessage } from './sip-message.ts';
import type { HeaderField, PublishOptions, PublishResult, RequestSpec, SipPeerOptions, SubscribeOptions } from './sip-peer-options.ts';
import { composeRequest, subscribeHeaders } from './sip-request.ts';
import {
  type Frame,
  hostPort,
  openSipSocket,
  type PeerTransport,
  type SipAddress,
  type SipSocket,
  transportParameter,
} from './sip-socket.ts';
import { type Answer, Subscription, type SubscriptionHost, type SubscriptionTerms, type TermsChange } from './sip-subscription.ts';
import { token } from './token.ts';
import { PeerError, Transcript } from './transcript.ts';

interface ClientTransaction {
  readonly request: SipMessage;
  /** It is for another domain's server, and ours is a proxy. */
  readonly proxied: boolean;
  final: Buffer | undefined;
  readonly settle: (outcome: SipMessage | Error) => void;
}

interface ServerTransaction {
  readonly bytes: Buffer;
  response: Buffer | undefined;
}

/** Methods whose credentials the proxy asks for, where they are for a user, until the server says otherwise (RFC 3261 22.3). */
const PROXIED = new Set(['MESSAGE', 'INVITE', 'REFER', 'NOTIFY']);
/** Of presence (RFC 3856 6.4) and presence.winfo (RFC 3857 4.4), in seconds. */
const DEFAULT_EXPIRES = 3600;

/**
 * A SIP user agent for tests: its own reading of the RFCs, on real sockets.
 * It checks every message it receives; from the first fault on, everything that is awaited of it rejects with that fault and the transcript.
 */
export class SipPeer implements SubscriptionHost {
  readonly name: string;
  readonly address: string;
  readonly transcript: Transcript;
  readonly digest: DigestClient;
  readonly options: SipPeerOptions;
  /** Answers requests other than NOTIFY, by method, with a status; a method that is not here is a fault. */
  readonly answers = new Map<string, (request: SipMessage) => number>();
  /** False: a NOTIFY for no subscription of ours is answered 481 and is no fault, as by an agent that was restarted. */
  strict = true;
  readonly subscriptions: Subscription[] = [];
  readonly #faults: string[] = [];
  readonly #clients = new Map<string, ClientTransaction>();
  readonly #servers = new Map<string, ServerTransaction>();
  readonly #extra: SipSocket[] = [];
  readonly #loose = new Map<string, (response: SipMessage) => void>();
  readonly #dialogs = new Map<Subscription, { next: () => number; localTag: string; options: SubscribeOptions }>();
  #socket: SipSocket | undefined;
  readonly #registerCallId = token();
  #registerCseq = 0;

  private constructor(options: SipPeerOptions) {
    this.options = options;
    this.name = options.name ?? options.user;
    this.address = `sip:${options.user}@${options.domain}`;
    this.transcript = new Transcript(options.log);
    this.digest = new DigestClient(options.user, options.password ?? '', options.algorithm);
  }

  static async create(options: SipPeerOptions): Promise<SipPeer> {
    const peer = new SipPeer(options);
    peer.#socket = await openSipSocket(
      options.transport,
      (frame) => peer.#receive(frame, peer.socket, false),
      (fault) => peer.#fault([fault]),
      options.tls,
    );
    return peer;
  }

  get socket(): SipSocket {
    if (!this.#socket) throw new Error('the peer is not open');
    return this.#socket;
  }

  /** The URI at which this peer is reached. */
  get contact(): string {
    const { transport, local } = this.socket;
    return `sip:${this.options.user}@${hostPort(local)}${transportParameter(transport)}`;
  }

  /** What was wrong with the messages so far. */
  get faults(): readonly string[] {
    return this.#faults;
  }

  /** Throws when any message received had a fault. */
  assertClean(): void {
    if (this.#faults.length > 0) throw this.error(`received what must not be sent:\n  - ${this.#faults.join('\n  - ')}`);
  }

  error(text: string): Error {
    return new PeerError(this.name, text, this.transcript);
  }

  /** Closes the sockets; rejects when any message received had a fault. */
  async close(): Promise<void> {
    const closed = new Error('the peer was closed');
    for (const transaction of this.#clients.values()) if (!transaction.final) transaction.settle(closed);
    for (const subscription of this.subscriptions) subscription.fail(closed);
    await Promise.all([this.socket, ...this.#extra].map((socket) => socket.close()));
    this.assertClean();
  }

  /** A further socket of this peer that plays the proxy on the path; its URI goes into `recordRoutes`, and its NOTIFYs are this peer's. */
  async openRoute(transport: PeerTransport = this.options.transport): Promise<string> {
    const socket = await openSipSocket(
      transport,
      (frame) => this.#receive(frame, socket, true),
      (fault) => this.#fault([fault]),
      this.options.tls,
    );
    this.#extra.push(socket);
    return `<sip:${hostPort(socket.local)}${transportParameter(socket.transport)};lr>`;
  }

  /** Binds our contact to our address; Expires 0 removes the binding. */
  register(
    options: { expires?: number; contact?: string; headers?: readonly HeaderField[]; authenticate?: boolean } = {},
  ): Promise<SipMessage> {
    return this.request({
      method: 'REGISTER',
      uri: `sip:${this.options.domain}`,
      to: `<${this.address}>`,
      callId: this.#registerCallId,
      cseq: () => ++this.#registerCseq,
      authenticate: options.authenticate ?? true,
      headers: [
        ['Contact', options.contact ?? `<${this.contact}>`],
        ['Expires', String(options.expires ?? 3600)],
        ...(options.headers ?? []),
      ],
    });
  }

  /** Subscribes in a new dialog; resolves with the final response in `.response`, whatever it is. */
  async subscribe(uri: string, options: SubscribeOptions = {}): Promise<Subscription> {
    const event = options.event ?? 'presence';
    const accept = options.accept ?? [];
    const callId = token();
    const localTag = token(4);
    let cseq = 0;
    const contact = options.contact ?? this.contact;
    const subscription = this.expectSubscription({
      uri,
      callId,
      localTag,
      event,
      accept,
      contact,
      routes: options.recordRoutes ?? [],
      acceptEncoding: options.headers?.find(([name]) => name.toLowerCase() === 'accept-encoding')?.[1],
      ...(options.expires === undefined ? {} : { expires: options.expires }),
      ...(options.serverAt === undefined ? {} : { server: options.serverAt }),
      ...(options.notifier === undefined ? {} : { server: options.notifier, proxied: true }),
    });
    subscription.answer = options.answer ?? 200;
    const next = (): number => ++cseq;
    this.#dialogs.set(subscription, { next, localTag, options });
    const response = await this.request({
      method: 'SUBSCRIBE',
      uri,
      from: `<${this.address}>;tag=${localTag}`,
      callId,
      cseq: next,
      byProxy: options.notifier !== undefined,
      headers: [
        ...(options.recordRoutes ?? []).map((route): HeaderField => ['Record-Route', route]),
        ['Contact', `<${contact}>`],
        ...subscribeHeaders(event, options, options.expires),
      ],
      ...(options.body === undefined ? {} : { body: options.body }),
    });
    this.#fault(subscription.respond(response));
    this.assertClean();
    return subscription;
  }

  /** Sends a SUBSCRIBE within the dialog of a subscription; see its `refresh` and `unsubscribe`. */
  async resubscribe(subscription: Subscription, expires: number | undefined, changes: TermsChange = {}): Promise<SipMessage> {
    const dialog = this.#dialogs.get(subscription);
    if (!dialog || subscription.remoteTarget === undefined) throw this.error('there is no dialog to subscribe in');
    const { terms } = subscription;
    const event = changes.event ?? terms.event;
    subscription.refreshing(event, false, expires);
    const response = await this.request({
      method: 'SUBSCRIBE',
      uri: subscription.remoteTarget,
      to: `<${terms.uri}>;tag=${subscription.remoteTag}`,
      from: `<${this.address}>;tag=${dialog.localTag}`,
      callId: terms.callId,
      cseq: dialog.next,
      byProxy: terms.proxied === true,
      routes: subscription.routeSet,
      headers: [
        ['Contact', `<${terms.contact}>`],
        ...subscribeHeaders(event, lastingOptions(dialog.options, changes), expires),
        ...(changes.headers ?? []),
      ],
      ...(changes.body === undefined ? {} : { body: changes.body }),
    });
    if (response.status < 300) subscription.refreshing(event, true);
    this.#fault(subscription.respond(response));
    this.assertClean();
    return response;
  }

  /** Prepares for the NOTIFYs of a SUBSCRIBE that is sent by hand. */
  expectSubscription(terms: Partial<SubscriptionTerms> & Pick<SubscriptionTerms, 'uri' | 'callId' | 'localTag'>): Subscription {
    const subscription = new Subscription(
      {
        watcher: this.address,
        event: 'presence',
        accept: [],
        routes: [],
        contact: this.contact,
        server: this.options.server,
        expires: DEFAULT_EXPIRES,
        ...terms,
      },
      this,
    );
    this.subscriptions.push(subscription);
    return subscription;
  }

  /** Publishes our state (RFC 3903): a body, or without one a refresh or, with expires 0, a removal. */
  async publish(body: string | undefined, options: PublishOptions = {}): Promise<PublishResult> {
    const fields: HeaderField[] = [['Event', options.event ?? 'presence']];
    if (options.expires !== undefined) fields.push(['Expires', String(options.expires)]);
    if (options.etag !== undefined) fields.push(['SIP-If-Match', options.etag]);
    if (body !== undefined) fields.push(['Content-Type', options.contentType ?? 'application/pidf+xml']);
    const response = await this.request({
      method: 'PUBLISH',
      uri: options.uri ?? this.address,
      ...(options.byProxy === undefined ? {} : { byProxy: options.byProxy }),
      headers: [...fields, ...(options.headers ?? [])],
      ...(body === undefined ? {} : { body }),
    });
    return {
      response,
      status: response.status,
      etag: header(response, 'sip-etag') ?? '',
      expires: Number(header(response, 'expires') ?? Number.NaN),
    };
  }

  /** Sends a request, answers a challenge, and gives the final response. */
  async request(spec: RequestSpec): Promise<SipMessage> {
    this.assertClean();
    let counter = 0;
    const nextCseq = spec.cseq ?? (() => ++counter);
    const callId = spec.callId ?? token();
    const from = spec.from ?? `<${this.address}>;tag=${token(4)}`;
    const mayAuthenticate = (spec.authenticate ?? true) && this.options.password !== undefined;
    let byProxy = spec.byProxy ?? (PROXIED.has(spec.method) && spec.uri.includes('@'));
    for (let attempt = 0; ; attempt++) {
      const authorization = mayAuthenticate ? this.digest.authorize(spec.method, spec.uri) : undefined;
      const bytes = composeRequest(spec, {
        socket: this.socket,
        callId,
        cseq: nextCseq(),
        from,
        authorization,
        byProxy,
        routes: this.options.preloadedRoutes,
      });
      const response = await this.exchange(bytes, spec.timeout, spec.byProxy ?? false);
      const info = header(response, 'authentication-info');
      const wrong = info === undefined ? undefined : this.digest.acceptInfo(info);
      if (wrong !== undefined) this.#fault([wrong]);
      const challenges = headerLines(response, response.status === 407 ? 'proxy-authenticate' : 'www-authenticate');
      if ((response.status !== 401 && response.status !== 407) || !mayAuthenticate || !this.digest.accept(challenges)) return response;
      byProxy = response.status === 407;
      // A second 401 is worth an answer only when it says that nothing but the nonce was wrong (RFC 3261 22.4, RFC 7616 3.3).
      if (attempt > 0 && !(attempt === 1 && this.digest.challenge?.stale)) return response;
      if (attempt === 0 && authorization !== undefined && !this.digest.challenge?.stale) return response;
    }
  }

  /** Sends literal bytes. */
  async sendRaw(bytes: string | Buffer): Promise<void> {
    const content = Buffer.from(bytes);
    this.#log('sent', content, this.options.server, this.socket);
    await this.socket.send(content, this.options.server);
  }

  /** Sends a well-formed request of ours and gives its final response, sending again over UDP as RFC 3261 17.1.2 says. */
  async exchange(bytes: Buffer, timeout = this.options.patience ?? 8000, proxied = false): Promise<SipMessage> {
    const { message } = parseMessage(bytes);
    if (!message) throw new Error(`not a SIP message:\n${bytes.toString('utf8')}`);
    const branch = /;branch=([^;,\s]+)/.exec(header(message, 'via') ?? '')?.[1] ?? '';
    let timers: NodeJS.Timeout[] = [];
    try {
      return await new Promise<SipMessage>((resolve, reject) => {
        const settle = (outcome: SipMessage | Error): void => (outcome instanceof Error ? reject(outcome) : resolve(outcome));
        this.#clients.set(branch, { request: message, proxied, final: undefined, settle });
        const what = `${message.method} ${message.requestUri}`;
        timers = [setTimeout(() => reject(this.error(`no final response to ${what} within ${timeout} ms`)), timeout)];
        if (this.socket.transport === 'UDP') {
          const again = (): void => void this.sendRaw(bytes).catch(reject);
          for (let at = 500, wait = 1000; at < timeout; at += wait, wait = Math.min(2 * wait, 4000)) timers.push(setTimeout(again, at));
        }
        this.sendRaw(bytes).catch((error: unknown) => reject(this.error(`could not send ${what}: ${String(error)}`)));
      });
    } finally {
      for (const timer of timers) clearTimeout(timer);
    }
  }

  /**
   * Sends literal bytes and gives the first final response with that Call-ID. Its echo is not compared, and more responses are let pass:
   * for what no strict sender would write.
   */
  async exchangeRaw(bytes: string | Buffer, callId: string, timeout = 5000): Promise<SipMessage> {
    this.assertClean();
    return new Promise((resolve, reject) => {
      const late = (): void => reject(this.error(`no final response with Call-ID ${callId} within ${timeout} ms`));
      const timer = setTimeout(late, timeout);
      this.#loose.set(callId, (response) => {
        clearTimeout(timer);
        resolve(response);
      });
      this.sendRaw(bytes).catch(reject);
    });
  }

  #log(direction: 'sent' | 'received', bytes: Buffer, remote: SipAddress, socket: SipSocket, message = parseMessage(bytes).message): void {
    this.transcript.add({
      direction,
      peer: this.name,
      transport: socket.transport,
      remote: `${remote.address}:${remote.port}`,
      bytes,
      message,
    });
  }

  #fault(faults: readonly string[]): void {
    if (faults.length === 0) return;
    this.#faults.push(...faults);
    const error = this.error(`received what must not be sent:\n  - ${faults.join('\n  - ')}`);
    for (const transaction of this.#clients.values()) if (!transaction.final) transaction.settle(error);
    for (const subscription of this.subscriptions) subscription.fail(error);
  }

  #receive(frame: Frame, socket: SipSocket, isRoute: boolean): void {
    const { message, faults } = parseMessage(frame.bytes);
    this.#log('received', frame.bytes, frame.remote, socket, message);
    this.#fault(faults);
    if (!message) return;
    if (message.kind === 'response') this.#receiveResponse(message, socket);
    else this.#receiveRequest(message, frame, socket, isRoute);
  }

  #receiveResponse(response: SipMessage, socket: SipSocket): void {
    const loose = this.#loose.get(header(response, 'call-id') ?? '');
    if (loose) {
      if (response.status >= 200) loose(response);
      return;
    }
    const branch = /;\s*branch=([^;,\s]+)/.exec(headerLines(response, 'via')[0] ?? '')?.[1] ?? '';
    const transaction = this.#clients.get(branch);
    if (!transaction) return void this.#fault([`a response to no request of ours: ${response.status} with branch "${branch}"`]);
    if (transaction.final) {
      // RFC 3261 17.2.2: a retransmitted request is answered with the same bytes; a stream retransmits nothing.
      if (socket.transport !== 'UDP') this.#fault([`a second final response over ${socket.transport}`]);
      else if (!transaction.final.equals(response.raw)) this.#fault(['a second final response that differs from the first']);
      return;
    }
    const faults = checkResponse(transaction.request, response, transaction.proxied);
    if (faults.length > 0) return void this.#fault(faults);
    if (response.status < 200) return;
    transaction.final = response.raw;
    transaction.settle(response);
  }

  #receiveRequest(request: SipMessage, frame: Frame, socket: SipSocket, isRoute: boolean): void {
    const branch = /;\s*branch=([^;,\s]+)/.exec(headerLines(request, 'via')[0] ?? '')?.[1] ?? '';
    const known = this.#servers.get(branch);
    if (known) {
      if (!known.bytes.equals(request.raw)) return void this.#fault([`branch ${branch} is used for two different requests`]);
      if (socket.transport !== 'UDP') this.#fault([`a request was retransmitted over ${socket.transport}`]);
      if (known.response) this.#respond(known.response, request, frame, socket);
      return;
    }
    const transaction: ServerTransaction = { bytes: request.raw, response: undefined };
    this.#servers.set(branch, transaction);
    const faults = checkRequest(request, socket.transport, frame.remote);
    const isForwarded = headerList(request, 'via').length > 1;
    if (isForwarded) faults.push(...checkForwarded(request));
    this.#fault(faults);
    const told = request.method === 'NOTIFY' ? this.#subscriptionOf(request) : undefined;
    const status = request.method === 'NOTIFY' ? this.#receiveNotify(request, isRoute) : this.#receiveOther(request);
    // What could not be read is not answered either.
    if (status === 'silent' || faults.length > 0) return;
    transaction.response = composeAnswer(status, request, frame.remote, told?.answerHeaders);
    this.#respond(transaction.response, request, frame, socket);
  }

  #subscriptionOf(request: SipMessage): Subscription | undefined {
    const callId = header(request, 'call-id');
    const tag = toTag(request);
    return this.subscriptions.find(({ terms }) => terms.callId === callId && terms.localTag === tag);
  }

  #receiveNotify(request: SipMessage, isRoute: boolean): Answer {
    const subscription = this.#subscriptionOf(request);
    if (!subscription) {
      if (this.strict) this.#fault([`a NOTIFY in no dialog of ours: Call-ID ${header(request, 'call-id')}, To tag ${toTag(request)}`]);
      return 481;
    }
    const isForwarded = headerList(request, 'via').length > 1;
    if (isForwarded !== (subscription.terms.proxied === true)) this.#fault(['a NOTIFY on another way than the SUBSCRIBE']);
    this.#fault(subscription.receive(request, isRoute));
    return subscription.answer;
  }

  #receiveOther(request: SipMessage): number {
    const answer = this.answers.get(request.method);
    if (answer) return answer(request);
    this.#fault([`a ${request.method} that nothing asked for`]);
    return 501;
  }

  #respond(bytes: Buffer, request: SipMessage, frame: Frame, socket: SipSocket): void {
    const port = answerPort(request, frame.remote.port);
    this.#log('sent', bytes, { address: frame.remote.address, port }, socket);
    frame.reply(bytes, port);
  }
}

function toTag(request: SipMessage): string | undefined {
  return /;\s*tag=([^;\s]+)/i.exec(header(request, 'to') ?? '')?.[1];
}

/** RFC 5839 5.2: the condition of one SUBSCRIBE is not that of the next; and what describes a body goes with it, unless told otherwise. */
function lastingOptions(options: SubscribeOptions, { body, headers = [] }: TermsChange): SubscribeOptions {
  const own = new Set(['suppress-if-match', ...headers.map(([name]) => name.toLowerCase())]);
  if (body === undefined) for (const name of ['content-type', 'content-encoding', 'content-disposition']) own.add(name);
  return { ...options, headers: (options.headers ?? []).filter(([name]) => !own.has(name.toLowerCase())) };
}
