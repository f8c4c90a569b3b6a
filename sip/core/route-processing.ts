import type { SipRequest } from '../message/message.ts';
import { parseNameAddr } from '../message/name-addr.ts';
import { isSecureUri, parseSipUri, type SipUri } from '../message/uri.ts';
import { TOKEN_PARAM } from './record-route.ts';

/** Which URIs name this server. */
export interface OwnAddresses {
  /** Does a listener of ours answer at host (IPv6 in brackets) and port? */
  isLocal(host: string, port: number | undefined): boolean;
  servesDomain(host: string): boolean;
}

/**
 * Takes from a request what was written for this server alone (RFC 3261 16.4): the Request-URI that a strict router before us made of our
 * Record-Route, `maddr` that names us, and our own Route values (both where we recorded one for each side).
 * @returns the URI of the last Route value that was ours, which is the one that faces the next hop; undefined where none was
 * @throws SipError 400 for a Route that cannot be read
 */
export function preprocessRoutes(request: SipRequest, own: OwnAddresses): SipUri | undefined {
  const ours = takeStrictRoute(request, own);
  if (/;maddr=/i.test(request.uri)) dropOwnMaddr(request, own);
  if (!request.headers.has('Route')) return ours;
  const routes = request.headers.list('Route');
  let last = ours;
  let taken = 0;
  for (const route of routes) {
    const uri = parseRoute(route);
    if (uri === undefined || !isOurs(uri, own)) break;
    last = uri;
    taken++;
  }
  if (taken > 0) replaceRoutes(request, routes.slice(taken));
  return last;
}

function isOurs(uri: SipUri, own: OwnAddresses): boolean {
  return own.isLocal(uri.host, uri.port) || own.servesDomain(uri.host);
}

function parseRoute(route: string): SipUri | undefined {
  const { uri } = parseNameAddr(route);
  return /^sips?:/i.test(uri) ? parseSipUri(uri) : undefined;
}

function takeStrictRoute(request: SipRequest, own: OwnAddresses): SipUri | undefined {
  if (!request.uri.includes(`;${TOKEN_PARAM}=`)) return undefined;
  const uri = parseSipUri(request.uri);
  if (!isOurs(uri, own)) return undefined;
  const routes = request.headers.list('Route');
  const last = routes.pop();
  if (last === undefined) return undefined;
  request.uri = parseNameAddr(last).uri;
  replaceRoutes(request, routes);
  return uri;
}

function dropOwnMaddr(request: SipRequest, own: OwnAddresses): void {
  const uri = parseSipUri(request.uri);
  const maddr = uri.params.get('maddr');
  if (maddr === undefined || !own.isLocal(maddr, uri.port)) return;
  uri.params.delete('maddr');
  uri.params.delete('transport');
  uri.port = undefined;
  request.uri = uri.toString();
}

/** Puts these Route values in the place of all there are. */
export function replaceRoutes(request: SipRequest, routes: readonly string[]): void {
  if (routes.length === 0) request.headers.delete('Route');
  else request.headers.set('Route', routes.join(', '));
}

/**
 * The URI by which the next hop is located. RFC 3261 16.6 step 7: where the Request-URI is a SIPS URI, every next hop is located as if it
 * were one, so that none is reached but by TLS.
 * @param target the Request-URI, before a strict router's took its place
 */
export function locatedAs(target: string, nextHop: string): string {
  return isSecureUri(target) ? nextHop.replace(/^sip:/i, 'sips:') : nextHop;
}

/**
 * RFC 3261 16.6 step 6: a next hop that is a strict router gets its own URI as Request-URI, and the target as last Route.
 * @returns the URI of the next hop
 */
export function postprocessRoutes(request: SipRequest): string {
  if (!request.headers.has('Route')) return request.uri;
  const routes = request.headers.list('Route');
  const [first] = routes;
  if (first === undefined) return request.uri;
  const { uri } = parseNameAddr(first);
  if (!parseSipUri(uri).params.has('lr')) {
    replaceRoutes(request, [...routes.slice(1), `<${request.uri}>`]);
    request.uri = uri;
  }
  return uri;
}
