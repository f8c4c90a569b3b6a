import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { parseSipUri, type SipUri } from '../message/uri.ts';
import type { Destination, Protocol } from './flow.ts';

const DEFAULT_PORT = 5060;

/** Targets with IP literals as far as they were asked for lately: a dialog's peer is located for each NOTIFY. */
const literals = new Map<string, readonly Destination[]>();
const LITERALS_LIMIT = 10_000;
const LITERAL_LENGTH_LIMIT = 256;

/**
 * Where a request to a URI goes, best first: at once for an IP literal, otherwise after asking the resolver. Empty when there is no
 * way there (an unknown host, a transport we do not speak). NAPTR and SRV (RFC 3263 4) are not asked for.
 * @throws SipError 400 or 416 for what is no SIP URI
 */
export function locate(target: string): readonly Destination[] | Promise<readonly Destination[]> {
  const known = literals.get(target);
  if (known !== undefined) return known;
  const uri = parseSipUri(target);
  const protocol = protocolOf(uri);
  if (protocol === undefined) return [];
  const port = uri.port ?? DEFAULT_PORT;
  const host = (uri.params.get('maddr') ?? uri.host).replace(/^\[|\]$/g, '');
  if (isIP(host) !== 0) {
    const destinations: readonly Destination[] = [{ protocol, address: host, port }];
    if (literals.size >= LITERALS_LIMIT) literals.clear();
    if (target.length <= LITERAL_LENGTH_LIMIT) literals.set(target, destinations);
    return destinations;
  }
  return resolve(host, protocol, port);
}

async function resolve(host: string, protocol: Protocol, port: number): Promise<readonly Destination[]> {
  try {
    const addresses = await lookup(host, { all: true, verbatim: false });
    return addresses.map(({ address }) => ({ protocol, address, port }));
  } catch {
    return [];
  }
}

/** RFC 3263 4.1: the transport parameter decides, UDP otherwise; sips needs TLS, which is not there. */
function protocolOf(uri: SipUri): Protocol | undefined {
  if (uri.scheme === 'sips') return undefined;
  const transport = uri.params.get('transport')?.toLowerCase() ?? 'udp';
  return transport === 'udp' ? 'UDP' : transport === 'tcp' ? 'TCP' : undefined;
}
