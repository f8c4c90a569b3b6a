/** What a store-and-forward server says of a message to who sent it and asked (RFC 5438 8, 12.2). */
import { addressHost, canonicalAddress } from '../../schemas/address.ts';
import { type Disposition, IMDN_TYPE, writeImdn } from '../../schemas/imdn.ts';
import { createCallId, createTag, randomHex } from '../message/identifiers.ts';
import { CPIM_TYPE, type CpimMessage, coreHeader, headerUri, imdnHeaders, parseCpim, requestedNotifications } from './cpim.ts';
import { fieldOf, type QueuedMessage } from './queued-message.ts';

export interface NoticeOptions {
  readonly now: () => number;
  /** How long a notice may wait for its recipient, in milliseconds. */
  readonly lifetime: number;
  /** Is the URI an address of this server itself? */
  isServer(uri: string): boolean;
  isUser(address: string): boolean;
  /** Takes the notice on its way. `uri` is where it goes; its `recipient` is the canonical form of that. */
  post(notice: QueuedMessage, uri: string): void;
}

/** The value of Disposition-Notification that asks for each (RFC 5438 7.1.1.3). */
const ASKED_BY: Readonly<Record<Disposition['kind'], string>> = { processing: 'processing', delivery: 'negative-delivery' };

export class DispositionNotices {
  private readonly options: NoticeOptions;

  constructor(options: NoticeOptions) {
    this.options = options;
  }

  /**
   * Tells the sender if the message asks for that. Never of a notification, and never to anybody but who is known to have sent it: a
   * forged address in a message must not make this server write to others.
   */
  tell(message: QueuedMessage, disposition: Disposition): void {
    const cpim = cpimOf(message);
    if (cpim === undefined || !requestedNotifications(cpim).has(ASKED_BY[disposition.kind])) return;
    const from = coreHeader(cpim, 'From');
    const to = coreHeader(cpim, 'To');
    const [id] = imdnHeaders(cpim, 'Message-ID');
    const sender = headerUri(from);
    if (from === undefined || to === undefined || sender === undefined || id === undefined) return;
    if (message.sender === '' || canonicalAddress(sender) !== message.sender) return;
    // What would have come back to this server over its own address in the path need not leave it.
    const routes = imdnHeaders(cpim, 'IMDN-Record-Route').map(({ value }) => value);
    while (routes[0] !== undefined && this.options.isServer(headerUri(routes[0]) ?? '')) routes.shift();
    const target = headerUri(routes[0]) ?? message.sender;
    // RFC 5438 6.5: the addresses are those of servers. Users could be sent notices that they do not want.
    if (routes.length > 0 && this.options.isUser(canonicalAddress(target))) return;
    const xml = document(cpim, message, id.value, disposition);
    const lines = [`From: ${to}`, `To: ${from}`, 'NS: imdn <urn:ietf:params:imdn>', `imdn.Message-ID: ${randomHex(12)}`];
    for (const route of routes) lines.push(`imdn.IMDN-Route: ${route}`);
    const content = [`Content-type: ${IMDN_TYPE}`, 'Content-Disposition: notification', `Content-length: ${Buffer.byteLength(xml)}`];
    this.post(message, target, `${lines.join('\r\n')}\r\n\r\n${content.join('\r\n')}\r\n\r\n${xml}`);
  }

  private post({ recipient, sender }: QueuedMessage, uri: string, body: string): void {
    const now = this.options.now();
    const notice: QueuedMessage = {
      recipient: canonicalAddress(uri),
      sender: recipient,
      fields: [
        // RFC 5438 8.1: as the recipient's agent would write it.
        ['From', `<${recipient}>;tag=${createTag()}`],
        ['To', `<${sender}>`],
        ['Call-ID', createCallId()],
        ['CSeq', '1 MESSAGE'],
        ['Date', new Date(now).toUTCString()],
        ['Content-Type', CPIM_TYPE],
      ],
      body: Buffer.from(body, 'utf8').toString('base64'),
      expiresAt: now + this.options.lifetime,
    };
    this.options.post(notice, uri);
  }
}

/** Undefined for other types, and for what is coded so that only its recipient reads it. */
function cpimOf(message: QueuedMessage): CpimMessage | undefined {
  const type = fieldOf(message, 'Content-Type')?.split(';')[0]?.trim().toLowerCase();
  if (type !== CPIM_TYPE || fieldOf(message, 'Content-Encoding') !== undefined) return undefined;
  return parseCpim(Buffer.from(message.body, 'base64'));
}

function document(cpim: CpimMessage, { recipient }: QueuedMessage, messageId: string, disposition: Disposition): string {
  const to = headerUri(coreHeader(cpim, 'To')) ?? recipient;
  return writeImdn({
    messageId,
    dateTime: coreHeader(cpim, 'DateTime') ?? '',
    recipient: to,
    originalRecipient: headerUri(imdnHeaders(cpim, 'Original-To')[0]?.value) ?? to,
    subject: coreHeader(cpim, 'Subject'),
    disposition,
  });
}

/** A notification on its way through this server (RFC 5438 8): the body without our address on top of its route, and where it goes next. */
export interface RoutedNotice {
  readonly body: Buffer;
  readonly uri: string;
}

/**
 * Undefined for what is no notification routed to this server: no message/cpim, no IMDN-Route, or another address on top.
 * @param isServer is the URI an address of this server itself?
 */
export function routeNotice(body: Buffer, isServer: (uri: string) => boolean): RoutedNotice | undefined {
  const cpim = parseCpim(body);
  if (cpim === undefined) return undefined;
  const routes = imdnHeaders(cpim, 'IMDN-Route');
  const others = routes.findIndex((route) => !isServer(headerUri(route.value) ?? ''));
  const passed = others < 0 ? routes : routes.slice(0, others);
  if (passed.length === 0) return undefined;
  const next = routes[passed.length];
  const uri = headerUri(next === undefined ? coreHeader(cpim, 'To') : next.value);
  if (uri === undefined || isServer(uri) || addressHost(canonicalAddress(uri)) === undefined) return undefined;
  let rest = body;
  for (const { start, end } of [...passed].reverse()) rest = Buffer.concat([rest.subarray(0, start), rest.subarray(end)]);
  return { body: rest, uri };
}
