/** What a setting is, and the checks of their values. */
import { isIPv6 } from 'node:net';
import { HOST_NAME } from './endpoint-setting.ts';

/** One setting: its flag, its variable, its key in the file, its line in the help and in the README all come from here. */
export interface Setting<Field extends string> {
  /** Flag without dashes, and key of the YAML file. */
  readonly name: string;
  /** Of the Config. */
  readonly field: Field;
  /** What stands for the value in the help. */
  readonly placeholder: string;
  /** May be given several times. */
  readonly list: boolean;
  /** As text; '' where nothing is set unless the admin does. */
  readonly default: string;
  readonly meaning: string;
  /** Checks one value, as text or as it is in the Config; throws an Error whose message says what is expected. */
  read(value: unknown): unknown;
}

/** A text that is not empty. Throws an Error that says what is expected. */
export function text(value: unknown, what: string): string {
  if (typeof value === 'string' && value !== '') return value;
  throw new Error(`${show(value)} is not ${what}`);
}

/** One of these texts. Throws an Error that says what is expected. */
export function oneOf(choices: readonly string[]): (value: unknown) => string {
  return (value) => {
    if (typeof value === 'string' && choices.includes(value)) return value;
    throw new Error(`${show(value)} is not one of ${choices.join(', ')}`);
  };
}

/** A whole number in these bounds, which are named in `unit`. Throws an Error that says what is expected. */
export function wholeNumber(least: number, most: number, unit: string): (value: unknown) => number {
  return (value) => {
    const number = typeof value === 'number' ? value : /^\d{1,9}$/.test(String(value)) ? Number(value) : Number.NaN;
    if (Number.isInteger(number) && number >= least && number <= most) return number;
    throw new Error(`${show(value)} is not a number of ${unit} from ${least} to ${most}`);
  };
}

/** A domain in lower case, or an IPv6 address in brackets. Throws an Error that says what is expected. */
export function readDomain(value: unknown): string {
  const domain = text(value, 'a domain').toLowerCase().replace(/\.$/, '');
  const bracketed = domain.startsWith('[') && domain.endsWith(']') && isIPv6(domain.slice(1, -1));
  if (domain.length > 253 || !(HOST_NAME.test(domain) || bracketed)) throw new Error(`${show(value)} is not a domain`);
  return domain;
}

/** Paths that answer something else. */
const RESERVED = ['/healthz', '/metrics', '/admin'];

/** The path of an XCAP root. Throws an Error that says what is expected. */
export function readRoot(value: unknown): string {
  const path = text(value, 'a path');
  const root = path === '/' ? '/' : path.replace(/\/$/, '');
  if (!/^(?:\/|(?:\/[A-Za-z0-9\-._~!$&'()*+,;=:@]+)+)$/.test(root) || /\/(?:\.\.?|~~)(?:\/|$)/.test(root)) {
    throw new Error(`${show(value)} is not the path of an XCAP root (such as /xcap-root)`);
  }
  if (RESERVED.includes(root)) throw new Error(`${root} answers something else`);
  return root;
}

/** An absolute URI without query or fragment; a slash at its end is left off. */
export function readPublicRoot(value: unknown): string {
  const root = text(value, 'a URI').replace(/\/$/, '');
  if (root.length > 500 || !PUBLIC_ROOT.test(root) || /\/(?:\.\.?|~~)(?:\/|$)/.test(root) || !URL.canParse(root)) {
    throw new Error(`${show(value)} is not the URI of an XCAP root (such as https://xcap.example.com/xcap-root)`);
  }
  return root;
}

const PUBLIC_ROOT = /^https?:\/\/(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?(?:\/[A-Za-z0-9\-._~!$&'()*+,;=:@]+)*$/;

export function show(value: unknown): string {
  return typeof value === 'string' ? `"${value}"` : (JSON.stringify(value) ?? String(value));
}
