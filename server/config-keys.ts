import { resolve } from 'node:path';
import type { SubHandling } from '../schemas/pres-rules.ts';
import { ALGORITHMS, type Algorithm } from './accounts/ha1.ts';
import { readNetwork } from './accounts/trusted-addresses.ts';
import { CALL_KEYS, type CallConfig } from './call-settings.ts';
import { CONNECTION_KEYS, type ConnectionConfig } from './connection-settings.ts';
import { type Endpoint, readHttpEndpoint, readSipEndpoint } from './endpoint-setting.ts';
import { LIST_KEYS, type ListConfig } from './list-settings.ts';
import { MESSAGE_KEYS, type MessageConfig } from './message-settings.ts';
import { type NextHop, readNameServer, readNextHop } from './next-hop-setting.ts';
import { PACING_KEYS, type PacingConfig } from './pacing-settings.ts';
import { PRESENCE_KEYS, type PresenceConfig } from './presence-settings.ts';
import { oneOf, readDomain, readPublicRoot, readRoot, type Setting, text, wholeNumber } from './setting-values.ts';
import { SUBSCRIPTION_KEYS, type SubscriptionConfig } from './subscription-settings.ts';
import { TLS_KEYS, type TlsConfig } from './tls-settings.ts';
import { readUsageSetting, type UsageSetting } from './usage-setting.ts';

/** Everything an admin can set, checked and complete. */
export interface Config
  extends CallConfig,
    ConnectionConfig,
    ListConfig,
    MessageConfig,
    PacingConfig,
    PresenceConfig,
    SubscriptionConfig,
    TlsConfig {
  /** Served domains in lower case; the first is the default one. */
  readonly domains: readonly string[];
  readonly http: readonly Endpoint[];
  readonly sip: readonly Endpoint[];
  /** Name servers, `IP` or `IP:port`; none for the system's. */
  readonly dnsServers: readonly string[];
  readonly nextHops: readonly NextHop[];
  /** Bytes; larger requests go over TCP rather than UDP. */
  readonly udpLimit: number;
  /** Paths of the XCAP roots (RFC 4825 6.1): `/`, or without a slash at the end. */
  readonly xcapRoots: readonly string[];
  /** The URI of the first XCAP root as clients see it, without a slash at the end; '' where the server goes by its own address. */
  readonly xcapPublicRoot: string;
  /** Absolute path. */
  readonly dataDirectory: string;
  readonly auth: 'digest' | 'none';
  /** Digest algorithms offered, in this order; none: all. */
  readonly digestAlgorithms: readonly Algorithm[];
  /** IP addresses and CIDR blocks of proxies that authenticate users themselves. */
  readonly trustedProxies: readonly string[];
  /** IP addresses and CIDR blocks from which the figures may be read; `loopback` is this machine. */
  readonly metricsFrom: readonly string[];
  /** IP addresses and CIDR blocks of SIP elements that say truly who their requests are from. */
  readonly sipTrustedPeers: readonly string[];
  /** IP addresses and CIDR blocks to which no request goes, `local` for this machine and its links, or `none`. */
  readonly forbiddenTargets: readonly string[];
  /** Whose address From may be: the authenticated user's own, or any. */
  readonly sipFrom: 'own' | 'any';
  /** Greatest size of a document, in bytes of UTF-8. */
  readonly maxDocumentSize: number;
  /** Greatest depth of nested elements in a document. */
  readonly maxDepth: number;
  /** Most documents of one user. */
  readonly maxDocuments: number;
  /** What becomes of a watcher that no rule matches. */
  readonly defaultDecision: SubHandling;
  /** Least expiry of registrations, publications and subscriptions, in seconds. */
  readonly minExpires: number;
  /** Contacts that one user may have registered: a call or message goes to all of them. */
  readonly maxContacts: number;
  /** How long a call may ring before it is cancelled, in seconds. */
  readonly timerC: number;
  /** Least time between two notifications of xcap-diff or reg in one subscription, in seconds. */
  readonly diffInterval: number;
  /** Application usages besides those that the server knows. */
  readonly usages: readonly UsageSetting[];
  /** Is the server's code made fast by a rehearsal right after the start? */
  readonly warmUp: 'yes' | 'no';
  readonly logLevel: string;
}

export type ConfigKey = Setting<keyof Config>;

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

export const CONFIG_KEYS: readonly ConfigKey[] = [
  {
    name: 'domain',
    field: 'domains',
    placeholder: 'D',
    list: true,
    default: 'localhost',
    meaning: 'domain whose users are served; the first is the one of bare user names',
    read: readDomain,
  },
  {
    name: 'http',
    field: 'http',
    placeholder: '[https://]HOST:PORT',
    list: true,
    default: '127.0.0.1:8080',
    meaning: 'where XCAP clients connect, with https:// by TLS',
    read: readHttpEndpoint,
  },
  {
    name: 'sip',
    field: 'sip',
    placeholder: '[tls|ws|wss://]HOST:PORT',
    list: true,
    default: '127.0.0.1:5060',
    meaning: 'where SIP agents connect: by UDP and TCP, with tls:// by TLS, with ws:// or wss:// by WebSocket',
    read: readSipEndpoint,
  },
  {
    name: 'next-hop',
    field: 'nextHops',
    placeholder: 'DOMAIN=URI',
    list: true,
    default: '',
    meaning:
      'SIP URI to which requests for a domain go instead of where its DNS says, as `example.org=sip:10.0.0.1;transport=tcp`; `*.DOMAIN` for all below a domain, `*` for all others',
    read: readNextHop,
  },
  {
    name: 'dns-server',
    field: 'dnsServers',
    placeholder: 'IP[:PORT]',
    list: true,
    default: '',
    meaning: 'name server that finds other SIP servers; those of the system if none is given',
    read: readNameServer,
  },
  {
    name: 'udp-limit',
    field: 'udpLimit',
    placeholder: 'BYTES',
    list: false,
    default: '1300',
    meaning: 'requests larger than this go over TCP instead of UDP to peers that take it (RFC 3261 18.1.1); 65535 never',
    read: wholeNumber(500, 65_535, 'bytes'),
  },
  {
    name: 'xcap-root',
    field: 'xcapRoots',
    placeholder: 'PATH',
    list: true,
    default: '/xcap-root',
    meaning: 'path of the XCAP root; several name the same documents',
    read: readRoot,
  },
  {
    name: 'xcap-public-root',
    field: 'xcapPublicRoot',
    placeholder: 'URI',
    list: false,
    default: '',
    meaning:
      'http or https URI of the XCAP root as clients see it, when there is a proxy in front; no header field of a request is believed for it',
    read: readPublicRoot,
  },
  {
    name: 'data',
    field: 'dataDirectory',
    placeholder: 'DIR',
    list: false,
    default: './data',
    meaning: 'directory of the databases; made if it is not there',
    read: (value) => resolve(text(value, 'a directory')),
  },
  {
    name: 'auth',
    field: 'auth',
    placeholder: 'digest|none',
    list: false,
    default: 'digest',
    meaning: 'how users prove who they are; with none everyone may do everything',
    read: oneOf(['digest', 'none']),
  },
  {
    name: 'digest-algorithm',
    field: 'digestAlgorithms',
    placeholder: ALGORITHMS.join('|'),
    list: true,
    default: '',
    meaning: `digest algorithm to offer, in this order; unless set ${ALGORITHMS.join(', then ')}. MD5 alone serves old agents that answer only the first challenge`,
    read: oneOf(ALGORITHMS),
  },
  ...TLS_KEYS,
  {
    name: 'trusted-proxy',
    field: 'trustedProxies',
    placeholder: 'IP[/BITS]',
    list: true,
    default: '',
    meaning: 'address of a proxy that authenticates users: its X-3GPP-Asserted-Identity and X-XCAP-Asserted-Identity are believed',
    read: readNetwork,
  },
  {
    name: 'metrics-from',
    field: 'metricsFrom',
    placeholder: 'IP[/BITS]|loopback',
    list: true,
    default: 'loopback',
    meaning: 'who may read `/metrics`; what a proxy has passed on never may',
    read: (value) => (value === 'loopback' ? value : readNetwork(value)),
  },
  {
    name: 'sip-trusted-peer',
    field: 'sipTrustedPeers',
    placeholder: 'IP[/BITS]',
    list: true,
    default: '',
    meaning:
      'address of a SIP proxy or gateway that authenticates users: whom its P-Asserted-Identity names needs no password; without one it vouches for nobody',
    read: readNetwork,
  },
  {
    name: 'forbidden-target',
    field: 'forbiddenTargets',
    placeholder: 'IP[/BITS]|local|none',
    list: true,
    default: 'local',
    meaning:
      'where no SIP request is sent, whatever contacts and Request-URIs of users or the DNS say, unless it is a next-hop or a sip-trusted-peer, or the agent itself has come from there; `local` is 127.0.0.0/8 and ::1 unless a `sip` listens there, and 169.254.0.0/16 and fe80::/10 likewise',
    read: (value) => (value === 'local' || value === 'none' ? value : readNetwork(value)),
  },
  {
    name: 'sip-from',
    field: 'sipFrom',
    placeholder: 'own|any',
    list: false,
    default: 'own',
    meaning: "whose address a user may put into From: with own only the user's (or anonymous), anything else is answered 403",
    read: oneOf(['own', 'any']),
  },
  {
    name: 'max-document-size',
    field: 'maxDocumentSize',
    placeholder: 'BYTES',
    list: false,
    default: '1048576',
    meaning: 'greatest size of a document; larger ones are answered 413',
    read: wholeNumber(1024, 64 * 1024 * 1024, 'bytes'),
  },
  {
    name: 'max-depth',
    field: 'maxDepth',
    placeholder: 'LEVELS',
    list: false,
    default: '100',
    meaning: 'how deep the elements of a document may be nested',
    read: wholeNumber(10, 100, 'levels'),
  },
  {
    name: 'max-documents',
    field: 'maxDocuments',
    placeholder: 'NUMBER',
    list: false,
    default: '1000',
    meaning: 'how many documents one user may have, of all kinds together; one more is answered 409',
    read: wholeNumber(1, 1_000_000, 'documents'),
  },
  {
    name: 'default-decision',
    field: 'defaultDecision',
    placeholder: 'confirm|block|polite-block|allow',
    list: false,
    default: 'confirm',
    meaning: 'what becomes of a watcher that no rule matches',
    read: oneOf(['confirm', 'block', 'polite-block', 'allow']),
  },
  {
    name: 'min-expires',
    field: 'minExpires',
    placeholder: 'SECONDS',
    list: false,
    default: '60',
    meaning: 'least expiry of registrations, publications and subscriptions; shorter ones are answered 423',
    read: wholeNumber(1, 3600, 'seconds'),
  },
  {
    name: 'max-contacts',
    field: 'maxContacts',
    placeholder: 'NUMBER',
    list: false,
    default: '20',
    meaning: 'how many contacts one user may have registered, to each of which a call or message goes; more are answered 403',
    read: wholeNumber(1, 60, 'contacts'),
  },
  {
    name: 'timer-c',
    field: 'timerC',
    placeholder: 'SECONDS',
    list: false,
    default: '190',
    meaning: 'how long the proxy lets a call ring before it cancels it (RFC 3261 16.6 wants more than three minutes)',
    read: wholeNumber(181, 86_400, 'seconds'),
  },
  {
    name: 'diff-interval',
    field: 'diffInterval',
    placeholder: 'SECONDS',
    list: false,
    default: '5',
    meaning:
      'least time between two notifications of document changes (xcap-diff) or registrations (reg) in one subscription; 0 tells of each change at once',
    read: wholeNumber(0, 3600, 'seconds'),
  },
  ...SUBSCRIPTION_KEYS,
  ...CONNECTION_KEYS,
  ...PACING_KEYS,
  ...CALL_KEYS,
  {
    name: 'usages',
    field: 'usages',
    placeholder: 'AUID;NAMESPACE;TYPE;XSD',
    list: true,
    default: '',
    meaning:
      'further application usage; in the file, a mapping with auid, namespace, content-type and, if documents are to be validated, schema',
    read: readUsageSetting,
  },
  ...PRESENCE_KEYS,
  ...LIST_KEYS,
  ...MESSAGE_KEYS,
  {
    name: 'warm-up',
    field: 'warmUp',
    placeholder: 'yes|no',
    list: false,
    default: 'yes',
    meaning: 'rehearse requests for some seconds after the start, so that those of clients are served fast from the first one on',
    read: oneOf(['yes', 'no']),
  },
  {
    name: 'log',
    field: 'logLevel',
    placeholder: 'LEVEL',
    list: false,
    default: 'info',
    meaning: `how much is logged: ${LOG_LEVELS.join(', ')}; debug shows SIP messages`,
    read: oneOf(LOG_LEVELS),
  },
];

/** The environment variable of a key: `xcap-root` is ROLLCALL_XCAP_ROOT. */
export function environmentName(name: string): string {
  return `ROLLCALL_${name.replaceAll('-', '_').toUpperCase()}`;
}

/** The settings as a table in Markdown, for the README. */
export function settingsTable(): string {
  const rows = CONFIG_KEYS.map(({ name, placeholder, list, default: value, meaning }) => {
    const flag = `\`--${name} ${placeholder.replaceAll('|', '\\|')}\`${list ? ' (repeatable)' : ''}`;
    return `| ${flag} | \`${environmentName(name)}\` | \`${name}\` | ${value === '' ? 'none' : `\`${value}\``} | ${meaning} |`;
  });
  return ['| Flag | Variable | Key in the file | Default | Meaning |', '|---|---|---|---|---|', ...rows].join('\n');
}
