import { hash } from 'node:crypto';

/** The digest algorithms served, strongest first (RFC 8760 2.2: the order of preference). */
export const ALGORITHMS = ['SHA-256', 'MD5'] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

/** One user name that a client may give, with what stands for the password (RFC 7616 3.4.2: H(username:realm:password)), in hex. */
export interface Credential {
  readonly username: string;
  readonly ha1: Readonly<Record<Algorithm, string>>;
}

/** The hash of a digest computation in lower-case hex. Strings are taken as the bytes of the wire: latin1 if they hold any above ASCII. */
export function digestHash(algorithm: Algorithm, data: string | Uint8Array): string {
  const bytes = typeof data === 'string' && NOT_ASCII.test(data) ? Buffer.from(data, 'latin1') : data;
  return hash(algorithm === 'MD5' ? 'md5' : 'sha256', bytes, 'hex');
}

const NOT_ASCII = /[\x80-\uffff]/;

/** Text as a string of its UTF-8 bytes, the form in which header fields are held. */
export function wireText(text: string): string {
  return NOT_ASCII.test(text) ? Buffer.from(text, 'utf8').toString('latin1') : text;
}

/**
 * The credentials of an account: clients give `alice`, `alice@example.com` or `sip:alice@example.com` as user name, and each makes
 * another HA1, so all three are kept; the password is not.
 * @param address canonical `sip:` address; its host is the realm
 */
export function makeCredentials(address: string, password: string): Credential[] {
  const bare = address.slice('sip:'.length);
  const at = bare.lastIndexOf('@');
  const realm = bare.slice(at + 1);
  return [bare.slice(0, at), bare, address].map((username) => {
    const secret = wireText(`${username}:${realm}:${password}`);
    return { username, ha1: { 'SHA-256': digestHash('SHA-256', secret), MD5: digestHash('MD5', secret) } };
  });
}
