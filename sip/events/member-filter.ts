import type { Watch } from './event-package.ts';
import { filterFor } from './filter-set.ts';
import { Subscription } from './subscription.ts';
import { WatchFilter } from './watch-filter.ts';

/**
 * The filter of a member of the list that the watch is a subscription to, by its canonical address: its own, its domain's, or the list's
 * (RFC 4660 4.1).
 */
export function memberFilter(watch: Watch, member: string): WatchFilter | undefined {
  const filters = watch instanceof Subscription ? watch.filterSet : undefined;
  const contents = filters && filterFor(filters, member, watch.resource);
  return contents && new WatchFilter(contents);
}
