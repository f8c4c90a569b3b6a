import type { Config } from '../../server/config.ts';
import { type Authority, createAuthority, type IssuedCertificate } from './certificates.ts';
import { NameServer } from './name-server.ts';
import { type InProcessServer, listenerOf, startServer } from './server.ts';
import { SipPeer } from './sip-peer.ts';
import type { SipPeerOptions } from './sip-peer-options.ts';
import { XcapClient } from './xcap-client.ts';

/** How the two servers know each other: by certificates, those of `domains` without their addresses, or by their addresses. */
export type Trust = 'tls' | 'domains' | 'peers' | 'none';

/** One domain: its server, and its users' agents. */
export interface Side {
  readonly domain: string;
  readonly address: string;
  readonly server: InProcessServer;
  readonly certificate: IssuedCertificate;
  /** An agent of a user of this domain, at its own server. */
  peer(user: string, options?: Partial<SipPeerOptions>): Promise<SipPeer>;
  xcap(user: string): Promise<XcapClient>;
}

/** Two servers on loopback, of the domains a.test and b.test, which find each other by the DNS. */
export class Federation {
  readonly a: Side;
  readonly b: Side;
  readonly authority: Authority;
  readonly dns: NameServer;
  readonly #peers: SipPeer[];

  private constructor(a: Side, b: Side, authority: Authority, dns: NameServer, peers: SipPeer[]) {
    this.a = a;
    this.b = b;
    this.authority = authority;
    this.dns = dns;
    this.#peers = peers;
  }

  static async open(trust: Trust, settings: Partial<Config> = {}): Promise<Federation> {
    const authority = createAuthority('Federation authority');
    const dns = await NameServer.open();
    const peers: SipPeer[] = [];
    const side = (domain: string, address: string, other: string): Promise<Side> =>
      openSide({ domain, address, other, trust, authority, dns, peers, settings });
    const a = await side('a.test', '127.0.0.2', '127.0.0.3');
    const b = await side('b.test', '127.0.0.3', '127.0.0.2');
    return new Federation(a, b, authority, dns, peers);
  }

  /** Where the server of a side is met by the other. */
  static listener(side: Side, trust: Trust): { readonly address: string; readonly port: number; readonly name?: string } {
    if (trust === 'domains') return { ...listenerOf(side.server, 'TLS'), name: side.domain };
    return trust === 'tls' ? listenerOf(side.server, 'TLS') : side.server.sip;
  }

  async close(): Promise<void> {
    const closed = await Promise.allSettled(this.#peers.map((peer) => peer.close()));
    await Promise.all([this.a.server.stop(), this.b.server.stop()]);
    this.dns.close();
    this.authority.remove();
    for (const one of closed) if (one.status === 'rejected') throw one.reason;
  }
}

interface SideTerms {
  readonly domain: string;
  readonly address: string;
  readonly other: string;
  readonly trust: Trust;
  readonly authority: Authority;
  readonly dns: NameServer;
  readonly peers: SipPeer[];
  readonly settings: Partial<Config>;
}

async function openSide({ domain, address, other, trust, authority, dns, peers, settings: more }: SideTerms): Promise<Side> {
  const certificate = authority.issue(domain, [`DNS:${domain}`, `URI:sip:${domain}`, ...(trust === 'domains' ? [] : [`IP:${address}`])]);
  const secure = trust === 'tls' || trust === 'domains';
  const settings: Partial<Config> = {
    ...more,
    domains: [domain],
    dnsServers: [dns.address],
    http: [{ host: address, port: 0 }],
    sip: [{ host: address, port: 0 }, ...(secure ? [{ host: address, port: 0, transport: 'tls' as const }] : [])],
    ...(trust === 'peers' ? { sipTrustedPeers: [`${other}/32`] } : {}),
    ...(secure ? { tlsCertificate: certificate.certFile, tlsKey: certificate.keyFile, tlsAuthorities: authority.file } : {}),
  };
  const server = await startServer(settings);
  const host = `sip.${domain}`;
  const point = secure ? listenerOf(server, 'TLS') : server.sip;
  const service = secure ? '_sips._tcp' : '_sip._udp';
  dns.naptr(domain, 1, 1, 's', secure ? 'SIPS+D2T' : 'SIP+D2U', `${service}.${domain}`);
  dns.srv(`${service}.${domain}`, 1, 0, point.port, host);
  dns.a(host, address);
  const users = new Set<string>();
  const account = async (user: string): Promise<string> => {
    if (!users.has(user)) await server.addUser(user, user);
    users.add(user);
    return user;
  };
  return {
    domain,
    address,
    server,
    certificate,
    async peer(user, options = {}) {
      const password = await account(user);
      const peer = await SipPeer.create({ user, password, domain, server: server.sip, transport: 'udp', ...options });
      peers.push(peer);
      return peer;
    },
    async xcap(user) {
      const password = await account(user);
      return new XcapClient({ host: server.http.address, port: server.http.port, root: server.root, user, password, auth: 'digest' });
    },
  };
}
