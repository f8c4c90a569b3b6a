import { BlockList, isIP } from 'node:net';

/**
 * Whether a peer's textual address is one of those listed.
 * @param listed IP addresses and CIDR blocks, as `readNetwork` gives them; `loopback` is this machine
 */
export function trustedAddresses(listed: readonly string[]): (peer: string) => boolean {
  if (listed.length === 0) return () => false;
  const list = new BlockList();
  for (const network of listed.flatMap((item) => (item === 'loopback' ? LOOPBACK : item))) {
    const [address = '', prefix] = network.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (prefix === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(prefix), family);
  }
  return (peer) => {
    // A socket that takes both families shows IPv4 peers as mapped addresses.
    const address = /^::ffff:[\d.]+$/i.test(peer) ? peer.slice('::ffff:'.length) : (peer.split('%', 1)[0] ?? '');
    const family = isIP(address);
    return family !== 0 && list.check(address, family === 6 ? 'ipv6' : 'ipv4');
  };
}

const LOOPBACK = ['127.0.0.0/8', '::1'];

/** Checks an IP address or a CIDR block such as `10.0.0.0/8`; throws an Error when it is neither. */
export function readNetwork(value: unknown): string {
  const [address = '', prefix, more] = typeof value === 'string' ? value.trim().toLowerCase().split('/') : [];
  const family = isIP(address);
  const isPrefix = prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 6 ? 128 : 32));
  if (family === 0 || address.includes('%') || !isPrefix || more !== undefined) {
    throw new Error(`${JSON.stringify(value)} is not an IP address or a block such as 10.0.0.0/8`);
  }
  return prefix === undefined ? address : `${address}/${prefix}`;
}
