import { randomInt } from 'node:crypto';
import type { NaptrRecord, SrvRecord } from 'node:dns';
import { isIP } from 'node:net';
import { parseSipUri, type SipUri } from '../message/uri.ts';
import type { Destination, Protocol } from './flow.ts';
import type { NameService } from './name-service.ts';
import { isUnicast } from './unicast.ts';

export interface LocatorOptions {
  readonly names: NameService;
  /** Can a request be sent over the protocol to an address of the family? */
  speaks(protocol: Protocol, family: 4 | 6): boolean;
  /** May no request go to the textual address, to which the host has led? */
  readonly isForbidden?: ((address: string, host: string) => boolean) | undefined;
}

/** A transport as RFC 3263 4.1 knows it. */
interface Service {
  readonly protocol: Protocol;
  readonly scheme: 'sip' | 'sips';
  /** Value of the transport parameter with that scheme. */
  readonly transport: string;
  /** NAPTR service field, upper case. */
  readonly naptr: string;
  /** Prefix of the SRV records. */
  readonly srv: string;
  readonly port: number;
}

/** In the order in which they are preferred where the domain does not say. */
const SERVICES: readonly Service[] = [
  { protocol: 'UDP', scheme: 'sip', transport: 'udp', naptr: 'SIP+D2U', srv: '_sip._udp', port: 5060 },
  { protocol: 'TCP', scheme: 'sip', transport: 'tcp', naptr: 'SIP+D2T', srv: '_sip._tcp', port: 5060 },
  { protocol: 'TLS', scheme: 'sips', transport: 'tcp', naptr: 'SIPS+D2T', srv: '_sips._tcp', port: 5061 },
];

const HOST_NAME = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/;
/** Destinations of one request: each may take as long as its transaction. */
const MAX_DESTINATIONS = 12;
/** Targets with IP literals as far as they were asked for lately: a dialog's peer is located for each NOTIFY. */
const LITERALS_LIMIT = 10_000;
const LITERAL_LENGTH_LIMIT = 256;
const NOWHERE: readonly undefined[] = [];

/** Finds the servers of a SIP URI (RFC 3263 4). */
export class Locator {
  private readonly names: NameService;
  private readonly options: LocatorOptions;
  private readonly literals = new Map<string, readonly Destination[]>();

  constructor(options: LocatorOptions) {
    this.options = options;
    this.names = options.names;
  }

  /**
   * Where a request to a URI goes, best first: at once for an IP literal, otherwise after asking the DNS. Empty when there is no way
   * there (an unknown host, a transport we do not speak, an address that is forbidden). Those of equal rank come in an order drawn anew
   * each time (RFC 2782).
   * @param near addresses that who is asked for, or who asks, has come from: nothing is forbidden to those who are there themselves
   * @throws SipError 400 or 416 for what is no SIP URI
   */
  locate(target: string, near: readonly (string | undefined)[] = NOWHERE): readonly Destination[] | Promise<readonly Destination[]> {
    const known = this.literals.get(target);
    if (known !== undefined) return known;
    const uri = parseSipUri(target);
    const host = (uri.params.get('maddr') ?? uri.host)
      .toLowerCase()
      .replace(/^\[|\]$/g, '')
      .replace(/\.$/, '');
    const family = isIP(host);
    if (family === 0) return HOST_NAME.test(host) ? this.locateName(host, uri).then((found) => this.allowed(found, host, near)) : [];
    const service = serviceOf(uri);
    if (service === undefined || !isUnicast(host) || !this.options.speaks(service.protocol, family === 6 ? 6 : 4)) return [];
    const destinations = [destination(service.protocol, host, uri.port ?? service.port, uri.host)];
    // Not remembered: for another it may be near.
    if (this.options.isForbidden?.(host, host)) return this.allowed(destinations, host, near);
    if (this.literals.size >= LITERALS_LIMIT) this.literals.clear();
    if (target.length <= LITERAL_LENGTH_LIMIT) this.literals.set(target, destinations);
    return destinations;
  }

  private allowed(found: readonly Destination[], host: string, near: readonly (string | undefined)[]): readonly Destination[] {
    const { isForbidden } = this.options;
    if (isForbidden === undefined || found.every(({ address }) => !isForbidden(address, host))) return found;
    if (near.some((one) => one !== undefined && isForbidden(one, one))) return found;
    return found.filter(({ address }) => !isForbidden(address, host));
  }

  private async locateName(host: string, uri: SipUri): Promise<readonly Destination[]> {
    const service = serviceOf(uri);
    if (uri.port !== undefined) return service === undefined ? [] : this.addresses(host, uri.port, service.protocol, uri.host);
    const ways = await this.ways(host, uri, service);
    const found: Destination[] = [];
    let offered = false;
    for (const { protocol, records } of ways) {
      if (records.length > 0) offered = true;
      for (const { name, port } of inTurn(records)) {
        // RFC 2782: a target of "." says that the service is not there, and so is nothing else.
        if (found.length < MAX_DESTINATIONS && name !== '') found.push(...(await this.addresses(name, port, protocol, uri.host)));
      }
    }
    // RFC 3263 4.2: a host without SRV records is asked at the default port.
    if (!offered && service !== undefined) return this.addresses(host, service.port, service.protocol, uri.host);
    return found.slice(0, MAX_DESTINATIONS);
  }

  /** The SRV records by which a domain is reached, per transport, the best first (RFC 3263 4.1). */
  private async ways(
    host: string,
    uri: SipUri,
    service: Service | undefined,
  ): Promise<{ readonly protocol: Protocol; readonly records: readonly SrvRecord[] }[]> {
    const query = async ({ protocol }: Service, name: string) => ({ protocol, records: await this.names.query('SRV', name) });
    if (uri.params.has('transport')) return service && this.spoken(service) ? [await query(service, `${service.srv}.${host}`)] : [];
    const pointers = await this.pointers(host, uri.scheme);
    if (pointers.length > 0) return Promise.all(pointers.map(({ service: offered, name }) => query(offered, name)));
    const possible = SERVICES.filter((one) => one.scheme === uri.scheme && this.spoken(one));
    return Promise.all(possible.map((one) => query(one, `${one.srv}.${host}`)));
  }

  /** The NAPTR records that say something to us: a SIP URI may be reached by TLS too, a SIPS URI by nothing else. */
  private async pointers(host: string, scheme: 'sip' | 'sips'): Promise<readonly { service: Service; name: string }[]> {
    const records: readonly NaptrRecord[] = await this.names.query('NAPTR', host);
    return [...records]
      .sort((a, b) => a.order - b.order || a.preference - b.preference)
      .flatMap((record) => {
        const service = SERVICES.find(({ naptr }) => naptr === record.service.toUpperCase());
        const usable = service !== undefined && (scheme === 'sip' || service.scheme === 'sips') && this.spoken(service);
        const name = hostName(record.replacement);
        return usable && record.flags.toLowerCase() === 's' && record.regexp === '' && name !== '' ? [{ service, name }] : [];
      });
  }

  private spoken({ protocol }: Service): boolean {
    return this.options.speaks(protocol, 4) || this.options.speaks(protocol, 6);
  }

  /** @param domain the host of the URI, as it was before all look-ups */
  private async addresses(host: string, port: number, protocol: Protocol, domain: string): Promise<Destination[]> {
    const [four, six] = await Promise.all([
      this.options.speaks(protocol, 4) ? this.names.query('A', host) : [],
      this.options.speaks(protocol, 6) ? this.names.query('AAAA', host) : [],
    ]);
    return [...four, ...six].filter(isUnicast).map((address) => destination(protocol, address, port, domain));
  }
}

/**
 * A server at a bare address, which its certificate seldom names, has to prove by TLS to be the domain that it has proved to be before in the
 * same dialog (RFC 5922 7.3).
 * @param found by `Locator.locate`, which gives addresses at once and names never
 */
export function provedBefore<Found extends readonly Destination[] | Promise<readonly Destination[]>>(
  found: Found,
  name: string | undefined,
): Found | readonly Destination[] {
  if (name === undefined || !Array.isArray(found)) return found;
  return found.map((one: Destination) => (one.protocol === 'TLS' ? { ...one, name } : one));
}

/** Over TLS the peer must prove to be the domain that was asked for, not the host that the DNS named (RFC 5922 7.3). */
function destination(protocol: Protocol, address: string, port: number, domain: string): Destination {
  if (protocol !== 'TLS' || isIP(domain.replace(/^\[|\]$/g, '')) !== 0) return { protocol, address, port };
  return { protocol, address, port, name: domain.replace(/\.$/, '') };
}

/**
 * The transport that the URI names or implies (RFC 3263 4.1): UDP for sip; sips never goes but over TLS, and neither does
 * `transport=tls`, which RFC 3261 19.1 has deprecated but agents go on using.
 */
function serviceOf(uri: SipUri): Service | undefined {
  const transport = uri.params.get('transport')?.toLowerCase() ?? (uri.scheme === 'sips' ? 'tcp' : 'udp');
  if (transport === 'tls') return SERVICES.find(({ protocol }) => protocol === 'TLS');
  return SERVICES.find((service) => service.scheme === uri.scheme && service.transport === transport);
}

/** SRV records in the order in which they are to be tried (RFC 2782): by priority, and by lot with the weights among equals. */
function inTurn(records: readonly SrvRecord[]): readonly SrvRecord[] {
  // Those of weight 0 come first, so that they have a small chance of their own.
  const left = records.map((one) => ({ ...one, name: hostName(one.name) })).sort((a, b) => a.priority - b.priority || a.weight - b.weight);
  const ordered: SrvRecord[] = [];
  while (left.length > 0) {
    const end = left.findIndex(({ priority }) => priority !== left[0]?.priority);
    const equals = end < 0 ? left.length : end;
    const total = left.slice(0, equals).reduce((sum, { weight }) => sum + weight, 0);
    let lot = randomInt(total + 1);
    const index = left.findIndex(({ weight }) => (lot -= weight) <= 0);
    ordered.push(...left.splice(index, 1));
  }
  return ordered;
}

/** A name out of a DNS answer; '' for one that is no host's. */
function hostName(name: string): string {
  const lower = name.toLowerCase().replace(/\.$/, '');
  return HOST_NAME.test(lower) ? lower : '';
}
