import type { SipRequest } from '../message/message.ts';
import type { Flow } from '../transport/flow.ts';
import type { HeaderField } from './respond.ts';

/** A request outside dialogs on its way through the proxy, as the services of the users it concerns see it. */
export interface Call {
  /** As it was received; not to be changed. */
  readonly request: SipRequest;
  /** The way it came; undefined for a message that has waited here. */
  readonly flow: Flow | undefined;
  /** Canonical address of the sender: who it was proved to be, else what From says. */
  readonly caller: string;
  /** What else a trusted element asserts to be the sender (RFC 3325 9.1), as canonical addresses. */
  readonly callerAliases?: readonly string[] | undefined;
  /** Is `caller` proved, by credentials or by a peer that we trust? */
  readonly callerVerified: boolean;
  /** Canonical address of the user of ours it is for now; undefined when it goes elsewhere. */
  readonly callee: string | undefined;
  /** The Request-URI it is aimed at now: after a diversion that of the new target. */
  readonly uri: string;
  /** Canonical addresses of the users who have diverted it here, the first one first. */
  readonly diverted: readonly string[];
  /** The fields that the last diversion set; none before any. */
  readonly headers: readonly HeaderField[];
  /** Has the listener called once, when nothing more becomes of the request, or at once; undefined for a message that has waited here. */
  readonly onEnd?: ((listener: () => void) => void) | undefined;
}

/** All addresses of the sender: rules are asked about each. */
export function callersOf({ caller, callerAliases = [] }: Call): readonly string[] {
  return [caller, ...callerAliases];
}

/** Why nobody took a request: `busy` 486 or 600, `no-answer` it rang, `not-reachable` no way there, `not-logged-in` no binding. */
export type FailureCause = 'busy' | 'no-answer' | 'not-reachable' | 'not-logged-in';

export interface CallFailure {
  readonly cause: FailureCause;
  /** Of the response the sender gets unless a service decides otherwise. */
  readonly status: number;
}

export interface DiversionTarget {
  readonly uri: string;
  /** Each name replaces all fields of that name in the request. */
  readonly headers: readonly HeaderField[];
}

export type Verdict =
  | { readonly kind: 'proceed' }
  /** The final response: a refusal, or a 2xx of a service that has taken the request. */
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly reason?: string | undefined;
      readonly headers?: readonly HeaderField[] | undefined;
      /** For the log: what decided. */
      readonly because: string;
    }
  /** Goes to these instead, one after the other. */
  | {
      readonly kind: 'divert';
      readonly targets: readonly DiversionTarget[];
      /** Tell the sender of an INVITE with 181. */
      readonly announce?: boolean | undefined;
      readonly because: string;
    };

export const PROCEED: Verdict = { kind: 'proceed' };

/** What users want done with requests to and from them. The first verdict other than `proceed` counts. */
export interface CallService {
  readonly name: string;
  /** Before targets are chosen; again for each target of a diversion. */
  onRequest?(call: Call): Verdict | Promise<Verdict>;
  /** Milliseconds that the callee has to answer; undefined for as long as the proxy waits anyway. The shortest of all services counts. */
  noReplyTimeout?(call: Call): number | undefined;
  /**
   * When all bindings of the callee have failed, or the time for a reply has run out (then `no-answer`, and with `proceed` from all it
   * goes on ringing).
   */
  onFailure?(call: Call, failure: CallFailure): Verdict | Promise<Verdict>;
}

/** The verdict of the first service that has one: at once when none of those before it has to wait. */
export function firstVerdict(
  services: readonly CallService[],
  ask: (service: CallService) => Verdict | Promise<Verdict> | undefined,
  from = 0,
): Verdict | Promise<Verdict> {
  for (let i = from; i < services.length; i++) {
    const service = services[i];
    const verdict = service === undefined ? undefined : ask(service);
    if (verdict instanceof Promise) {
      return verdict.then((settled) => (settled.kind === 'proceed' ? firstVerdict(services, ask, i + 1) : settled));
    }
    if (verdict !== undefined && verdict.kind !== 'proceed') return verdict;
  }
  return PROCEED;
}
