/** What a list's subscription is told of one member. */
import type { Body } from './event-package.ts';
import { sameBody } from './told-state.ts';
import type { MemberState, MemberWatch } from './watch.ts';

/**
 * The member's state as its watcher may see it now; undefined when that is no news.
 * @param gone why there is nothing to see, whatever anybody decided
 */
export function stateOfMember(member: MemberWatch, gone: string | undefined): MemberState | undefined {
  const { eventPackage, filter, state: before, status } = member;
  let body = render(member);
  if (filter && body) {
    body = filter.applyToMember(body, eventPackage.filtering?.volatile);
    if (before?.status === status && filter.triggered === false) return undefined;
    filter.noteTold();
  }
  const reason = status === 'terminated' ? (gone ?? (member.retryAt === undefined ? 'rejected' : 'giveup')) : undefined;
  if (before && before.status === status && before.reason === reason && sameBody(body, before.body)) return undefined;
  if (before?.body && body && !filter && !eventPackage.bodiesAreWhole) {
    // What is not like the last body must not have its version either.
    member.version++;
    body = render(member);
  }
  return { status: status === 'active' || status === 'pending' ? status : 'terminated', reason, body };
}

function render(member: MemberWatch): Body | undefined {
  const { eventPackage, resource, status, decision, filter, version } = member;
  if (status !== 'active' || !decision) return undefined;
  return eventPackage.render(eventPackage.state(resource), decision, {
    watch: member,
    full: true,
    filtered: filter !== undefined,
    version,
  });
}
