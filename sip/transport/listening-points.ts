import { networkInterfaces } from 'node:os';
import type { ListeningPoint } from './flow.ts';

/** The socket to reach an address from: of its family, bound to all addresses or, like it, to loopback or not. */
export function nearest<T extends ListeningPoint>(points: readonly T[], address: string): T | undefined {
  const [only] = points;
  if (points.length === 1 && only !== undefined && hasColon(only.address) === hasColon(address)) return only;
  const family = points.filter((point) => hasColon(point.address) === hasColon(address));
  return family.find((point) => isWildcard(point.address) || isLoopback(point.address) === isLoopback(address)) ?? family[0];
}

/** Tells an IPv6 literal from an IPv4 one. */
export function hasColon(address: string): boolean {
  return address.includes(':');
}

/** Does it stand for all addresses of its family? */
export function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

export function isOwnAddress(address: string): boolean {
  return Object.values(networkInterfaces()).some((addresses) => addresses?.some((one) => one.address === address));
}

/** An address of this machine that the peer of the flow can reach, for sockets bound to all of them. */
export function ownAddress(flow: { readonly localAddress: string; readonly remoteAddress: string }): string {
  if (flow.localAddress !== '' && !isWildcard(flow.localAddress)) return flow.localAddress;
  const six = hasColon(flow.remoteAddress);
  if (isLoopback(flow.remoteAddress)) return six ? '::1' : '127.0.0.1';
  const family = six ? 'IPv6' : 'IPv4';
  for (const addresses of Object.values(networkInterfaces())) {
    for (const { address, family: own, internal } of addresses ?? []) {
      if (own === family && !internal && !address.startsWith('fe80:')) return address;
    }
  }
  return six ? '::1' : '127.0.0.1';
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}
