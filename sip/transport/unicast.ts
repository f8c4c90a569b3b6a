/** IPv4: not "this network", multicast or reserved (RFC 1122 3.2.1.3, RFC 5771, RFC 1112 4); IPv6: not unspecified or multicast (RFC 4291 2.5.2, 2.7). */
const NOT_UNICAST = /^(?:0|22[4-9]|2[3-5]\d)\.|^ff|^[0:]+$|^::ffff:(?:0|22[4-9]|2[3-5]\d)\./i;

/**
 * Is the IP literal (without brackets) that of one host? Contacts and names in the DNS are for anybody to write, and a datagram to all of a
 * network would be answered by all of it; the unspecified address is taken for this host by the system.
 */
export function isUnicast(address: string): boolean {
  return !NOT_UNICAST.test(address);
}
