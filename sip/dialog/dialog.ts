import { FieldBlock, FieldNames, Headers } from '../message/headers.ts';
import { type SipMessage, SipRequest, type SipResponse } from '../message/message.ts';
import { parseNameAddr } from '../message/name-addr.ts';
import { dropEmptyParams } from '../message/params.ts';
import { SipError } from '../message/sip-error.ts';
import { detach } from '../message/text.ts';
import { parseSipUri } from '../message/uri.ts';

/** A dialog as plain JSON, for the state store: short, for one is written for every subscription. */
export type KeptDialog = readonly [
  /** Call-ID, local tag and remote tag, one a line. */
  id: string,
  /** What all our requests have in common. */
  fields: string,
  remoteTarget: string,
  localCSeq: number,
  remoteCSeq: number,
  ...routeSet: string[],
];

/** What makes a dialog; earlier versions stored it as it stands here. */
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

const FIELDS = new FieldNames(['Max-Forwards', 'From', 'To', 'Call-ID', 'Contact']);
const NO_ROUTE: readonly string[] = [];

/** A dialog of a subscription, seen from either side (RFC 3261 12, RFC 6665 4.4). There are many: what it says of itself is kept once. */
export class Dialog {
  /** Of Call-ID and both tags. */
  readonly id: string;
  /** CSeq number of our last request. */
  localCSeq: number;
  /** CSeq number of the peer's last request. */
  remoteCSeq: number;
  /** What all our requests in the dialog have in common, but for the routes. */
  private readonly block: FieldBlock;
  private readonly routeSet: readonly string[];
  private target: string;
  /** Of a dialog with a route set, until its target changes. */
  private route: Route | undefined;

  private constructor(state: DialogState) {
    this.id = dialogId(state.callId, state.localTag, state.remoteTag);
    this.localCSeq = state.localCSeq;
    this.remoteCSeq = state.remoteCSeq;
    this.block = new FieldBlock(FIELDS, [MAX_FORWARDS, state.local, state.remote, state.callId, state.localContact]);
    this.routeSet = state.routeSet.length === 0 ? NO_ROUTE : state.routeSet.map(detach);
    this.target = detach(state.remoteTarget);
    this.route = undefined;
  }

  /**
   * The dialog that a request makes (RFC 3261 12.1.1).
   * @param localContact the Contact value of our requests, e.g. `<sip:192.0.2.1:5060>`
   * @throws SipError 400 without a usable Contact, or with a Record-Route by which no request could be sent
   */
  static accept(request: SipRequest, localTag: string, localContact: string): Dialog {
    const to = addressField(request, 'To');
    return new Dialog({
      callId: request.callId,
      localTag,
      remoteTag: request.from.tag ?? '',
      local: request.to.tag === undefined ? `${to};tag=${localTag}` : to,
      remote: addressField(request, 'From'),
      remoteTarget: contactOf(request) ?? missingContact(),
      routeSet: request.headers.list('Record-Route').map(checkedRoute),
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
    const routes = first.headers.list('Record-Route').map(checkedRoute);
    return new Dialog({
      callId: request.callId,
      localTag: request.from.tag ?? '',
      remoteTag: (notified ? first.from.tag : first.to.tag) ?? '',
      local: addressField(request, 'From'),
      remote: (notified ? first.headers.get('From') : first.headers.get('To')) ?? '',
      remoteTarget: contactOf(first) ?? missingContact(),
      routeSet: notified ? routes : routes.reverse(),
      localContact,
      localCSeq: request.cseq.sequence,
      remoteCSeq: notified ? first.cseq.sequence : 0,
    });
  }

  static restore(state: KeptDialog | DialogState): Dialog {
    if (!isKept(state)) return new Dialog(state);
    const [id, fields, remoteTarget, localCSeq, remoteCSeq, ...routeSet] = state;
    const [callId = '', localTag = '', remoteTag = ''] = id.split('\n');
    const [, local = '', remote = '', , localContact = ''] = FieldBlock.valuesOf(FIELDS, fields);
    return new Dialog({ callId, localTag, remoteTag, local, remote, remoteTarget, routeSet, localContact, localCSeq, remoteCSeq });
  }

  /** The id of the dialog that a received request says it is in; undefined without a To tag. */
  static idOf(request: SipRequest): string | undefined {
    const localTag = request.to.tag;
    return localTag === undefined ? undefined : dialogId(request.callId, localTag, request.from.tag ?? '');
  }

  /** What is to be stored for the dialog, as if our last request had had that CSeq number. */
  stateAt(localCSeq: number): KeptDialog {
    return [this.id, this.block.text, this.target, localCSeq, this.remoteCSeq, ...this.routeSet];
  }

  get callId(): string {
    return this.id.slice(0, this.id.indexOf('\n'));
  }

  get localTag(): string {
    return this.id.slice(this.id.indexOf('\n') + 1, this.id.lastIndexOf('\n'));
  }

  get remoteTag(): string {
    return this.id.slice(this.id.lastIndexOf('\n') + 1);
  }

  get hasRoute(): boolean {
    return this.routeSet.length > 0;
  }

  /** URI the peer named last in Contact. */
  get remoteTarget(): string {
    return this.target;
  }

  /** The next request in the dialog: CSeq one higher, Request-URI and Route by the route set (RFC 3261 12.2.1.1). */
  createRequest(method: string): SipRequest {
    const { uri, nextHop, fields } = this.hasRoute ? (this.route ??= this.findRoute()) : this.directRoute;
    const headers = Headers.withBlock(this.block);
    for (const route of fields) headers.add('Route', route);
    const request = new SipRequest(method, uri, headers);
    headers.add('CSeq', `${++this.localCSeq} ${method}`);
    request.nextHop = nextHop;
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
      this.route = undefined;
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
      this.route = undefined;
      return true;
    } catch (error) {
      if (error instanceof SipError) return false;
      throw error;
    }
  }

  private get directRoute(): Route {
    return { uri: this.target, nextHop: this.target, fields: NO_ROUTE };
  }

  private findRoute(): Route {
    const [first = '', ...others] = this.routeSet;
    const firstUri = parseNameAddr(first).uri;
    const router = parseSipUri(firstUri);
    if (router.params.has('lr')) return { uri: this.target, nextHop: firstUri, fields: this.routeSet };
    // A strict router: it takes the Request-URI for its own and the last Route for the target.
    // RFC 3261 19.1.1 table 1: not allowed in a Request-URI.
    router.params.delete('method');
    router.headers = undefined;
    return { uri: router.toString(), nextHop: firstUri, fields: [...others, `<${this.target}>`] };
  }
}

/** What was stored for a dialog, with the CSeq numbers that it has come to since. */
export function numbered(state: KeptDialog | DialogState, localCSeq: number, remoteCSeq: number): KeptDialog | DialogState {
  if (!isKept(state)) return { ...state, localCSeq, remoteCSeq };
  const [id, fields, remoteTarget, , , ...routeSet] = state;
  return [id, fields, remoteTarget, localCSeq, remoteCSeq, ...routeSet];
}

function isKept(state: KeptDialog | DialogState): state is KeptDialog {
  return Array.isArray(state);
}

/** The way of our requests in a dialog until the remote target changes (RFC 3261 12.2.1.1). */
interface Route {
  readonly uri: string;
  readonly nextHop: string;
  /** Values of Route. */
  readonly fields: readonly string[];
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
