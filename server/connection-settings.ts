import { type Setting, wholeNumber } from './setting-values.ts';

/** What an admin sets about connections to SIP and HTTP endpoints. */
export interface ConnectionConfig {
  /** Of all SIP endpoints together; those that are opened to others count. */
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  /** Of all HTTP endpoints together. */
  readonly maxHttpConnections: number;
  readonly maxHttpConnectionsPerAddress: number;
}

export const CONNECTION_KEYS: readonly Setting<keyof ConnectionConfig>[] = [
  {
    name: 'max-connections',
    field: 'maxConnections',
    placeholder: 'NUMBER',
    list: false,
    default: '20000',
    meaning:
      'how many SIP connections (TCP, TLS, WebSocket) there may be; one more is closed, and the log tells. Files that may be open (`ulimit -n`) must be some more',
    read: wholeNumber(1, 1_000_000, 'connections'),
  },
  {
    name: 'max-connections-per-address',
    field: 'maxConnectionsPerAddress',
    placeholder: 'NUMBER',
    list: false,
    default: '1000',
    meaning: 'how many of them may come from one address; a gateway or proxy in front of many users may need more',
    read: wholeNumber(1, 1_000_000, 'connections'),
  },
  {
    name: 'max-http-connections',
    field: 'maxHttpConnections',
    placeholder: 'NUMBER',
    list: false,
    default: '10000',
    meaning: 'how many HTTP connections there may be; one more is closed, and the log tells',
    read: wholeNumber(1, 1_000_000, 'connections'),
  },
  {
    name: 'max-http-connections-per-address',
    field: 'maxHttpConnectionsPerAddress',
    placeholder: 'NUMBER',
    list: false,
    default: '1000',
    meaning: 'how many of them may come from one address that is not a trusted proxy',
    read: wholeNumber(1, 1_000_000, 'connections'),
  },
];
