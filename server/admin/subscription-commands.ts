import { loadConfig } from '../config.ts';
import type { Surroundings } from '../surroundings.ts';
import { askServer } from './admin-client.ts';
import type { ListedSubscriptions } from './subscription-routes.ts';

export interface SubscriptionFlags {
  readonly data?: string;
  readonly config?: string;
  readonly watcher?: string;
  readonly presentity?: string;
  readonly package?: string;
}

/** `subscription list`: a line for each, after one that says how many there are. */
export async function listSubscriptions(flags: SubscriptionFlags & { json?: boolean }, surroundings: Surroundings): Promise<void> {
  const listed = (await ask('GET', flags, {}, surroundings)) as ListedSubscriptions;
  if (flags.json) return surroundings.out(JSON.stringify(listed, null, 2));
  surroundings.out(`${listed.total} subscriptions${listed.subscriptions.length < listed.total ? ', of which the first are' : ''}`);
  for (const { watcher, presentity, package: name, status, since, ends } of listed.subscriptions) {
    surroundings.out(`${watcher} -> ${presentity} ${name} ${status} since ${since}, ends ${ends}`);
  }
}

/** `subscription end`: tells the watchers that their subscriptions are at an end, and why. */
export async function endSubscriptions(
  flags: SubscriptionFlags & { all?: boolean; reason?: string; retryAfter?: string },
  surroundings: Surroundings,
): Promise<void> {
  const more = { all: flags.all ? 'yes' : undefined, reason: flags.reason, 'retry-after': flags.retryAfter };
  const { ended } = (await ask('DELETE', flags, more, surroundings)) as { ended: number };
  surroundings.out(`ended ${ended} subscriptions`);
}

function ask(
  method: 'GET' | 'DELETE',
  { data, config, watcher, presentity, package: name }: SubscriptionFlags,
  more: Readonly<Record<string, string | undefined>>,
  { environment }: Surroundings,
): Promise<unknown> {
  const { dataDirectory } = loadConfig({ flags: { data, config }, environment });
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries({ watcher, presentity, package: name, ...more }))
    if (value !== undefined) query.set(key, value);
  return askServer(dataDirectory, method, `/subscriptions?${query}`);
}
