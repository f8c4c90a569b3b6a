import type { SipRequest } from '../message/message.ts';
import { isSecureUri, parseSipUri } from '../message/uri.ts';
import { type Flow, isSecure, isWebSocket, whereFrom } from '../transport/flow.ts';
import type { Binding } from './binding.ts';

/** One way to a target: what is sent, and over what. */
export interface Way {
  /** The Request-URI. */
  readonly uri: string;
  /** Route values to put before those of the request, first hop first (RFC 3327 5.1). */
  readonly routes: readonly string[];
  /** The registrant's own connection, to be used while it is open. */
  readonly flow: Flow | undefined;
  /** The textual address that the registrant has come from, where it is known. */
  readonly source?: string | undefined;
  /** URI of the element to send to where neither Route nor Request-URI shall say it. */
  readonly nextHop: string | undefined;
  /** The domain that a server at an IP address has to prove to be instead, since it has proved so in this dialog (RFC 5922 7.3). */
  readonly provedName?: string | undefined;
  /** It is reached over `flow` or not at all (RFC 5626 5.3, RFC 7118 5). */
  readonly flowOnly: boolean;
}

/** A user agent: the ways to it, of which the next is tried when one has failed (RFC 5626 7). */
export interface Target {
  readonly ways: readonly Way[];
}

/** The way to a binding, for everything that is sent to a registrant. */
export function wayTo(binding: Binding): Way {
  const { contact, path, regId, translated } = binding;
  // RFC 3261 26.2.2: what is to be secure takes no way that is not.
  const flow = isSecureUri(contact) && !isSecure(binding.flow) ? undefined : binding.flow;
  // RFC 7118 5: nobody can connect to a WebSocket client.
  const flowOnly = path.length === 0 && (regId !== undefined || (binding.flow !== undefined && isWebSocket(binding.flow.protocol)));
  // A path leads past the flow of its last element; of a plain contact over UDP the address counts, unless nobody can get there.
  const own = path.length === 0 && (flowOnly || flow?.reliable || translated) ? flow : undefined;
  return { uri: requestUri(contact), routes: path, nextHop: undefined, flow: own, source: whereFrom(binding.flow), flowOnly };
}

/** RFC 3261 19.1.1 table 1: neither `method` nor header fields may stand in a Request-URI. */
export function requestUri(contact: string): string {
  if (!contact.includes('?') && !/;method=/i.test(contact)) return contact;
  const uri = parseSipUri(contact);
  uri.params.delete('method');
  uri.headers = undefined;
  return uri.toString();
}

/** What is sent to it: the request with the way's Request-URI and Route. */
export function aim(request: SipRequest, way: Way): SipRequest {
  const aimed = request.copy(way.uri);
  if (way.routes.length > 0) {
    const routes = [...way.routes, ...aimed.headers.list('Route')];
    aimed.headers.set('Route', routes.join(', '));
  }
  return aimed;
}

/**
 * The targets of a request to a user (RFC 3261 16.5), in groups: those of one group are tried at once, the groups one after the other,
 * highest q first. An instance of several bindings is one target (RFC 5626 7).
 * @param bindings best q first
 * @param secure only what can be reached by `sips:` (RFC 3261 26.2.2)
 */
export function targetGroups(bindings: readonly Binding[], secure: boolean): Target[][] {
  const [only] = bindings;
  if (only !== undefined && bindings.length === 1) return isUsable(only, secure) ? [[{ ways: [wayTo(only)] }]] : [];
  const groups: Target[][] = [];
  const instances = new Map<string, Way[]>();
  let q: number | undefined;
  for (const binding of bindings) {
    if (!isUsable(binding, secure)) continue;
    const known = binding.instance === undefined ? undefined : instances.get(binding.instance);
    if (known !== undefined) {
      known.push(wayTo(binding));
      continue;
    }
    const ways = [wayTo(binding)];
    if (binding.instance !== undefined) instances.set(binding.instance, ways);
    if (binding.q !== q) groups.push([]);
    q = binding.q;
    groups[groups.length - 1]?.push({ ways });
  }
  return groups;
}

function isUsable({ contact }: Binding, secure: boolean): boolean {
  return secure ? isSecureUri(contact) : /^sips?:/i.test(contact);
}
