import { isIPv6 } from 'node:net';

/** Where to listen. Port 0 takes any free one. */
export interface Endpoint {
  /** Host name or IP address, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  /** Whether TLS is spoken there, for HTTP. */
  readonly secure?: true;
  /** The one that is spoken there, for SIP, where it is not UDP and TCP. */
  readonly transport?: (typeof SIP_SCHEMES)[number];
}

/** What stands before a SIP endpoint that is for something else than UDP and TCP. */
const SIP_SCHEMES = ['tls', 'ws', 'wss'] as const;

const LABEL = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
/** In lower case. */
export const HOST_NAME = new RegExp(`^${LABEL}(?:\\.${LABEL})*$`);

function readEndpoint(value: unknown): Endpoint {
  let host: string;
  let port: number;
  if (typeof value === 'object' && value !== null && 'host' in value && 'port' in value) {
    host = String(value.host);
    port = typeof value.port === 'number' ? value.port : Number.NaN;
  } else {
    const match = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(String(value));
    host = match?.[1] ?? match?.[2] ?? '';
    port = match ? Number(match[3]) : Number.NaN;
    if (match?.[1] !== undefined && !isIPv6(host)) host = '';
  }
  if (!(HOST_NAME.test(host.toLowerCase()) || isIPv6(host)) || !Number.isInteger(port)) {
    throw new Error(`${show(value)} is not HOST:PORT (an IPv6 address stands in brackets)`);
  }
  if (port < 0 || port > 65_535) throw new Error(`${port} is not a port`);
  return Object.freeze({ host, port });
}

/** `[https://]HOST:PORT`, or an Endpoint. @throws Error that says what is expected */
export function readHttpEndpoint(value: unknown): Endpoint {
  const isObject = typeof value === 'object' && value !== null;
  const [, scheme, authority] = (isObject ? undefined : /^(https?):\/\/([^/]*)\/?$/i.exec(String(value))) ?? [];
  const endpoint = readEndpoint(authority ?? value);
  const secure = scheme?.toLowerCase() === 'https' || (isObject && 'secure' in value && value.secure === true);
  return secure ? Object.freeze({ ...endpoint, secure }) : endpoint;
}

/** `[tls|ws|wss://]HOST:PORT`, or an Endpoint. @throws Error that says what is expected */
export function readSipEndpoint(value: unknown): Endpoint {
  const isObject = typeof value === 'object' && value !== null;
  const [, scheme, authority] = (isObject ? undefined : /^([a-z]+):\/\/([^/]*)\/?$/i.exec(String(value))) ?? [];
  const wanted = isObject && 'transport' in value ? value.transport : scheme?.toLowerCase();
  const transport = SIP_SCHEMES.find((known) => known === wanted);
  if (wanted !== undefined && transport === undefined) throw new Error(`${show(wanted)} is not one of ${SIP_SCHEMES.join(', ')}`);
  const endpoint = readEndpoint(authority ?? value);
  return transport === undefined ? endpoint : Object.freeze({ ...endpoint, transport });
}

function show(value: unknown): string {
  return typeof value === 'string' ? `"${value}"` : (JSON.stringify(value) ?? String(value));
}
