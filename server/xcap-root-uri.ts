import { isIPv6 } from 'node:net';
import type { Config } from './config-keys.ts';

const ANY_ADDRESS = ['0.0.0.0', '::'];

/**
 * The absolute URI under which clients know the first XCAP root, with a slash at the end: by the setting, else by the address listened on, or by the default
 * domain where that is every address.
 *
 * @param listening where the first HTTP endpoint listens; undefined before it does
 */
export function xcapRootUri(
  { domains, http, xcapRoots, xcapPublicRoot }: Config,
  listening: { readonly port: number } | undefined,
): string {
  if (xcapPublicRoot !== '') return `${xcapPublicRoot}/`;
  const { host = 'localhost', port: configured = 80, secure = false } = http[0] ?? {};
  const port = listening?.port ?? configured;
  const known = ANY_ADDRESS.includes(host) ? (domains[0] ?? 'localhost') : host;
  const [root = '/'] = xcapRoots;
  return `${secure ? 'https' : 'http'}://${isIPv6(known) ? `[${known}]` : known}:${port}${root.endsWith('/') ? root : `${root}/`}`;
}
