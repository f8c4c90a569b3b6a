import type { SipRequest, SipResponse } from '../message/message.ts';
import type { SipUri } from '../message/uri.ts';
import type { Timer } from '../transport/timer-wheel.ts';
import { bestFailure, collectChallenges, type Failure, statusForSender } from './best-response.ts';
import type { CallObserver } from './call-observer.ts';
import { type Call, type CallService, type FailureCause, firstVerdict, type Verdict } from './call-service.ts';
import type { Breadth } from './loop-detection.ts';
import { type BranchHost, type BranchOwner, ProxyBranch } from './proxy-branch.ts';
import type { RoutedRequest } from './request-context.ts';
import type { HeaderField } from './respond.ts';
import type { Target } from './target-set.ts';

/** One aim of a request: the Request-URI it came with, or the target of a diversion. */
export interface Leg {
  readonly uri: string;
  readonly headers: readonly HeaderField[];
  readonly diverted: readonly string[];
}

/** Where a leg leads. */
export interface Resolution {
  /** Canonical address where it is a user of ours. */
  readonly callee: string | undefined;
  /** Tried one after the other; empty where there is no way. */
  readonly groups: Target[][];
  /** The failure when there are none. */
  readonly status: number;
}

export interface ContextHost extends BranchHost {
  readonly services: readonly CallService[];
  /** The callee of a leg. @throws SipError for what is no URI of ours to understand */
  calleeOf(leg: Leg): string | undefined;
  /** Canonical address of a sender that nothing vouches for: never a user of ours. */
  unverifiedCaller(request: SipRequest): string;
  /**
   * @param isRouted whether Route values of others are left
   * @param route the Route value of ours by which a request in a dialog came
   */
  resolve(leg: Leg, isRouted: boolean, route: SipUri | undefined): Resolution;
  /** Does one of the ways to the target come back to us? */
  leadsHere(target: Target): boolean;
  /** The request as it leaves us towards a leg. */
  outgoing(context: RoutedRequest, leg: Leg): SipRequest;
  /** Called once. */
  ended(context: ResponseContext): void;
  /** Is told of INVITEs that begin a call. */
  readonly calls?: CallObserver | undefined;
}

/** Diversions of one request; more are taken for a loop. */
const MAX_DIVERSIONS = 10;
/** RFC 3326. */
const ELSEWHERE: readonly HeaderField[] = [['Reason', 'SIP;cause=200;text="Call completed elsewhere"']];

/** What becomes of one request that is forwarded (RFC 3261 16.7): its legs, their targets, and the response the sender gets. */
export class ResponseContext implements BranchOwner {
  readonly context: RoutedRequest;
  readonly mark: string;
  outgoing: SipRequest;
  isForUser = false;
  private readonly host: ContextHost;
  private readonly isInvite: boolean;
  private readonly atOnce: number;
  /** Copies that may still be made. */
  private left: number;
  /** Targets of this leg. */
  private targets = 1;
  private readonly route: SipUri | undefined;
  private readonly isRouted: boolean;
  private services: readonly CallService[];
  private legs: Leg[];
  private call: Call | undefined;
  private groups: Target[][] = [];
  /** Branches of this leg without a final response, and those that are given up but may yet answer 2xx. */
  private readonly active = new Set<ProxyBranch>();
  private readonly abandoned = new Set<ProxyBranch>();
  private failures: Failure[] = [];
  /** Nothing new is begun; sends the final response when all branches are done. */
  private closing: (() => void) | undefined;
  private cancelled = false;
  /** Has a target of this leg rung? */
  private hasRung = false;
  private replyTimer: Timer | undefined;
  private ended = false;
  private readonly endListeners: (() => void)[] = [];

  /** @param services those that are asked; none inside a dialog */
  constructor(host: ContextHost, context: RoutedRequest, services: readonly CallService[], mark: string, breadth: Breadth, route?: SipUri) {
    this.host = host;
    this.context = context;
    this.outgoing = context.request;
    this.mark = mark;
    this.atOnce = breadth.atOnce;
    this.left = breadth.inAll;
    this.route = route;
    this.isRouted = context.request.headers.has('Route');
    this.services = services;
    this.isInvite = context.request.method === 'INVITE';
    this.legs = [{ uri: context.request.uri, headers: [], diverted: [] }];
    this.call = undefined;
    this.closing = undefined;
    this.replyTimer = undefined;
  }

  start(): void {
    this.guard(() => this.nextLeg());
  }

  /** The sender has cancelled the INVITE (RFC 3261 16.10). */
  cancel(headers: readonly HeaderField[]): void {
    if (this.context.responded || this.cancelled) return;
    this.cancelled = true;
    this.stopTimer();
    this.groups = [];
    this.legs = [];
    // What has been decided without the sender is no more of interest to it.
    this.closing = () => this.respondFailure(bestFailure(this.failures) ?? { status: 487, response: undefined });
    for (const branch of this.active) branch.cancel(headers);
    this.closeIfDone();
  }

  /** A target rings. */
  rang(branch: ProxyBranch, response: SipResponse): void {
    // RFC 4320 4.1: of other requests no provisional response is passed on.
    if (!this.isInvite || !this.active.has(branch)) return;
    this.hasRung = true;
    this.calls?.inviteAnswered(this.context.request, response);
    this.context.relay(response);
  }

  succeeded(branch: ProxyBranch, response: SipResponse): void {
    this.active.delete(branch);
    this.abandoned.delete(branch);
    if (!this.isInvite && this.context.responded) return;
    // RFC 3261 16.7 step 5: each 2xx to an INVITE, for each is a dialog.
    this.calls?.inviteAnswered(this.context.request, response);
    this.context.relay(response);
    this.close(() => this.end(), ELSEWHERE);
  }

  failed(branch: ProxyBranch, failure: Failure): void {
    if (this.abandoned.delete(branch)) return void this.closeIfDone();
    this.active.delete(branch);
    this.failures.push(failure);
    if (this.closing !== undefined) return void this.closeIfDone();
    // RFC 3261 16.7 step 5: a 6xx speaks for all targets.
    if (failure.status >= 600) {
      this.groups = [];
      for (const other of this.active) other.cancel();
    }
    if (this.active.size === 0) this.guard(() => this.nextGroup());
  }

  /** The callee has had its time to answer. */
  replyTimeout(): void {
    if (this.closing !== undefined) return;
    this.guard(() => this.askAboutFailure('no-answer', 408, () => {}));
  }

  private nextLeg(): void {
    const leg = this.legs.shift();
    if (leg === undefined) return void this.close(() => this.respondFailure(bestFailure(this.failures)));
    this.hasRung = false;
    this.outgoing = this.host.outgoing(this.context, leg);
    if (this.services.length === 0) return void this.tryTargets(leg);
    const { identity, aliases, request } = this.context;
    this.call = {
      request,
      flow: this.context.flow,
      caller: identity ?? this.host.unverifiedCaller(request),
      callerAliases: aliases,
      callerVerified: identity !== undefined && this.context.identitySource !== 'open',
      // On its way past us it is not for a user of ours yet.
      callee: this.isRouted ? undefined : this.host.calleeOf(leg),
      uri: leg.uri,
      diverted: leg.diverted,
      headers: leg.headers,
      onEnd: (listener) => (this.ended ? listener() : void this.endListeners.push(listener)),
    };
    const call = this.call;
    this.settle(
      firstVerdict(this.services, (service) => service.onRequest?.(call)),
      () => this.tryTargets(leg),
    );
  }

  private tryTargets(leg: Leg): void {
    const { groups, status, callee } = this.host.resolve(leg, this.isRouted, this.route);
    this.groups = groups;
    this.isForUser = callee !== undefined;
    this.calls?.inviteForwarded(this.context.request, this.callerOfOurs, groups.length > 0 ? callee : undefined);
    if (groups.length === 0) {
      this.failures.push({ status, response: undefined });
      return void this.legFailed(status === 480);
    }
    this.targets = groups.reduce((sum, group) => sum + group.length, 0);
    this.startReplyTimer();
    this.nextGroup();
  }

  /** The next targets at once, as many as Max-Breadth lets (RFC 5393 5.3.3), the rest of the group after them. */
  private nextGroup(): void {
    const group = this.left > 0 ? this.groups.shift() : undefined;
    if (group === undefined) return void this.legFailed(false);
    const rest = group.splice(Math.min(this.atOnce, this.left));
    if (rest.length > 0) this.groups.unshift(rest);
    this.left -= group.length;
    const branches = group.map((target) => new ProxyBranch(this.host, this, target, this.shareOf(target, group.length)));
    for (const branch of branches) this.active.add(branch);
    for (const branch of branches) branch.start();
  }

  /**
   * Max-Breadth of a copy: what those under way at once share (RFC 5393 5.3.3). Where it comes back here and is forked again, those that
   * are tried later have their share, too.
   */
  private shareOf(target: Target, atOnce: number): number {
    const others = this.targets > atOnce && (this.left < Number.POSITIVE_INFINITY || this.host.leadsHere(target)) ? this.targets : atOnce;
    return Math.max(1, Math.floor(this.atOnce / others));
  }

  private legFailed(withoutBinding: boolean): void {
    this.stopTimer();
    const best = bestFailure(this.failures);
    const cause = best && (withoutBinding ? 'not-logged-in' : causeOf(best, this.hasRung));
    if (best === undefined || cause === undefined || this.call?.callee === undefined) return void this.nextLeg();
    this.askAboutFailure(cause, best.status, () => this.nextLeg());
  }

  private askAboutFailure(cause: FailureCause, status: number, proceed: () => void): void {
    const { call } = this;
    if (call === undefined) return void proceed();
    const failure = { cause, status: statusForSender(status) };
    this.settle(
      firstVerdict(this.services, (service) => service.onFailure?.(call, failure)),
      proceed,
    );
  }

  private settle(verdict: Verdict | Promise<Verdict>, proceed: () => void): void {
    if (!(verdict instanceof Promise)) return void this.obey(verdict, proceed);
    const asked = this.call;
    verdict.then(
      (settled) => {
        // While it was thought about, a target may have answered, or the sender have given up.
        if (this.closing === undefined && this.call === asked) this.guard(() => this.obey(settled, proceed));
      },
      (error: unknown) => this.broken(error),
    );
  }

  private obey(verdict: Verdict, proceed: () => void): void {
    if (verdict.kind === 'proceed') return void proceed();
    this.context.because = verdict.because;
    if (verdict.kind === 'answer') {
      const { status, reason, headers } = verdict;
      const answer = (): void => {
        if (!this.context.responded) this.context.respond(status, { reason, headers });
        this.end();
      };
      // What cannot be cancelled is not waited for.
      if (!this.isInvite && !this.context.responded) this.context.respond(status, { reason, headers });
      return void this.close(answer);
    }
    this.abandon();
    const { diverted = [], callee } = this.call ?? {};
    const by = callee === undefined ? diverted : [...diverted, callee];
    if (by.length > MAX_DIVERSIONS) return void this.close(() => this.respondFailure({ status: 482, response: undefined }));
    if (verdict.announce && this.isInvite) this.context.respond(181);
    this.failures = [];
    this.legs = verdict.targets.slice(0, MAX_DIVERSIONS).map(({ uri, headers }) => ({ uri, headers, diverted: by }));
    this.nextLeg();
  }

  private startReplyTimer(): void {
    const { call } = this;
    if (call === undefined) return;
    let shortest: number | undefined;
    for (const service of this.services) {
      const ms = service.noReplyTimeout?.(call);
      if (ms !== undefined && (shortest === undefined || ms < shortest)) shortest = ms;
    }
    if (shortest !== undefined) this.replyTimer = this.host.wheel.schedule(shortest, noReply, this);
  }

  private stopTimer(): void {
    if (this.replyTimer !== undefined) this.host.wheel.cancel(this.replyTimer);
    this.replyTimer = undefined;
  }

  /** No target of this leg is wanted any more. */
  private abandon(headers: readonly HeaderField[] = []): void {
    this.stopTimer();
    this.groups = [];
    for (const branch of this.active) {
      // Added first: a branch that has not begun yet fails at once.
      this.abandoned.add(branch);
      branch.cancel(headers);
    }
    this.active.clear();
  }

  private close(finish: () => void, headers: readonly HeaderField[] = []): void {
    if (this.closing === undefined || this.context.responded) this.closing = finish;
    this.legs = [];
    this.abandon(headers);
    this.closeIfDone();
  }

  private closeIfDone(): void {
    if (this.closing === undefined || this.active.size > 0) return;
    // A cancelled INVITE may have been accepted already, which only its final response tells. Nothing else is waited for.
    if (this.isInvite && this.abandoned.size > 0) return;
    const finish = this.closing;
    finish();
  }

  private respondFailure(failure: Failure | undefined): void {
    const { status, response } = failure ?? { status: 480, response: undefined };
    if (!this.context.responded) {
      const given = statusForSender(status);
      if (response !== undefined && given === status) {
        collectChallenges(response, this.failures);
        this.context.relay(response);
      } else this.context.respond(given);
    }
    this.end();
  }

  /** Whoever is told of calls, where this begins one. */
  private get calls(): CallObserver | undefined {
    return this.isInvite && this.context.request.to.tag === undefined ? this.host.calls : undefined;
  }

  private get callerOfOurs(): string | undefined {
    const { identity, identitySource } = this.context;
    return identity !== undefined && (identitySource === 'digest' || identitySource === 'open') ? identity : undefined;
  }

  private end(): void {
    // An INVITE may be answered 2xx more than once.
    if (!this.ended) this.host.ended(this);
    this.ended = true;
    for (const listener of this.endListeners.splice(0)) listener();
    this.calls?.inviteEnded(this.context.request, this.context.status);
    this.stopTimer();
    this.services = [];
    this.call = undefined;
  }

  /** What happens in a turn of its own: an error in it has nobody above to become a response. */
  private guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.broken(error);
    }
  }

  private broken(error: unknown): void {
    this.context.fail(error);
    this.close(() => this.end());
  }
}

function noReply(context: ResponseContext): void {
  context.replyTimeout();
}

/** Why nobody took it; undefined where the callee has decided. */
function causeOf({ status }: Failure, hasRung: boolean): FailureCause | undefined {
  if (status === 486 || status === 600) return 'busy';
  if (status === 408 && hasRung) return 'no-answer';
  return [408, 430, 480, 500, 502, 503, 504].includes(status) ? 'not-reachable' : undefined;
}
