/** `/admin/why?watcher=W&presentity=P&package=presence&alias=A`: what a watcher may see, and the rules that make it so. */
import { canonicalAddress } from '../../schemas/address.ts';
import { ANONYMOUS } from '../../sip/core/identity.ts';
import type { Sight } from '../../sip/events/sight.ts';
import { SipError } from '../../sip/message/sip-error.ts';
import type { XuiDirectory } from '../../xcap/access.ts';
import { AdminRefusal, type AdminRequest, type AdminRoute } from './admin-route.ts';

/** `SipNode.sightOf`. */
export type AskSight = (packageName: string, watcher: string, presentity: string, aliases: readonly string[]) => Promise<Sight | undefined>;

/** The answer's JSON. Moments are in ISO 8601. */
export interface Why {
  readonly package: string;
  readonly watcher: string;
  readonly presentity: string;
  readonly decision: string;
  readonly because: string;
  /** When it may become another one by itself, unless a rule or the presence changes before. */
  readonly until?: string;
  readonly sphere?: string;
  readonly documents: readonly string[];
  /** Documents and lists that cannot be read: nobody is let in on what they may say. */
  readonly unreadable: readonly string[];
  readonly rules: readonly WhyRule[];
  readonly omittedRules: number;
  readonly grants: readonly string[];
  readonly subscriptions: readonly { readonly status: string; readonly since: string; readonly ends?: string }[];
  /** What the watcher sees; absent: nothing. */
  readonly sees?: { readonly contentType: string; readonly body: string };
}

export interface WhyRule {
  readonly document: string;
  readonly id: string;
  readonly holds: boolean;
  readonly conditions: readonly { readonly condition: string; readonly holds: boolean; readonly because?: string }[];
  readonly handling?: string;
  readonly grants: readonly string[];
}

export function whyRoutes(ask: AskSight, users: XuiDirectory): AdminRoute[] {
  return [
    {
      method: 'GET',
      path: '/why',
      async answer({ query }: AdminRequest) {
        const presentity = users.resolveXui(parameter(query, 'presentity'));
        if (presentity === undefined) throw new AdminRefusal(404, 'there is no such presentity');
        const watcher = watcherOf(parameter(query, 'watcher'), users);
        const aliases = query.getAll('alias').map((alias) => watcherOf(alias, users));
        const packageName = query.get('package') ?? 'presence';
        const sight = await ask(packageName, watcher, presentity, aliases).catch((error: unknown) => {
          if (error instanceof SipError) throw new AdminRefusal(404, error.message);
          throw error;
        });
        if (!sight) throw new AdminRefusal(400, 'no rules decide about this event package');
        return { status: 200, body: toJson(packageName, watcher, presentity, sight) };
      },
    },
  ];
}

function parameter(query: URLSearchParams, name: string): string {
  const value = query.get(name);
  if (value === null || value === '') throw new AdminRefusal(400, `the query has no ${name}`);
  return value;
}

/** Anybody can watch: a user here, by any name of theirs; an address elsewhere; or nobody in particular. */
function watcherOf(written: string, users: XuiDirectory): string {
  if (written === 'anonymous') return ANONYMOUS;
  const user = users.resolveXui(written);
  if (user !== undefined) return user;
  if (!written.includes('@') && !written.includes(':')) throw new AdminRefusal(404, 'there is no such watcher');
  return canonicalAddress(written.includes(':') ? written : `sip:${written}`);
}

function toJson(packageName: string, watcher: string, presentity: string, { decision, explanation, body, subscriptions }: Sight): Why {
  const { handling, because, validUntil } = decision;
  const { documents, unread, rules, omitted, sphere, grants } = explanation;
  return {
    package: packageName,
    watcher,
    presentity,
    decision: handling,
    because,
    ...(validUntil === undefined ? {} : { until: moment(validUntil) }),
    ...(sphere === undefined ? {} : { sphere }),
    documents,
    unreadable: unread,
    rules: rules.map(({ handling: said, ...rule }) => (said === undefined ? rule : { ...rule, handling: said })),
    omittedRules: omitted,
    grants,
    subscriptions: subscriptions.map(({ status, since, endsAt }) => ({
      status,
      since: moment(since),
      ...(endsAt === undefined ? {} : { ends: moment(endsAt) }),
    })),
    ...(body && { sees: { contentType: body.contentType, body: body.bytes.toString('utf8') } }),
  };
}

function moment(time: number): string {
  return new Date(time).toISOString();
}
