/** The server's capabilities (RFC 4825 12). */
import { escapeText } from './xml/escape.ts';

export const XCAP_CAPS = 'urn:ietf:params:xml:ns:xcap-caps';
export const XCAP_CAPS_TYPE = 'application/xcap-caps+xml';

export interface XcapCaps {
  /** Application usages; `xcap-caps` must be among them. */
  readonly auids: readonly string[];
  readonly extensions: readonly string[];
  /** Namespaces whose elements the server can validate; that of xcap-caps must be among them. */
  readonly namespaces: readonly string[];
}

/** Writes the document (RFC 4825 12.2). */
export function writeXcapCaps({ auids, extensions, namespaces }: XcapCaps): string {
  let out = `<?xml version="1.0" encoding="UTF-8"?>\n<xcap-caps xmlns="${XCAP_CAPS}">\n`;
  out += section('auids', 'auid', auids);
  out += section('extensions', 'extension', extensions);
  out += section('namespaces', 'namespace', namespaces);
  return `${out}</xcap-caps>\n`;
}

function section(name: string, item: string, values: readonly string[]): string {
  let out = `<${name}>\n`;
  for (const value of values) out += `<${item}>${escapeText(value)}</${item}>\n`;
  return `${out}</${name}>\n`;
}
