/** The filters of one subscription (RFC 4660): what its SUBSCRIBEs have set, changed, disabled and removed. */
import { addressHost, canonicalAddress } from '../../schemas/address.ts';
import { FilterError } from '../../schemas/filter/expression.ts';
import type { FilterContents, FilterElement, FilterSetDocument } from '../../schemas/filter/filter-set.ts';

/** One filter; plain JSON, for it is kept with the subscription. */
export interface KeptFilter {
  readonly id: string;
  /** Canonical address of the one resource it is for. */
  readonly uri?: string;
  /** In lower case. */
  readonly domain?: string;
  readonly enabled: boolean;
  /** Undefined for one that has been disabled from the beginning. */
  readonly contents?: FilterContents;
}

/** RFC 4660 8: occurrences of what costs time, in all filters of a subscription. */
const MOST_PARTS = 40;
const MOST_FILTERS = 100;

/**
 * The filters after a SUBSCRIBE with that document (RFC 4660 3.3.3), `resource` being what it is sent to. `kept` stays as it is.
 * Throws FilterError.
 */
export function changedFilters(
  kept: readonly KeptFilter[],
  document: FilterSetDocument,
  resource: string,
  packageName: string,
): KeptFilter[] {
  if (document.package !== undefined && document.package.trim().toLowerCase() !== packageName) {
    throw new FilterError(`the filters are for the event package ${document.package}`);
  }
  const filters = new Map(kept.map((filter) => [filter.id, filter]));
  for (const { id, remove } of document.filters) if (remove) filters.delete(id);
  for (const element of document.filters) if (!element.remove) filters.set(element.id, changed(filters.get(element.id), element));
  const result = [...filters.values()];
  checkTargets(result, resource);
  checkSize(result);
  return result;
}

function changed(before: KeptFilter | undefined, { id, uri, domain, enabled, contents }: FilterElement): KeptFilter {
  if (contents) {
    return {
      id,
      ...(uri === undefined ? {} : { uri: canonicalAddress(uri) }),
      ...(domain === undefined ? {} : { domain }),
      enabled,
      contents,
    };
  }
  // RFC 4661 3.4: what it does may be left out when it is only switched.
  if (enabled && !before?.contents) throw new FilterError(`the filter ${id} has neither a <what> nor a <trigger>`);
  const target = before ?? { ...(uri === undefined ? {} : { uri: canonicalAddress(uri) }), ...(domain === undefined ? {} : { domain }) };
  return { ...target, id, enabled };
}

/** RFC 4660 3.3.1: one filter for each resource or domain. */
function checkTargets(filters: readonly KeptFilter[], resource: string): void {
  const targets = new Set<string>();
  for (const { uri = resource, domain, id } of filters) {
    const target = domain === undefined ? uri : `@${domain}`;
    if (targets.has(target)) throw new FilterError(`the filter ${id} is for what another filter is for`);
    targets.add(target);
  }
}

function checkSize(filters: readonly KeptFilter[]): void {
  if (filters.length > MOST_FILTERS) throw new FilterError(`more than ${MOST_FILTERS} filters`);
  let parts = 0;
  for (const { contents } of filters) {
    if (contents?.what) parts += Math.max(1, contents.what.include.length + contents.what.exclude.length);
    for (const { changed: changes, added, removed } of contents?.triggers ?? []) parts += changes.length + added.length + removed.length;
  }
  if (parts > MOST_PARTS) throw new FilterError(`more than ${MOST_PARTS} parts in all filters`);
}

/**
 * The filter that the notifier of a resource of another domain is to apply: the resource's own, or else its domain's (RFC 4660 4.1). That of
 * nobody else goes there: it would tell who else is in the list (8).
 */
export function filterForNotifier(filters: readonly KeptFilter[], resource: string): KeptFilter | undefined {
  const enabled = filters.filter(({ enabled: on }) => on);
  const host = addressHost(resource);
  const own = enabled.find(({ uri, domain }) => domain === undefined && uri === resource);
  return own ?? enabled.find(({ domain }) => domain !== undefined && domain === host);
}

/**
 * What filters a resource in a subscription to `subscribed`: its own filter before that of its domain, and for members of a list that
 * before the list's (RFC 4660 3.3.2, 3.3.3). A filter that is disabled is as good as none (5.3).
 */
export function filterFor(filters: readonly KeptFilter[], resource: string, subscribed: string): FilterContents | undefined {
  const enabled = filters.filter(({ enabled: on }) => on);
  const own = enabled.find(({ uri = subscribed, domain }) => domain === undefined && uri === resource);
  const host = addressHost(resource);
  const ofDomain = own ?? enabled.find(({ domain }) => domain !== undefined && domain === host);
  return (ofDomain ?? enabled.find(({ uri = subscribed, domain }) => domain === undefined && uri === subscribed))?.contents;
}
