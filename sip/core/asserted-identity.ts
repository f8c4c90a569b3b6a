import type { SipRequest } from '../message/message.ts';

const FIELD = 'P-Asserted-Identity';

/**
 * RFC 3325 5: a next hop that we trust is told whom we have authenticated; one that we do not trust is told nothing the sender wants kept
 * private (`Privacy: id`), and nothing new.
 * @param address canonical address of the user whom we have authenticated ourselves; undefined for any other sender
 */
export function assertIdentity({ headers }: SipRequest, address: string | undefined, isTrusted: boolean): void {
  if (isTrusted) {
    if (address !== undefined && !headers.has(FIELD)) headers.add(FIELD, `<${address}>`);
    return;
  }
  if (headers.has(FIELD) && headers.has('Privacy') && wantsPrivateIdentity(headers.all('Privacy'))) headers.delete(FIELD);
}

/** RFC 3323 4.2: values are separated by semicolons. */
function wantsPrivateIdentity(values: readonly string[]): boolean {
  return values.some((value) => value.split(/[;,]/).some((one) => one.trim().toLowerCase() === 'id'));
}
