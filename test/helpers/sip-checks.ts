import { parseNameAddress, parseUri, parseValue, parseVia } from './sip-headers.ts';
import { header, headerLines, headerList, type SipMessage } from './sip-message.ts';
import type { SipAddress, ViaTransport } from './sip-socket.ts';

/** Runs a check that throws, and turns what it throws into a fault. */
export function attempt<T>(faults: string[], subject: string, read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    faults.push(`${subject}: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

function requireHeaders(message: SipMessage, names: readonly string[], faults: string[]): void {
  const what = message.kind === 'request' ? message.method : `${message.status} to ${message.method}`;
  for (const name of names) if (header(message, name) === undefined) faults.push(`${what} without ${name}`);
}

/** What holds of every request that reaches us (RFC 3261 8.1.1, 12.2.1.1); for one that was forwarded see also `checkForwarded`. */
export function checkRequest(message: SipMessage, transport: ViaTransport, source: SipAddress): string[] {
  const faults: string[] = [];
  requireHeaders(message, ['Via', 'Max-Forwards', 'From', 'To', 'Call-ID', 'CSeq'], faults);
  const vias = headerList(message, 'via');
  const via = attempt(faults, 'Via', () => parseVia(vias[0] ?? ''));
  if (via) {
    const branch = via.params.get('branch') ?? '';
    if (!/^z9hG4bK.{6,}/.test(branch)) faults.push(`Via branch without the magic cookie and something after it: "${branch}"`);
    if (via.transport !== transport) faults.push(`Via says ${via.transport}, the message came over ${transport}`);
    if (transport === 'UDP' && !via.params.has('rport') && (via.port ?? 5060) !== source.port) {
      faults.push(
        `Via names port ${via.port ?? 5060}, the datagram came from port ${source.port}: responses would be lost (RFC 3261 18.2.2)`,
      );
    }
  }
  const hops = header(message, 'max-forwards') ?? '';
  if (!/^\d{1,3}$/.test(hops) || Number(hops) > 255) faults.push(`Max-Forwards is "${hops}"`);
  const from = attempt(faults, 'From', () => parseNameAddress(header(message, 'from') ?? ''));
  if (from && (from.params.get('tag') ?? '') === '') faults.push('From has no tag (RFC 3261 8.1.1.3)');
  const to = attempt(faults, 'To', () => parseNameAddress(header(message, 'to') ?? ''));
  // A bare address is one more thing to be read and not written: its parameters would be the header field's.
  // What an agent wrote itself is not the proxy's to change.
  for (const [name, address] of [
    ['From', from],
    ['To', to],
  ] as const)
    if (address && !address.bracketed && vias.length === 1) faults.push(`${name} is not in angle brackets`);
  attempt(faults, 'Request-URI', () => parseUri(message.requestUri));
  if (/[<>]/.test(message.requestUri)) faults.push(`Request-URI in angle brackets: ${message.requestUri}`);
  checkContacts(message, faults);
  return faults;
}

/** What holds of every response to a request of ours (RFC 3261 8.2.6), and what its status and method demand besides. */
export function checkResponse(request: SipMessage, response: SipMessage, proxied = false): string[] {
  const faults: string[] = [];
  requireHeaders(response, ['Via', 'From', 'To', 'Call-ID', 'CSeq'], faults);
  for (const name of ['From', 'Call-ID', 'CSeq']) {
    const sent = header(request, name) ?? '';
    const echoed = header(response, name) ?? '';
    if (sent !== echoed) faults.push(`${name} is not echoed: sent "${sent}", came back "${echoed}"`);
  }
  checkEchoedVias(request, response, faults);
  checkEchoedTo(request, response, faults);
  checkContacts(response, faults);
  checkDemanded(request, response, faults, proxied);
  return faults;
}

function checkEchoedVias(request: SipMessage, response: SipMessage, faults: string[]): void {
  const sent = headerList(request, 'via');
  const echoed = headerList(response, 'via');
  if (sent.length !== echoed.length) return void faults.push(`sent ${sent.length} Via, ${echoed.length} came back`);
  const mine = attempt(faults, 'own Via', () => parseVia(sent[0] ?? ''));
  const theirs = attempt(faults, 'Via', () => parseVia(echoed[0] ?? ''));
  if (!mine || !theirs) return;
  if (mine.transport !== theirs.transport || mine.host !== theirs.host || mine.port !== theirs.port)
    faults.push(`Via is changed: ${echoed[0]}`);
  for (const [name, value] of mine.params) {
    if (name === 'rport' && value === '') {
      if (!/^\d+$/.test(theirs.params.get('rport') ?? '')) faults.push(`rport is not filled in (RFC 3581 4): ${echoed[0]}`);
      if (!theirs.params.has('received')) faults.push(`rport without received (RFC 3581 4): ${echoed[0]}`);
    } else if (theirs.params.get(name) !== value) faults.push(`Via parameter ${name} is changed: ${echoed[0]}`);
  }
  for (const name of theirs.params.keys()) {
    if (!mine.params.has(name) && name !== 'received' && name !== 'rport') faults.push(`Via parameter ${name} is not ours: ${echoed[0]}`);
  }
  for (let index = 1; index < sent.length; index++)
    if (sent[index] !== echoed[index]) faults.push(`Via ${index + 1} is changed: ${echoed[index]}`);
}

function checkEchoedTo(request: SipMessage, response: SipMessage, faults: string[]): void {
  const sent = attempt(faults, 'own To', () => parseNameAddress(header(request, 'to') ?? ''));
  const echoed = attempt(faults, 'To', () => parseNameAddress(header(response, 'to') ?? ''));
  if (!sent || !echoed) return;
  if (sent.uri !== echoed.uri || sent.display !== echoed.display) faults.push(`To is changed: ${header(response, 'to')}`);
  const tag = echoed.params.get('tag') ?? '';
  if (response.status !== 100 && tag === '') faults.push(`To of the ${response.status} has no tag (RFC 3261 8.2.6.2)`);
  const ours = sent.params.get('tag');
  if (ours !== undefined && ours !== tag) faults.push(`To tag of the dialog is changed from ${ours} to ${tag}`);
}

function checkContacts(message: SipMessage, faults: string[]): void {
  for (const value of headerList(message, 'contact')) {
    if (value === '*') {
      faults.push('Contact: * is for REGISTER requests alone');
      continue;
    }
    const contact = attempt(faults, 'Contact', () => parseNameAddress(value));
    if (!contact) continue;
    if (!contact.bracketed) faults.push(`Contact is not in angle brackets: ${value}`);
    if (message.method !== 'REGISTER') attempt(faults, 'Contact', () => parseUri(contact.uri));
  }
}

/** Header fields that a status cannot do without. */
const DEMANDED: Readonly<Record<number, readonly string[]>> = {
  401: ['WWW-Authenticate'],
  405: ['Allow'],
  407: ['Proxy-Authenticate'],
  415: ['Accept'],
  420: ['Unsupported'],
  421: ['Require'],
  423: ['Min-Expires'],
  489: ['Allow-Events'],
};

function checkDemanded(request: SipMessage, response: SipMessage, faults: string[], proxied: boolean): void {
  requireHeaders(response, DEMANDED[response.status] ?? [], faults);
  if (response.status < 200 || response.status > 299) return;
  const asked = Number(header(request, 'expires') ?? Number.NaN);
  const granted = header(response, 'expires');
  if (request.method === 'SUBSCRIBE') {
    if (response.status === 202) faults.push('202 to SUBSCRIBE is deprecated (RFC 6665 8.3.1): answer 200');
    requireHeaders(response, ['Expires', 'Contact'], faults);
    if (headerLines(response, 'contact').length > 1) faults.push('more than one Contact in the 200 to SUBSCRIBE (RFC 3261 12.1.1)');
    const routes = headerList(request, 'record-route').join(', ');
    const copied = headerList(response, 'record-route').join(', ');
    // Proxies on the way put theirs on top.
    if (proxied ? !copied.endsWith(routes) || copied === routes : routes !== copied)
      faults.push(`Record-Route is not copied (RFC 3261 12.1.1): sent "${routes}", came back "${copied}"`);
  }
  if (request.method === 'PUBLISH') {
    requireHeaders(response, ['Expires', 'SIP-ETag'], faults);
    if (headerLines(response, 'record-route').length > 0) faults.push('Record-Route in a response to PUBLISH (RFC 3903 6)');
    if (/[\s",;]/.test(header(response, 'sip-etag') ?? '')) faults.push(`SIP-ETag is not a token: ${header(response, 'sip-etag')}`);
  }
  if (granted !== undefined && !/^\d{1,10}$/.test(granted)) faults.push(`Expires is not a number of seconds: "${granted}"`);
  if (granted !== undefined && Number(granted) > asked) faults.push(`Expires ${granted} is longer than the ${asked} asked for`);
  if (request.method === 'REGISTER') {
    for (const value of headerLines(response, 'contact').length > 0 ? headerList(response, 'contact') : []) {
      const contact = attempt(faults, 'Contact', () => parseNameAddress(value));
      if (contact && !/^\d+$/.test(contact.params.get('expires') ?? '')) faults.push(`a binding without expires (RFC 3261 10.3): ${value}`);
    }
  }
}

const REASONS = ['deactivated', 'probation', 'rejected', 'timeout', 'giveup', 'noresource', 'invariant'];

export interface SubscriptionState {
  readonly state: 'active' | 'pending' | 'terminated';
  readonly expires: number | undefined;
  readonly reason: string | undefined;
  /** Seconds. */
  readonly retryAfter?: number;
}

/** Reads Subscription-State (RFC 6665 4.1.3 and 8.2.3), adding what is wrong with it to the faults. */
export function readSubscriptionState(message: SipMessage, faults: string[]): SubscriptionState | undefined {
  const text = header(message, 'subscription-state');
  if (text === undefined) {
    faults.push('NOTIFY without Subscription-State');
    return undefined;
  }
  const parsed = attempt(faults, 'Subscription-State', () => parseValue(text));
  if (!parsed) return undefined;
  const { value: state, params } = parsed;
  if (state !== 'active' && state !== 'pending' && state !== 'terminated') {
    faults.push(`Subscription-State is "${state}"`);
    return undefined;
  }
  const expires = params.get('expires');
  if (expires !== undefined && !/^\d{1,10}$/.test(expires)) faults.push(`Subscription-State expires is "${expires}"`);
  if (state !== 'terminated' && expires === undefined) faults.push(`Subscription-State ${state} without expires (RFC 6665 4.2.2)`);
  const reason = params.get('reason');
  if (reason !== undefined && state !== 'terminated') faults.push(`reason=${reason} in Subscription-State ${state}`);
  if (reason !== undefined && !REASONS.includes(reason)) faults.push(`unknown Subscription-State reason "${reason}"`);
  const retryAfter = params.get('retry-after');
  if (params.has('retry-after') && !/^\d+$/.test(retryAfter ?? '')) faults.push(`retry-after is "${retryAfter}"`);
  if (params.has('retry-after') && !['probation', 'giveup', 'invariant'].includes(reason ?? ''))
    faults.push(`retry-after says nothing with reason=${reason} (RFC 6665 4.1.3)`);
  for (const name of ['max-rate', 'min-rate', 'adaptive-min-rate']) {
    const rate = params.get(name);
    // RFC 6446 9.2, 5.1.
    if (params.has(name) && (!/^\d{1,2}(\.\d{1,10})?$/.test(rate ?? '') || Number(rate) === 0)) faults.push(`${name} is "${rate}"`);
  }
  return {
    state,
    expires: expires === undefined ? undefined : Number(expires),
    reason,
    ...(retryAfter === undefined ? {} : { retryAfter: Number(retryAfter) }),
  };
}
