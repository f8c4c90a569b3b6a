import { hash } from 'node:crypto';
import { isIP } from 'node:net';
import { canonicalAddress } from '../../schemas/address.ts';
import { randomHex } from '../message/identifiers.ts';
import type { SipRequest } from '../message/message.ts';
import { isSecureUri, type SipUri } from '../message/uri.ts';
import type { Destination, Flow } from '../transport/flow.ts';
import { ownUri } from '../transport/own-uri.ts';
import { isFirstHop } from './outbound.ts';
import type { StateStore } from './state-store.ts';
import { isTranslated } from './translated-address.ts';

/** URI parameter that proves the dialog to be one that we let through. */
export const TOKEN_PARAM = 'rct';
/** URI parameter that names the connection on that side of us, or the domain that its peer has proved to be. */
const FLOW_PARAM = 'rcf';
/** Hexadecimal digits: 80 bits. */
const TOKEN_LENGTH = 20;

const SERVER_NAME = /^p\.([a-z0-9.-]+)$/;
const DATAGRAM_NAME = /^u((?:[0-9a-f]{2})+)\.(\d{1,5})$/;

/** What the transports are asked for. */
export interface FlowSource {
  /** Host and perhaps port by which the peer of a flow reaches us. */
  reachedAt(flow: Flow): string;
  flowTo(destination: Destination): Flow | undefined;
}

/** RFC 3261 12.1, RFC 6665, RFC 3515: what these begin we stay on the path of. */
const DIALOG_FORMING: ReadonlySet<string> = new Set(['INVITE', 'SUBSCRIBE', 'REFER']);

/**
 * Record-Route of our own (RFC 3261 16.6 step 4). Each URI carries a token over Call-ID and users, so that a request that comes back by it
 * is known to be of a dialog that was allowed once, and nobody can relay by writing a Route to us; and the connection that its side is
 * reached by, where it is reached by none of its own making (RFC 5626 5.3).
 */
export class RecordRoutes {
  private readonly secret: string;
  private readonly transport: FlowSource;
  private readonly flows = new Map<string, Flow>();

  /** @param state keeps the secret, so that calls outlive a restart */
  constructor(state: StateStore, transport: FlowSource) {
    const table = state.table<{ readonly secret: string }>('proxy');
    const [kept] = [...table.load()].filter(([id]) => id === 'record-route').map(([, record]) => record.secret);
    this.secret = kept ?? randomHex(32);
    if (kept === undefined) table.put('record-route', { secret: this.secret });
    this.transport = transport;
  }

  /**
   * Puts us on the path of a request that may begin a dialog: one value where both sides reach us alike, else one for each, that of the
   * side it goes to on top.
   * @param received the request as it came, from `from`
   * @param isRegistrants whether `to` is the flow of a registration
   * @param isOurs whether it came by a value that we recorded for its dialog
   */
  record(request: SipRequest, received: SipRequest, from: Flow, to: Flow, isRegistrants: boolean, isOurs: boolean): void {
    // RFC 6665 4.3 and 4.4.1: a subscriber takes its route set from the NOTIFY, which names whoever was on the path of the SUBSCRIBE.
    if (!DIALOG_FORMING.has(request.method) && !(isOurs && request.method === 'NOTIFY')) return;
    // Here the Request-URI is that of the next hop where it is a strict router, and so is the first Route elsewhere.
    const [route = ''] = request.headers.has('Route') ? request.headers.list('Route') : [];
    const secure = isSecureUri(request.uri) || /^[^<]*<\s*sips:/i.test(route);
    const dialog = dialogOf(received);
    // Another domain's server is reached by connections of ours as well.
    const isAgents = isFirstHop(received) && from.peerDomains.length === 0;
    const incoming = this.value(secure, from, dialog, isAgents && (from.reliable || needsFlow(received, from)));
    const outgoing = this.value(secure, to, dialog, isRegistrants);
    if (incoming !== outgoing) request.headers.addFirst('Record-Route', incoming);
    request.headers.addFirst('Record-Route', outgoing);
  }

  /** Did we write the URI for the dialog that the request says to be in? */
  isGenuine(uri: SipUri, request: SipRequest): boolean {
    const token = uri.params.get(TOKEN_PARAM);
    return token !== undefined && token === this.token(dialogOf(request), uri.params.get(FLOW_PARAM) ?? '');
  }

  /** Connections that are known by their names. */
  get named(): number {
    return this.flows.size;
  }

  /** The flow that a genuine URI names, while it is open. */
  flowOf(uri: SipUri): Flow | undefined {
    const name = uri.params.get(FLOW_PARAM);
    if (name === undefined || SERVER_NAME.test(name)) return undefined;
    const peer = DATAGRAM_NAME.exec(name);
    if (peer === null) return this.flows.get(name);
    const address = Buffer.from(peer[1] ?? '', 'hex').toString('latin1');
    return this.transport.flowTo({ protocol: 'UDP', address, port: Number(peer[2]) });
  }

  /** The domain that the server on the side of a genuine URI has proved to be by TLS, if it is one. */
  provedName(uri: SipUri): string | undefined {
    return SERVER_NAME.exec(uri.params.get(FLOW_PARAM) ?? '')?.[1];
  }

  private value(secure: boolean, flow: Flow, dialog: string, named: boolean): string {
    const name = named ? this.nameOf(flow) : nameOfServer(flow);
    const side = name === '' ? '' : `;${FLOW_PARAM}=${name}`;
    const uri = ownUri(this.transport.reachedAt(flow), flow.protocol, secure);
    return `<${uri};lr;${TOKEN_PARAM}=${this.token(dialog, name)}${side}>`;
  }

  /** Of datagrams the name says where they go; a connection is known by its name while it is open. */
  private nameOf(flow: Flow): string {
    if (!flow.reliable) return `u${Buffer.from(flow.remoteAddress, 'latin1').toString('hex')}.${flow.remotePort}`;
    const name = flow.id.replaceAll(' ', '.');
    if (!this.flows.has(name)) {
      this.flows.set(name, flow);
      flow.onClose(() => this.flows.delete(name));
    }
    return name;
  }

  private token(dialog: string, flow: string): string {
    return hash('sha256', `${this.secret} ${flow} ${dialog}`, 'hex').slice(0, TOKEN_LENGTH);
  }
}

/** Other servers write their addresses into Record-Route and Contact, which their certificates seldom name. */
function nameOfServer({ protocol, openedTo, peerDomains }: Flow): string {
  const domain = openedTo ?? peerDomains[0];
  return protocol === 'TLS' && domain !== undefined && isIP(domain) === 0 ? `p.${domain}` : '';
}

/**
 * What is the same in all requests of a dialog, in both directions: the Call-ID and the two users. Without these, who has once called
 * somebody could write to anybody under any name without being asked who he is.
 */
function dialogOf(request: SipRequest): string {
  const [one, other] = [canonicalAddress(request.from.uri), canonicalAddress(request.to.uri)];
  return `${request.callId} ${one < other ? `${one} ${other}` : `${other} ${one}`}`;
}

/** RFC 5626 4.3: `ob` asks for requests of the dialog over the flow of this one. Where its address is translated there is no other way. */
function needsFlow(request: SipRequest, from: Flow): boolean {
  const contact = request.headers.get('Contact');
  if (contact === undefined) return false;
  return /;ob[;>]/.test(contact) || isTranslated(contact, request, from);
}
