import { FieldBlock, Headers } from '../message/headers.ts';
import { type SipMessage, SipRequest, type SipResponse } from '../message/message.ts';
import { parseNameAddr } from '../message/name-addr.ts';
import { dropEmptyParams } from '../message/params.ts';
import { SipError } from '../message/sip-error.ts';
import { detach } from '../message/text.ts';
import { parseSipUri } from '../message/uri.ts';

/** A dialog as plain JSON, for the state store. */
export interface DialogState {
  readonly callId: string;
  readonly localTag: string;
  /** Empty for a peer of RFC 2543, which gives none. */
  readonly remoteTag: string;
  /** From of our requests: the To of the request that made the dialog, as it came, with our tag. */
  readonly local: string;
  /** To of our requests: the From of that request, as it came. */
  readonly remote: string;
  /** URI the peer named last in Contact. */
  readonly remoteTarget: string;
  /** Route values, first hop first. */
  readonly routeSet: readonly string[];
  /** Contact value of our requests. */
  readonly localContact: string;
  readonly localCSeq: number;
  readonly remoteCSeq: number;
}

const MAX_FORWARDS = '70';
/** RFC 3261 12.1.1: a UAS may choose where its CSeq begins. */
const FIRST_LOCAL_CSEQ = 0;

/** A dialog of a subscription, seen from either side (RFC 3261 12, RFC 6665 4.4). */
export class Dialog {
  /** Of Call-ID and both tags. */
  readonly id: string;
  readonly callId: string;
  readonly localTag: string;
  readonly remoteTag: string;
  /** CSeq number of our last request. */
  localCSeq: number;
  /** CSeq number of the peer's last request. */
  remoteCSeq: number;
  private readonly local: string;
  private readonly remote: string;
  private readonly routeSet: readonly string[];
  private readonly localContact: string;
  private target: string;
  private outline: Outline | undefined;

  private constructor(state: DialogState) {
    this.callId = state.callId;
    this.localTag = state.localTag;
    this.remoteTag = state.remoteTag;
    this.id = dialogId(state.callId, state.localTag, state.remoteTag);
    this.local = state.local;
    this.remote = state.remote;
    this.target = state.remoteTarget;
    this.routeSet = state.routeSet;
    this.localContact = state.localContact;
    this.localCSeq = state.localCSeq;
    this.remoteCSeq = state.remoteCSeq;
    this.outline = undefined;
  }

  /**
   * The dialog that a request makes (RFC 3261 12.1.1).
   * @param localContact the Contact value of our requests, e.g. `<sip:192.0.2.1:5060>`
   * @throws SipError 400 without a usable Contact, or with a Record-Route by which no request could be sent
   */
  static accept(request: SipRequest, localTag: string, localContact: string): Dialog {
    const to = addressField(request, 'To');
    return new Dialog({
      callId: detach(request.callId),
      localTag,
      remoteTag: detach(request.from.tag ?? ''),
      local: detach(request.to.tag === undefined ? `${to};tag=${localTag}` : to),
      remote: detach(addressField(request, 'From')),
      remoteTarget: detach(contactOf(request) ?? missingContact()),
      routeSet: request.headers.list('Record-Route').map(checkedRoute).map(detach),
      localContact,
      localCSeq: FIRST_LOCAL_CSEQ,
      remoteCSeq: request.cseq.sequence,
    });
  }

  /**
   * The dialog that a request of ours has made (RFC 3261 12.1.2), by the first that came of it: its 2xx, or a NOTIFY (RFC 6665 4.4.1).
   * @param localContact the Contact value of our requests
   * @throws SipError 400 without a usable Contact, or with a Record-Route by which no request could be sent
   */
  static initiate(request: SipRequest, first: SipResponse | SipRequest, localContact: string): Dialog {
    const notified = first instanceof SipRequest;
    const routes = first.headers.list('Record-Route').map(checkedRoute).map(detach);
    return new Dialog({
      callId: request.callId,
      localTag: request.from.tag ?? '',
      remoteTag: detach((notified ? first.from.tag : first.to.tag) ?? ''),
      local: addressField(request, 'From'),
      remote: detach(notified ? (first.headers.get('From') ?? '') : (first.headers.get('To') ?? '')),
      remoteTarget: detach(contactOf(first) ?? missingContact()),
      routeSet: notified ? routes : routes.reverse(),
      localContact,
      localCSeq: request.cseq.sequence,
      remoteCSeq: notified ? first.cseq.sequence : 0,
    });
  }

  static restore(state: DialogState): Dialog {
    return new Dialog(state);
  }

  /** The id of the dialog that a received request says it is in; undefined without a To tag. */
  static idOf(request: SipRequest): string | undefined {
    const localTag = request.to.tag;
    return localTag === undefined ? undefined : dialogId(request.callId, localTag, request.from.tag ?? '');
  }

  get state(): DialogState {
    const { callId, localTag, remoteTag, local, remote, routeSet, localContact, localCSeq, remoteCSeq } = this;
    return { callId, localTag, remoteTag, local, remote, remoteTarget: this.target, routeSet, localContact, localCSeq, remoteCSeq };
  }

  /** URI the peer named last in Contact. */
  get remoteTarget(): string {
    return this.target;
  }

  /** The next request in the dialog: CSeq one higher, Request-URI and Route by the route set (RFC 3261 12.2.1.1). */
  createRequest(method: string): SipRequest {
    const outline = (this.outline ??= this.drawOutline());
    const headers = Headers.withBlock(outline.block);
    const request = new SipRequest(method, outline.uri, headers);
    headers.add('CSeq', `${++this.localCSeq} ${method}`);
    request.nextHop = outline.nextHop;
    return request;
  }

  /**
   * Takes note of a request in the dialog: its CSeq, and its Contact as the new remote target (RFC 3261 12.2.2).
   * @throws SipError 500 when its CSeq is lower than the last one's
   */
  receive(request: SipRequest): void {
    const { sequence } = request.cseq;
    if (sequence < this.remoteCSeq) throw new SipError(500, 'CSeq is lower than that of the last request in the dialog');
    const contact = contactOf(request);
    this.remoteCSeq = sequence;
    if (contact !== undefined && contact !== this.target) {
      this.target = detach(contact);
      this.outline = undefined;
    }
  }

  /**
   * Takes note of a 2xx to a target refresh request of ours, such as NOTIFY: its Contact is the new remote target (RFC 3261 12.2.1.2).
   * One that is no SIP URI is passed over.
   * @returns has the target changed?
   */
  receiveSuccess(response: SipResponse): boolean {
    if (!response.headers.has('Contact')) return false;
    try {
      const contact = contactOf(response);
      if (contact === undefined || contact === this.target) return false;
      this.target = detach(contact);
      this.outline = undefined;
      return true;
    } catch (error) {
      if (error instanceof SipError) return false;
      throw error;
    }
  }

  private drawOutline(): Outline {
    const [first] = this.routeSet;
    let uri = this.target;
    let routes = this.routeSet;
    const firstUri = first === undefined ? undefined : parseNameAddr(first).uri;
    if (firstUri !== undefined && !parseSipUri(firstUri).params.has('lr')) {
      // A strict router: it takes the Request-URI for its own and the last Route for the target.
      const router = parseSipUri(firstUri);
      // RFC 3261 19.1.1 table 1: not allowed in a Request-URI.
      router.params.delete('method');
      router.headers = undefined;
      uri = router.toString();
      routes = [...this.routeSet.slice(1), `<${this.target}>`];
    }
    const fields: [string, string][] = routes.map((route) => ['Route', route]);
    fields.push(
      ['Max-Forwards', MAX_FORWARDS],
      ['From', this.local],
      ['To', this.remote],
      ['Call-ID', this.callId],
      ['Contact', this.localContact],
    );
    return { uri, block: new FieldBlock(fields), nextHop: firstUri ?? uri };
  }
}

/** What all our requests in a dialog have in common until the remote target changes. */
interface Outline {
  readonly uri: string;
  readonly block: FieldBlock;
  readonly nextHop: string;
}

/** The value of From or To as it came, but for what is only understood and not written: a URI without <>, empty parameters. */
function addressField(request: SipRequest, name: string): string {
  const field = dropEmptyParams(request.headers.get(name) ?? '');
  if (field.includes('<')) return field;
  const semicolon = field.indexOf(';');
  return semicolon < 0 ? `<${field}>` : `<${field.slice(0, semicolon).trimEnd()}>${field.slice(semicolon)}`;
}

function dialogId(callId: string, localTag: string, remoteTag: string): string {
  // One flat string: put together by a template it would be a tree of its parts, kept as such.
  return [callId, localTag, remoteTag].join('\n');
}

/** The URI of the message's Contact, which must be a SIP URI. @throws SipError 400 */
function contactOf(message: SipMessage): string | undefined {
  const [value] = message.headers.list('Contact');
  if (value === undefined) return undefined;
  const { uri } = parseNameAddr(value);
  try {
    const parsed = parseSipUri(uri);
    if (parsed.headers === undefined && !parsed.params.has('method')) return uri;
    // RFC 3261 19.1.1 table 1: not allowed in a Request-URI, nor for the peer to put into our requests.
    parsed.headers = undefined;
    parsed.params.delete('method');
    return parsed.toString();
  } catch {
    throw new SipError(400, 'Contact is no SIP URI');
  }
}

/** The Record-Route value, which must name a SIP URI. @throws SipError 400 */
function checkedRoute(value: string): string {
  try {
    parseSipUri(parseNameAddr(value).uri);
  } catch {
    throw new SipError(400, 'Record-Route is no SIP URI');
  }
  return value;
}

function missingContact(): never {
  throw new SipError(400, 'Missing Contact header field');
}
