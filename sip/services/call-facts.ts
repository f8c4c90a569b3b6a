/** What the conditions of call services ask about a call (3GPP TS 24.604 4.9.1.3, TS 24.611 4.9.1.3). */
import { canonicalAddress } from '../../schemas/address.ts';
import type { Call } from '../core/call-service.ts';
import type { SipRequest } from '../message/message.ts';
import { diversionsIn } from './diversion-history.ts';

/** What a user's presence says of them, as far as rules ask. */
export interface ServedUserPresence {
  /** Loads it; undefined when it is in memory. */
  ready(user: string): Promise<void> | undefined;
  /** Activities (RFC 4480 3.2) in lower case. */
  activities(user: string): readonly string[];
  /** See `sphereOf`. */
  sphere(user: string): string | undefined;
}

export interface FactSources {
  readonly presence: ServedUserPresence;
  readonly isUser: (address: string) => boolean;
  /** Digits of numbers at home, '' when not known. */
  readonly countryCode: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Found out when a condition asks: most calls meet no rule. */
export class CallFacts {
  readonly now: number;
  private readonly call: Call;
  private readonly called: string;
  private readonly servedUser: string;
  private readonly sources: FactSources;
  private mediaTypes: ReadonlySet<string> | undefined;

  /** `called` is the URI that the call goes to. */
  constructor(call: Call, called: string, servedUser: string, sources: FactSources) {
    this.call = call;
    this.called = called;
    this.servedUser = servedUser;
    this.sources = sources;
    this.now = sources.now();
  }

  /** The caller does not say who they are, or does not want it to be known (RFC 3323 4.1, RFC 3325 9.3). */
  get anonymous(): boolean {
    const { headers, from } = this.call.request;
    const privacy = headers.all('Privacy').flatMap((value) => value.toLowerCase().split(/[;,\s]+/));
    return privacy.some((value) => HIDING.has(value)) || /^sips?:anonymous@|@anonymous\.invalid$/.test(canonicalAddress(from.uri));
  }

  /** Has somebody diverted the call to the served user? */
  get diverted(): boolean {
    return this.call.diverted.length > 0 || diversionsIn(this.call) > 0;
  }

  /**
   * Is the number that is called one abroad: written with `+` (or `00`, unless that is the name of a user here) and not of the home
   * country? Of names never.
   */
  get international(): boolean {
    const { countryCode, isUser } = this.sources;
    const address = canonicalAddress(this.called);
    const number = /^(?:sip|tel):(\+|00)(\d+)(?=[;@]|$)/.exec(address);
    if (number === null || (number[1] === '00' && isUser(address))) return false;
    return countryCode === '' || !number[2]?.startsWith(countryCode);
  }

  /** The media types of the session that is offered (RFC 4566 5.14), in lower case. */
  get media(): ReadonlySet<string> {
    return (this.mediaTypes ??= offeredMedia(this.call.request));
  }

  get activities(): readonly string[] {
    return this.sources.presence.activities(this.servedUser);
  }

  get sphere(): string | undefined {
    return this.sources.presence.sphere(this.servedUser);
  }
}

/** RFC 3323 4.2, RFC 3325 9.3: the requests for privacy that hide the caller; `session`, `history` and `critical` alone do not. */
const HIDING: ReadonlySet<string> = new Set(['user', 'header', 'id']);

/** SDP stands alone or is a part of a multipart body; its lines look like nothing else. */
function offeredMedia({ body }: SipRequest): ReadonlySet<string> {
  const types = new Set<string>();
  for (const [, type = ''] of body.toString('latin1').matchAll(/^m=([A-Za-z0-9.!#$%&'*+^_`{|}~-]{1,40})[ \t]/gm)) {
    types.add(type.toLowerCase());
  }
  return types;
}
