import { parseSipUri } from '../sip/message/uri.ts';
import { trustedAddresses } from './accounts/trusted-addresses.ts';
import type { Config } from './config-keys.ts';

/** This machine, and what is on its own cable, where clouds keep what they tell a machine about itself. */
const LOOPBACK = ['127.0.0.0/8', '::1'];
const LINK_LOCAL = ['169.254.0.0/16', 'fe80::/10'];

/**
 * Whether a request may not go to an address, whatever a Contact, Request-URI or Route says: users write these, and what is reached from
 * here need not be for them to reach. `local` stands for this machine and its links, each as far as no SIP agent is served there.
 * Where the admin sends requests, or knows a peer, they may go.
 * @returns takes a textual IP address, and the host that led to it (IPv6 without brackets)
 */
export function forbiddenTargets({
  forbiddenTargets: listed,
  sip,
  nextHops,
  sipTrustedPeers,
}: Pick<Config, 'forbiddenTargets' | 'sip' | 'nextHops' | 'sipTrustedPeers'>): (address: string, host: string) => boolean {
  const serves = (networks: readonly string[], name?: string): boolean => {
    const isAmong = trustedAddresses(networks);
    return sip.some(({ host }) => host === name || isAmong(host));
  };
  const local = [...(serves(LOOPBACK, 'localhost') ? [] : LOOPBACK), ...(serves(LINK_LOCAL) ? [] : LINK_LOCAL)];
  const isForbidden = trustedAddresses(listed.flatMap((one) => (one === 'local' ? local : one === 'none' ? [] : one)));
  const isPeer = trustedAddresses(sipTrustedPeers);
  const known = new Set(nextHops.map(({ uri }) => hostOf(uri)));
  return (address, host) => isForbidden(address) && !isPeer(address) && !known.has(host);
}

function hostOf(uri: string): string {
  const { host, params } = parseSipUri(uri);
  return (params.get('maddr') ?? host).toLowerCase().replace(/^\[|\]$/g, '');
}
