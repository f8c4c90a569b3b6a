/**
 * Instant messages (RFC 3428) beside their plain relay by the proxy: those for users who are not there are kept, those for many are
 * copied (RFC 5365), large ones over UDP are refused, and senders learn what they ask for (RFC 5438).
 */
import { addressHost, canonicalAddress } from '../../schemas/address.ts';
import type { SubHandling } from '../../schemas/pres-rules.ts';
import type { UserDirectory } from '../core/authenticator.ts';
import { type Call, type CallFailure, type CallService, PROCEED, type Verdict } from '../core/call-service.ts';
import type { Logger } from '../core/log.ts';
import type { RequestContext } from '../core/request-context.ts';
import type { StateStore } from '../core/state-store.ts';
import type { SipRequest } from '../message/message.ts';
import { withoutParams } from '../message/multipart.ts';
import { PAGE_MODE_BYTES } from '../message/page-mode.ts';
import { SipError } from '../message/sip-error.ts';
import type { Flow } from '../transport/flow.ts';
import { CPIM_TYPE, parseCpim } from './cpim.ts';
import { DispositionNotices, routeNotice } from './disposition-notices.ts';
import type { Judgement, MessageDelivery } from './message-delivery.ts';
import type { MessageQueue } from './message-queue.ts';
import { deliveryRequest, type QueuedMessage, queuedMessage } from './queued-message.ts';
import { copyFor, isListMessage, type ListMessage, readListMessage, targetUri } from './recipient-list-message.ts';

export interface MessageServiceOptions {
  readonly users: UserDirectory;
  readonly state: StateStore;
  readonly queue: MessageQueue;
  readonly delivery: MessageDelivery;
  readonly log: Logger;
  readonly now: () => number;
  /** Longest time that a message waits, in milliseconds. */
  readonly lifetime: number;
  /** Recipients of one message. */
  readonly maxRecipients: number;
  /** May lists and notices go to users of other domains? */
  readonly abroad: boolean;
  /** Without authentication From is believed. */
  readonly open: boolean;
  /** Is the URI an address of this server itself? */
  isServer(uri: string): boolean;
  hasBindings(recipient: string): boolean;
  /** Sends a request on its way to another domain. */
  send(request: SipRequest, done: (status: number | undefined) => void): void;
  /** What users have barred; asked by the proxy for what it relays, and by this service for the copies that it makes. */
  readonly barring: CallService;
  /** What the user's presence rules say to the sender; undefined where they have no say about messages. */
  readonly presenceHandling?:
    | ((sender: string, user: string, aliases?: readonly string[]) => SubHandling | Promise<SubHandling>)
    | undefined;
}

/** How long the bindings of a user may take to answer before the message is kept, in milliseconds. */
const PATIENCE = 20_000;
const COMPOSING_TYPE = 'application/im-iscomposing+xml';

export class MessageService implements CallService {
  readonly name = 'messages';
  private readonly options: MessageServiceOptions;
  private readonly notices: DispositionNotices;

  constructor(options: MessageServiceOptions) {
    this.options = options;
    const { now, lifetime, queue } = options;
    this.notices = new DispositionNotices({
      now,
      lifetime,
      isServer: (uri) => options.isServer(uri),
      post: (notice, uri) => void this.post(notice, uri),
      isUser: (address) => options.users.hasUser(address),
    });
    queue.onExpired((message) => this.notices.tell(message, { kind: 'delivery', status: 'failed' }));
  }

  /** A message that is given up: every binding refuses it. */
  refused(message: QueuedMessage): void {
    this.notices.tell(message, { kind: 'delivery', status: 'failed' });
  }

  onRequest(call: Call): Verdict | Promise<Verdict> {
    const { request, callee } = call;
    if (request.method !== 'MESSAGE') return PROCEED;
    if (isTooLarge(request, call.flow)) return { kind: 'answer', ...TOO_LARGE };
    if (callee === undefined) return PROCEED;
    const handling = this.presenceHandling(call, callee);
    return handling instanceof Promise
      ? handling.then((settled) => this.judged(call, callee, settled))
      : this.judged(call, callee, handling);
  }

  /** The sender gives up after 32 seconds (RFC 3261 17.1.2.2); by then it should know that the message is kept. */
  noReplyTimeout({ request, callee }: Call): number | undefined {
    return request.method === 'MESSAGE' && callee !== undefined && !isPassing(request) ? PATIENCE : undefined;
  }

  onFailure(call: Call, failure: CallFailure): Verdict | Promise<Verdict> {
    const { request, callee } = call;
    if (request.method !== 'MESSAGE' || callee === undefined || failure.cause === 'busy') return PROCEED;
    return isPassing(request) ? PROCEED : this.keep(call, callee);
  }

  /** For `router.handle('MESSAGE', ...)`: a message to the server itself, which is for many, or a notification on its way back. */
  readonly handler = async (context: RequestContext): Promise<void> => {
    const { request, flow } = context;
    if (isTooLarge(request, flow)) throw new SipError(TOO_LARGE.status, TOO_LARGE.reason);
    if (isListMessage(request)) await this.spread(context, readListMessage(request));
    else await this.passOn(context);
    this.options.state.afterCommit(() => context.respond(202));
  };

  /** A notification that came over our address in its route. */
  private async passOn(context: RequestContext): Promise<void> {
    const { request } = context;
    const { isServer, lifetime, now } = this.options;
    const routed = request.contentType?.type === CPIM_TYPE ? routeNotice(request.body, isServer) : undefined;
    if (routed === undefined) throw new SipError(404, 'Messages are for users, not for the server');
    const recipient = canonicalAddress(routed.uri);
    const refusal = await this.refusalOf(context, recipient, routed.uri);
    if (refusal === 'silent') return;
    if (refusal !== undefined) throw new SipError(refusal);
    const kept = sentBy(queuedMessage(request, recipient, context.identity ?? '', lifetime, now()), context.aliases);
    if (!this.post({ ...kept, body: routed.body.toString('base64') }, routed.uri)) throw new SipError(480);
  }

  /** Whether the recipient of a copy takes messages of the sender: undefined if so, else a status, or 'silent' where the sender shall not know. */
  private refusalOf(
    { request, flow, identity = '', aliases }: RequestContext,
    recipient: string,
    uri: string,
  ): Promise<number | 'silent' | undefined> {
    const callee = this.options.users.hasUser(recipient) ? recipient : undefined;
    const sender = { caller: identity, callerAliases: aliases, callerVerified: !this.options.open };
    return this.refusal({ request, flow, ...sender, callee, uri, diverted: [], headers: [] });
  }

  private async refusal(call: Call): Promise<number | 'silent' | undefined> {
    const { callee } = call;
    const verdict = await this.options.barring.onRequest?.(call);
    if (verdict?.kind === 'answer') return verdict.status;
    const handling = callee === undefined ? 'allow' : await this.presenceHandling(call, callee);
    if (handling === 'block') return 403;
    return handling === 'polite-block' ? 'silent' : undefined;
  }

  /** What the recipient's rules say now of a message that has waited. */
  async judge(message: QueuedMessage): Promise<Judgement> {
    const { recipient, sender, aliases } = message;
    const request = deliveryRequest(message, recipient);
    const caller = sender === '' ? canonicalAddress(request.from.uri) : sender;
    const call: Call = {
      request,
      flow: undefined,
      caller,
      callerAliases: aliases,
      callerVerified: sender !== '' && !this.options.open,
      callee: recipient,
      uri: recipient,
      diverted: [],
      headers: [],
    };
    const refusal = await this.refusal(call);
    return refusal === undefined ? 'allowed' : refusal === 'silent' ? 'silent' : 'refused';
  }

  private presenceHandling({ caller, callerAliases }: Call, user: string): SubHandling | Promise<SubHandling> {
    const { presenceHandling } = this.options;
    return presenceHandling === undefined || caller === user ? 'allow' : presenceHandling(caller, user, callerAliases);
  }

  private judged(call: Call, callee: string, handling: SubHandling): Verdict | Promise<Verdict> {
    if (handling === 'block') return { kind: 'answer', status: 403, because: 'the presence rules block the sender' };
    if (handling !== 'polite-block') return this.inTurn(call, callee);
    // As for a user who is not there: 202 if the message would be kept, and nothing is.
    const accepted = !isPassing(call.request) && this.options.queue.accepts(this.message(call, callee)) === 'queued';
    return { kind: 'answer', status: accepted ? 202 : 480, because: 'the presence rules block the sender politely' };
  }

  /** While the user gets what has waited, what comes now waits behind it. */
  private inTurn(call: Call, callee: string): Verdict | Promise<Verdict> {
    const { queue, delivery } = this.options;
    if (!queue.has(callee)) return PROCEED;
    const message = this.message(call, callee);
    // A contact of the user's that leads back here: the message goes round.
    if (queue.accepts(message) === 'known') return { kind: 'answer', status: 482, because: 'the message is waiting here already' };
    return delivery.isRunning(callee) && !isPassing(call.request) ? this.keep(call, callee) : PROCEED;
  }

  private message({ request, caller, callerAliases, callerVerified }: Call, callee: string): QueuedMessage {
    const { lifetime, now, open } = this.options;
    const message = queuedMessage(request, callee, callerVerified || open ? caller : '', lifetime, now());
    return sentBy(message, callerAliases);
  }

  private keep(call: Call, callee: string): Verdict | Promise<Verdict> {
    const { queue, state, now } = this.options;
    const message = this.message(call, callee);
    if (message.expiresAt <= now() || queue.put(message) !== 'queued') return PROCEED;
    this.notices.tell(message, { kind: 'processing', status: 'stored' });
    // RFC 3428 7: accepted, not delivered. Not before a crash could no longer take it.
    return new Promise((resolve) =>
      state.afterCommit(() => resolve({ kind: 'answer', status: 202, because: 'the message waits for the user' })),
    );
  }

  /** RFC 5365 7: each copy goes its own way. */
  private async spread(context: RequestContext, { recipients, content }: ListMessage): Promise<void> {
    const { users, maxRecipients, abroad, lifetime, now, isServer } = this.options;
    const { request } = context;
    const sender = context.identity;
    if (sender === undefined) throw new SipError(403, 'Lists are for users');
    if (recipients.length === 0) throw new SipError(400, 'The list names no recipient');
    if (recipients.length > maxRecipients) throw new SipError(403, `A message may have ${maxRecipients} recipients at most`);
    const isHere = (address: string): boolean => users.servesDomain(addressHost(address) ?? '');
    // RFC 5363 5.2: nobody gets messages from a list without having agreed. Users here have, by the admin's setting.
    const unasked = abroad ? [] : recipients.filter(({ canonical }) => !isHere(canonical));
    if (unasked.length > 0) {
      const missing = unasked.map((recipient) => `<${targetUri(recipient)}>`).join(', ');
      throw new SipError(470, 'Consent Needed', [['Permission-Missing', missing]]);
    }
    const at = now();
    const expiresAt = queuedMessage(request, '', sender, lifetime, at).expiresAt;
    const terms = { sender, now: at, expiresAt, isOwnRealm: (realm: string) => users.servesDomain(realm.toLowerCase()) };
    const refusals = await Promise.all(recipients.map((each) => this.refusalOf(context, each.canonical, targetUri(each))));
    for (const [index, recipient] of recipients.entries()) {
      const copy = sentBy(copyFor(recipient, request, content, terms), context.aliases);
      const refusal = refusals[index];
      if (refusal === 'silent') continue;
      if (refusal !== undefined || isServer(recipient.uri) || !this.post(copy, targetUri(recipient))) this.refused(copy);
    }
    const whole = queuedMessage(request, sender, sender, lifetime, at);
    this.notices.tell({ ...whole, fields: withContent(whole, content), body: content.body.toString('base64') }, PROCESSED);
  }

  /** Takes a message of ours on its way; false where it has none. */
  private post(message: QueuedMessage, uri: string): boolean {
    const { users, queue, delivery, abroad, open, hasBindings, send } = this.options;
    const { recipient } = message;
    if (!users.servesDomain(addressHost(recipient) ?? '')) {
      if (!abroad && !open) return false;
      send(deliveryRequest(message, uri), (status) => {
        if (status === undefined || status >= 300) this.refused(message);
      });
      return true;
    }
    if (!users.hasUser(recipient) || queue.put(message) !== 'queued') return false;
    // Not in the turn of who asks: he gets his answer first.
    if (hasBindings(recipient)) this.options.state.afterCommit(() => setImmediate(() => delivery.start(recipient)));
    return true;
  }
}

const TOO_LARGE = {
  status: 513,
  reason: `Over UDP a message may have ${PAGE_MODE_BYTES} bytes at most`,
  because: 'larger than a message over UDP may be',
};
const PROCESSED = { kind: 'processing', status: 'processed' } as const;

function isTooLarge(request: SipRequest, flow: Flow | undefined): boolean {
  return flow?.reliable === false && request.headers.receivedLength > PAGE_MODE_BYTES && request.to.tag === undefined;
}

function sentBy(message: QueuedMessage, aliases: readonly string[] | undefined): QueuedMessage {
  return aliases === undefined ? message : { ...message, aliases };
}

function withContent(message: QueuedMessage, content: ListMessage['content']): QueuedMessage['fields'] {
  return [...message.fields.filter(([name]) => !/^content-/i.test(name)), ...content.fields];
}

/** Of no use to anybody later: what the sender is typing now (RFC 3994). */
function isPassing(request: SipRequest): boolean {
  const type = withoutParams(request.headers.get('Content-Type') ?? '');
  if (type === COMPOSING_TYPE) return true;
  return type === CPIM_TYPE && withoutParams(parseCpim(request.body)?.content.get('content-type') ?? '') === COMPOSING_TYPE;
}
