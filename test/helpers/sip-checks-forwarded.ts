import { TEST_DOMAIN } from './server.ts';
import { attempt } from './sip-checks.ts';
import { parseNameAddress, parseUri, parseVia } from './sip-headers.ts';
import { header, headerLines, headerList, type SipMessage } from './sip-message.ts';

const DIALOG_FORMING = new Set(['INVITE', 'SUBSCRIBE', 'REFER']);

/** What holds of every request that comes to us through a proxy next to us (RFC 3261 16.6). */
export function checkForwarded(message: SipMessage): string[] {
  const faults: string[] = [];
  const vias = headerList(message, 'via');
  const parsed = vias.map((via) => attempt(faults, 'Via', () => parseVia(via)));
  const branches = parsed.map((via) => via?.params.get('branch') ?? '');
  if (new Set(branches).size < branches.length) faults.push(`two Vias with one branch: ${vias.join(', ')}`);
  const sender = parsed[1];
  // A client on a WebSocket has no address to be told (RFC 7118 5.3).
  const isNamed = sender !== undefined && !/^[\d.]+$|^\[|\.invalid$/.test(sender.host);
  if (isNamed && !sender.params.has('received')) {
    faults.push(`no received in the Via of a host that is named (RFC 3261 18.2.1): ${vias[1]}`);
  }
  if (sender?.params.get('rport') === '') faults.push(`rport is not filled in (RFC 3581 4): ${vias[1]}`);
  const breadth = headerLines(message, 'max-breadth');
  if (message.method !== 'ACK' && (breadth.length !== 1 || !/^[1-9]\d?$/.test(breadth[0] ?? ''))) {
    faults.push(`Max-Breadth is "${breadth.join(', ')}" (RFC 5393 5.3.3: one, at most 60)`);
  }
  const routes = headerList(message, 'record-route');
  if (DIALOG_FORMING.has(message.method) && routes.length === 0) faults.push(`${message.method} without Record-Route`);
  for (const value of routes) {
    const route = attempt(faults, 'Record-Route', () => parseUri(parseNameAddress(value).uri));
    if (route && !route.params.has('lr')) faults.push(`Record-Route without lr (RFC 3261 16.6 step 4): ${value}`);
  }
  if (header(message, 'proxy-require') !== undefined) faults.push('Proxy-Require for the proxy was passed on');
  if (headerLines(message, 'proxy-authorization').some((value) => value.includes(`realm="${TEST_DOMAIN}"`))) {
    faults.push('credentials for the proxy were passed on (RFC 3261 22.3)');
  }
  return faults;
}

/** Fields that a proxy changes or may add (RFC 3261 16.6, RFC 5393, RFC 3325). */
const PROXY_FIELDS = new Set([
  'via',
  'max-forwards',
  'record-route',
  'route',
  'max-breadth',
  'proxy-authorization',
  'p-asserted-identity',
  'p-preferred-identity',
  'content-length',
]);

/** What of a request a proxy has changed that is not its to change: every other field in its order and spelling, and the body. */
export function changedOnTheWay(sent: SipMessage, received: SipMessage): string[] {
  const faults: string[] = [];
  const kept = (message: SipMessage): string[] =>
    message.headers.filter(({ name }) => !PROXY_FIELDS.has(name.toLowerCase())).map(({ name, value }) => `${name}: ${value}`);
  const before = kept(sent).join('\n');
  const after = kept(received).join('\n');
  if (before !== after) faults.push(`fields are changed:\n${before}\n--- became ---\n${after}`);
  if (!sent.body.equals(received.body)) faults.push('the body is changed');
  if (sent.method !== received.method) faults.push(`${sent.method} became ${received.method}`);
  const hops = Number(header(sent, 'max-forwards') ?? 71);
  if (Number(header(received, 'max-forwards')) !== hops - 1) {
    faults.push(`Max-Forwards was ${hops}, is ${header(received, 'max-forwards')} (RFC 3261 16.6 step 3)`);
  }
  const vias = headerList(received, 'via');
  if (vias.length !== headerList(sent, 'via').length + 1) faults.push(`${vias.length} Vias after one proxy`);
  return faults;
}
