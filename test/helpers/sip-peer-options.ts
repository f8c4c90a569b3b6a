import type { SipMessage } from './sip-message.ts';
import type { PeerTls, PeerTransport, SipAddress } from './sip-socket.ts';
import type { Answer } from './sip-subscription.ts';
import type { TrafficListener } from './transcript.ts';

export interface SipPeerOptions {
  readonly user: string;
  /** Without one, a 401 is a final response. */
  readonly password?: string;
  readonly domain: string;
  readonly server: SipAddress;
  readonly transport: PeerTransport;
  /** For `tls` and `wss`. */
  readonly tls?: PeerTls;
  /** For transcripts; the user, if not given. */
  readonly name?: string;
  readonly log?: TrafficListener;
  /** How long final responses are waited for, in milliseconds; 8000, if not given. */
  readonly patience?: number;
  /** Answer digest challenges of this algorithm alone. */
  readonly algorithm?: 'MD5' | 'SHA-256';
  /** Sent as they are in every request outside a dialog, as agents with an outbound proxy do. */
  readonly preloadedRoutes?: readonly string[];
}

export type HeaderField = readonly [name: string, value: string];

export interface RequestSpec {
  readonly method: string;
  /** The Request-URI. */
  readonly uri: string;
  /** Header values; by default the Request-URI, and our address with a new tag. */
  readonly to?: string;
  readonly from?: string;
  readonly callId?: string;
  /** Gives the number of each request sent: a second one is taken when the first is challenged. */
  readonly cseq?: () => number;
  readonly headers?: readonly HeaderField[];
  readonly body?: string | Buffer;
  /** False: a challenge is a final response, and no credentials are sent. */
  readonly authenticate?: boolean;
  /** The credentials are for our server as a proxy (RFC 3261 22.3). */
  readonly byProxy?: boolean;
  /** Route values of a dialog. */
  readonly routes?: readonly string[];
  readonly timeout?: number;
}

export interface SubscribeOptions {
  readonly event?: string;
  readonly accept?: readonly string[];
  /** Seconds; without it the SUBSCRIBE has no Expires. */
  readonly expires?: number;
  readonly supported?: readonly string[];
  readonly headers?: readonly HeaderField[];
  readonly body?: string | Buffer;
  /** Record-Route values, as if proxies had added them; see `openRoute`. */
  readonly recordRoutes?: readonly string[];
  /** The URI in our Contact, if not the peer's own. */
  readonly contact?: string;
  readonly answer?: Answer;
  /** Where our server listens, if we reach it on some other way. */
  readonly serverAt?: SipAddress;
  /** Where the server of another domain listens: our own server is a proxy between us. */
  readonly notifier?: SipAddress;
}

export interface PublishOptions {
  readonly etag?: string;
  readonly expires?: number;
  readonly event?: string;
  readonly contentType?: string;
  readonly uri?: string;
  /** It is for another domain's server, and ours is a proxy. */
  readonly byProxy?: boolean;
  readonly headers?: readonly HeaderField[];
}

export interface PublishResult {
  readonly response: SipMessage;
  readonly status: number;
  /** '' when the response has none. */
  readonly etag: string;
  readonly expires: number;
}
