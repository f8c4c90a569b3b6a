import { addressHost, canonicalAddress } from '../../schemas/address.ts';
import { SipError } from '../message/sip-error.ts';
import { parseSipUri } from '../message/uri.ts';

/** Where a rule diverts to. */
export interface DiversionTargetUri {
  /** A sip: or sips: URI without headers. */
  readonly uri: string;
  /** Canonical address. */
  readonly address: string;
}

const LENGTH_LIMIT = 500;

/**
 * Reads the target of a rule: a sip:, sips: or tel: URI. A telephone number is looked for in the served user's domain (RFC 3261 19.1.6).
 * Undefined for anything else, and for what could not stand in a request.
 */
export function readTarget(written: string, servedUser: string): DiversionTargetUri | undefined {
  if (written.length > LENGTH_LIMIT || !/^[\x21-\x7e]+$/.test(written)) return undefined;
  const number = /^tel:(\+?[0-9*#a-d().-]+)(;[^\s<>"?]*)?$/i.exec(written);
  const domain = addressHost(servedUser);
  const digits = number?.[1]?.replace(/[-.()]/g, '');
  if (number && (!digits || digits === '+' || domain === undefined)) return undefined;
  try {
    const uri = parseSipUri(digits ? `sip:${digits.replaceAll('#', '%23')}@${domain};user=phone` : written);
    // A URI in a document may say what header fields, method and way a request to it should have: who forwards decides that.
    uri.headers = undefined;
    uri.password = undefined;
    for (const name of ['method', 'lr', 'cause']) uri.params.delete(name);
    const text = uri.toString();
    return { uri: text, address: canonicalAddress(text) };
  } catch (error) {
    if (error instanceof SipError) return undefined;
    throw error;
  }
}
