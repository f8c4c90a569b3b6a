/** Watches on behalf of lists' subscriptions (RFC 4662 4.1). */
import type { TimerWheel } from '../transport/timer-wheel.ts';
import { stateOfMember } from './member-state.ts';
import type { MemberWatch } from './watch.ts';
import type { WatchIndex } from './watch-index.ts';
import type { WatchJudge } from './watch-judge.ts';
import { timedOut } from './watcher-state.ts';

export interface MemberWatchesOptions {
  readonly index: WatchIndex;
  readonly judge: WatchJudge;
  readonly wheel: TimerWheel;
  readonly now: () => number;
  /** Has it judged and rendered: at once if what that takes is in memory, or when its turn comes. */
  process(member: MemberWatch, later?: boolean): void;
}

export class MemberWatches {
  private readonly options: MemberWatchesOptions;

  constructor(options: MemberWatchesOptions) {
    this.options = options;
  }

  /** @param later others have their turn before it is judged and rendered */
  open(member: MemberWatch, later = false): void {
    this.options.index.add(member);
    this.options.process(member, later);
  }

  close(member: MemberWatch): void {
    if (member.closed) return;
    member.closed = true;
    this.options.index.remove(member);
    if (member.decisionTimer) this.options.wheel.cancel(member.decisionTimer);
    if (member.status !== 'terminated' && member.status !== 'init') this.options.judge.transit(member, timedOut(member.status));
  }

  /** Nobody has decided about it in time. @param retryAfter seconds before which it is not tried again (RFC 6665 4.1.3) */
  giveUp(member: MemberWatch, retryAfter: number): void {
    const { judge, now, process } = this.options;
    judge.transit(member, { status: 'terminated', event: 'giveup' });
    member.retryAt = now() + retryAfter * 1000;
    process(member);
  }

  /** The list's watcher has asked anew, and with that for whom had been given up, if it is time. */
  tryAgain(member: MemberWatch): void {
    const { now, process } = this.options;
    if (member.retryAt === undefined || now() < member.retryAt) return;
    member.retryAt = undefined;
    member.decision = undefined;
    process(member);
  }

  /** Tells the list what its watcher may see of the member now, if that is news. */
  render(member: MemberWatch): void {
    const { judge } = this.options;
    const gone = judge.judge(member);
    if (gone) {
      if (member.status === 'pending' || member.status === 'active') judge.transit(member, { status: 'terminated', event: gone });
      member.decision = undefined;
      member.status = 'terminated';
    }
    const state = stateOfMember(member, gone);
    if (!state) return;
    member.state = state;
    member.changed(member.resource);
  }
}
