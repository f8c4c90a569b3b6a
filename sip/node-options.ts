/** What the SIP side is given, and what an admin sets about it. */
import type { DocumentStore } from '../xcap/document-store.ts';
import type { Authenticator, UserDirectory } from './core/authenticator.ts';
import type { CallService } from './core/call-service.ts';
import type { Logger } from './core/log.ts';
import type { StateStore } from './core/state-store.ts';
import type { SubHandling } from './events/event-package.ts';
import type { PacingSettings } from './events/notify-pacing.ts';
import type { XcapResources } from './packages/xcap-resources.ts';
import type { ListDirectory } from './rls/resolved-list.ts';
import type { ListSettings } from './rls/resource-lists.ts';
import type { CallSettings } from './services/call-services.ts';
import type { MessageSettings } from './services/messages.ts';
import type { NextHop } from './transport/next-hops.ts';
import type { TlsSource } from './transport/tls.ts';

/** Where to listen: for UDP and TCP on one port, where port 0 takes any that is free for both, or for what `transport` says. */
export interface SipEndpoint {
  readonly host: string;
  readonly port: number;
  readonly transport?: 'tls' | 'ws' | 'wss' | undefined;
}

export interface SipNodeOptions {
  readonly listen: readonly SipEndpoint[];
  /** Certificate, key and authorities for TLS; listeners for TLS need it. */
  readonly tls?: TlsSource | undefined;
  /** SIP connections, in all and from one address. */
  readonly maxConnections?: number | undefined;
  readonly maxConnectionsPerAddress?: number | undefined;
  /** Undefined: authentication is off. */
  readonly authenticator: Authenticator | undefined;
  /** Is the textual address that of an element which says truly who its requests are from? */
  readonly isTrustedPeer?: ((address: string) => boolean) | undefined;
  /** Must From be the authenticated user's own? */
  readonly ownFromOnly?: boolean | undefined;
  readonly users: UserDirectory;
  readonly documents: DocumentStore;
  readonly lists: ListDirectory;
  readonly resources: XcapResources;
  readonly state: StateStore;
  readonly log: Logger;
  /** Name servers to ask, `IP` or `IP:port`; those of the system if there are none. */
  readonly dnsServers: readonly string[];
  /** Where requests for other domains go, if not where the DNS says. */
  readonly nextHops: readonly NextHop[];
  /** May no request go to the textual address, to which the host has led? */
  readonly isForbiddenTarget?: ((address: string, host: string) => boolean) | undefined;
  /** Requests larger than this many bytes go over TCP rather than UDP, to peers that take it (RFC 3261 18.1.1). */
  readonly udpLimit: number;
  /** What holds for a watcher that no rule decides about. */
  readonly defaultDecision: SubHandling;
  /** Least expiry of registrations, publications and subscriptions, in seconds. */
  readonly minExpires: number;
  /** Contacts that one user may have registered. */
  readonly maxContacts: number;
  /** Subscriptions from one address while authentication is off. */
  readonly maxSubscriptionsPerAddress: number;
  /** Seconds that a subscription may be pending, and that its watcher is remembered for after it (RFC 3857 4.7.1). */
  readonly undecidedTime: number;
  /** Seconds within which a stop tells all watchers that their subscriptions are at an end; 0: they outlive the stop. */
  readonly deactivateOnStop: number;
  /** T1 in milliseconds (RFC 3261 17.1.1.1). */
  readonly t1: number;
  /** Least time between two notifications of document changes in one subscription, in seconds. */
  readonly diffInterval: number;
  /** Is a user who publishes no presence open at each registered contact? */
  readonly presenceFromRegistrations?: boolean | undefined;
  /** May watchers monitor their own subscriptions by watcher information (RFC 3857 4.6)? */
  readonly ownWatcherinfo: boolean;
  readonly pacing: PacingSettings;
  /** Timer C of the proxy in milliseconds (RFC 3261 16.6 step 11). */
  readonly timerC: number;
  /** What applies to all calls that users divert or bar. */
  readonly calls: CallSettings;
  readonly messages: MessageSettings;
  readonly listSettings: ListSettings;
  /** Further services: they are asked after barring and messages, and before diversion. */
  readonly callServices?: readonly CallService[] | undefined;
}
