import { writeFilter } from '../../schemas/filter/write-filter.ts';
import type { EventPackage, Watch } from './event-package.ts';
import { filterFor, filterForNotifier } from './filter-set.ts';
import { Subscription } from './subscription.ts';
import { WatchFilter } from './watch-filter.ts';

/**
 * The filter of a member of the list that the watch is a subscription to, by its canonical address: its own, its domain's, or the list's
 * (RFC 4660 4.1); of a member that is `elsewhere` its domain's is not for us.
 */
export function memberFilter(watch: Watch, member: string, place: 'here' | 'elsewhere' = 'here'): WatchFilter | undefined {
  const all = watch instanceof Subscription ? watch.filterSet : undefined;
  const filters = place === 'here' ? all : all?.filter(({ domain }) => domain === undefined);
  const contents = filters && filterFor(filters, member, watch.resource);
  return contents && new WatchFilter(contents);
}

/** The document of the filter that goes on to the notifier of a member elsewhere, by its canonical address; undefined where there is none. */
export function forwardedFilter(watch: Watch, member: string, { name }: EventPackage): string | undefined {
  const all = watch instanceof Subscription ? watch.filterSet : undefined;
  const filter = all && filterForNotifier(all, member);
  return filter?.contents && writeFilter({ ...filter, contents: filter.contents }, name);
}
