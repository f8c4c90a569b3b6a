/** `/admin/subscriptions?watcher=W&presentity=P&package=NAME`: which there are, and an end to them. */
import { canonicalAddress } from '../../schemas/address.ts';
import type { GivenReason, SubscriptionChoice, SubscriptionControl } from '../../sip/events/subscription-control.ts';
import type { XuiDirectory } from '../../xcap/access.ts';
import { AdminRefusal, type AdminRequest, type AdminRoute } from './admin-route.ts';

/** The answer's JSON. Moments are in ISO 8601. */
export interface ListedSubscriptions {
  readonly total: number;
  /** The first of them. */
  readonly subscriptions: readonly {
    readonly id: string;
    readonly package: string;
    readonly watcher: string;
    readonly presentity: string;
    readonly status: string;
    readonly since: string;
    readonly ends: string;
  }[];
}

/** Subscriptions in one answer. */
const LISTED = 1000;
const LONGEST_RETRY = 365 * 24 * 3600;

/** Seconds before which a watcher is asked not to come back, where the admin does not say; RFC 6665 4.1.3 knows it for these reasons only. */
const RETRY_AFTER: Readonly<Record<GivenReason, number | undefined>> = {
  deactivated: undefined,
  probation: 600,
  rejected: undefined,
  giveup: 3600,
};

export function subscriptionRoutes(control: SubscriptionControl, users: XuiDirectory): AdminRoute[] {
  const path = '/subscriptions';
  return [
    {
      method: 'GET',
      path,
      answer({ query }) {
        const { total, first } = control.list(choiceOf(query, users), LISTED);
        const subscriptions = first.map(({ packageName, resource, since, endsAt, ...rest }) => ({
          ...rest,
          package: packageName,
          presentity: resource,
          since: new Date(since).toISOString(),
          ends: new Date(endsAt).toISOString(),
        }));
        return { status: 200, body: { total, subscriptions } satisfies ListedSubscriptions };
      },
    },
    {
      method: 'DELETE',
      path,
      answer({ query }: AdminRequest) {
        const choice = choiceOf(query, users);
        if (Object.values(choice).every((value) => value === undefined) && query.get('all') !== 'yes') {
          throw new AdminRefusal(400, 'the query names neither watcher, presentity nor package; all=yes ends all subscriptions');
        }
        const reason = reasonOf(query.get('reason') ?? 'deactivated');
        return { status: 200, body: { ended: control.end(choice, reason, retryAfterOf(query, reason)) } };
      },
    },
  ];
}

function choiceOf(query: URLSearchParams, users: XuiDirectory): SubscriptionChoice {
  return {
    watcher: addressOf(query.get('watcher'), users),
    resource: addressOf(query.get('presentity'), users),
    packageName: query.get('package') || undefined,
  };
}

/** A user here by any name, or an address: of another domain, of a list, of a user who is gone. */
function addressOf(written: string | null, users: XuiDirectory): string | undefined {
  if (written === null || written === '') return undefined;
  const user = users.resolveXui(written);
  if (user !== undefined) return user;
  if (!written.includes('@') && !written.includes(':')) throw new AdminRefusal(404, `there is no user ${written.slice(0, 100)}`);
  return canonicalAddress(written.includes(':') ? written : `sip:${written}`);
}

function reasonOf(written: string): GivenReason {
  if (Object.hasOwn(RETRY_AFTER, written)) return written as GivenReason;
  throw new AdminRefusal(400, `the reason must be one of ${Object.keys(RETRY_AFTER).join(', ')}`);
}

function retryAfterOf(query: URLSearchParams, reason: GivenReason): number | undefined {
  const written = query.get('retry-after');
  if (written === null) return RETRY_AFTER[reason];
  if (RETRY_AFTER[reason] === undefined) throw new AdminRefusal(400, `retry-after means nothing with the reason ${reason}`);
  const seconds = /^\d{1,9}$/.test(written) ? Number(written) : Number.NaN;
  if (!(seconds <= LONGEST_RETRY)) throw new AdminRefusal(400, `retry-after must be a number of seconds, at most ${LONGEST_RETRY}`);
  return seconds;
}
