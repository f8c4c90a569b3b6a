/** What a watcher may see of a resource now, and why: asked for by admins, of the same package that judges subscriptions. */
import type { Body, Decision, EventPackage, Watch } from './event-package.ts';
import type { Explanation } from './explanation.ts';
import type { Notifier } from './notifier.ts';
import type { WatcherStatus } from './watcher-state.ts';

export interface Sight {
  readonly decision: Decision;
  readonly explanation: Explanation;
  /** What a subscription that began now would be told; undefined where it would be told nothing. */
  readonly body: Body | undefined;
  /** The watcher's subscriptions to the resource, members of lists included. */
  readonly subscriptions: readonly {
    readonly status: WatcherStatus | 'init';
    readonly since: number;
    readonly endsAt: number | undefined;
  }[];
}

/** Subscriptions that are told. */
const TOLD = 20;

/**
 * @param watcher canonical address
 * @param resource canonical address
 * @param aliases what else may be asserted to be the watcher, as canonical addresses
 * @returns undefined when there is no such package, or none whose decisions can be explained
 * @throws SipError when there is no such resource
 */
export async function sightOf(
  notifier: Notifier,
  packageName: string,
  watcher: string,
  resource: string,
  clock: () => number,
  aliases: readonly string[] = [],
): Promise<Sight | undefined> {
  const eventPackage = notifier.packageNamed(packageName);
  if (!eventPackage?.explain) return undefined;
  for (let loading = eventPackage.ready?.(resource); loading; loading = eventPackage.ready?.(resource)) await loading;
  const now = clock();
  const decision = eventPackage.authorize(watcher, resource, now, aliases);
  const explanation = eventPackage.explain(watcher, resource, now, aliases);
  const subscriptions = [];
  for (const watch of notifier.index.of(eventPackage.key, resource)) {
    if (watch.watcher !== watcher || subscriptions.length >= TOLD) continue;
    subscriptions.push({ status: watch.status, since: watch.since, endsAt: watch.endsAt });
  }
  return { decision, explanation, body: bodyFor(eventPackage, decision, watcher, resource), subscriptions };
}

function bodyFor(eventPackage: EventPackage, decision: Decision, watcher: string, resource: string): Body | undefined {
  if (decision.handling !== 'allow' && decision.handling !== 'polite-block') return undefined;
  const [contentType = ''] = eventPackage.contentTypes;
  const watch: Watch = { id: '', watcher, displayName: undefined, resource, contentType, terms: undefined, memo: undefined };
  return eventPackage.render(eventPackage.state(resource), decision, { watch, full: true, version: 0 });
}
