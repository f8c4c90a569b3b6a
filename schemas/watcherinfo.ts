/** Watcher information (RFC 3858). */
import { oneOf, required, requiredNumber, wholeNumber } from './xml/attributes.ts';
import { escapeAttribute, escapeText } from './xml/escape.ts';
import { XmlError } from './xml/parse.ts';
import { attribute, childrenNamed, textContent, type XmlDocument, type XmlElement } from './xml/tree.ts';

export const WATCHERINFO = 'urn:ietf:params:xml:ns:watcherinfo';
export const WATCHERINFO_TYPE = 'application/watcherinfo+xml';

const STATUSES = ['pending', 'active', 'waiting', 'terminated'] as const;
export type WatcherStatus = (typeof STATUSES)[number];

const EVENTS = ['subscribe', 'approved', 'deactivated', 'probation', 'rejected', 'timeout', 'giveup', 'noresource'] as const;
/** What moved the subscription into its status (RFC 3857 4.7.1). */
export type WatcherEvent = (typeof EVENTS)[number];

export interface Watcherinfo {
  /** 0 in the first document of a subscription, then one more each time (RFC 3858 4). */
  readonly version: number;
  readonly state: 'full' | 'partial';
  readonly lists: readonly WatcherList[];
}

export interface WatcherList {
  /** URI of what is watched. */
  readonly resource: string;
  /** Event package, e.g. `presence`. */
  readonly package: string;
  readonly watchers: readonly Watcher[];
}

export interface Watcher {
  /** A token, unique within the watcherinfo subscription. */
  readonly id: string;
  readonly uri: string;
  readonly displayName?: string | undefined;
  readonly status: WatcherStatus;
  readonly event: WatcherEvent;
  /** Whole seconds until the subscription ends. */
  readonly expiration?: number | undefined;
  /** Whole seconds since it was made. */
  readonly durationSubscribed?: number | undefined;
}

/** Writes the document (RFC 3858 3). */
export function writeWatcherinfo({ version, state, lists }: Watcherinfo): string {
  let out = `<?xml version="1.0" encoding="UTF-8"?>\n<watcherinfo xmlns="${WATCHERINFO}" version="${version}" state="${state}">\n`;
  for (const list of lists) {
    out += `<watcher-list resource="${escapeAttribute(list.resource)}" package="${escapeAttribute(list.package)}">\n`;
    for (const watcher of list.watchers) out += writeWatcher(watcher);
    out += '</watcher-list>\n';
  }
  return `${out}</watcherinfo>\n`;
}

function writeWatcher({ id, uri, displayName, status, event, expiration, durationSubscribed }: Watcher): string {
  let out = `<watcher id="${escapeAttribute(id)}" status="${status}" event="${event}"`;
  if (displayName !== undefined) out += ` display-name="${escapeAttribute(displayName)}"`;
  if (expiration !== undefined) out += ` expiration="${expiration}"`;
  if (durationSubscribed !== undefined) out += ` duration-subscribed="${durationSubscribed}"`;
  return `${out}>${escapeText(uri)}</watcher>\n`;
}

/** Reads the document; elements of other namespaces are passed over. Throws XmlError for what is not watcher information. */
export function parseWatcherinfo({ root }: XmlDocument): Watcherinfo {
  if (root.local !== 'watcherinfo' || root.uri !== WATCHERINFO) {
    throw new XmlError(`the root element is {${root.uri}}${root.local}, not {${WATCHERINFO}}watcherinfo`);
  }
  return {
    version: requiredNumber(root, 'version'),
    state: oneOf(['full', 'partial'] as const, root, 'state'),
    lists: childrenNamed(root, WATCHERINFO, 'watcher-list').map((list) => ({
      resource: required(list, 'resource'),
      package: required(list, 'package'),
      watchers: childrenNamed(list, WATCHERINFO, 'watcher').map(parseWatcher),
    })),
  };
}

function parseWatcher(element: XmlElement): Watcher {
  return {
    id: required(element, 'id'),
    uri: textContent(element).trim(),
    displayName: attribute(element, 'display-name'),
    status: oneOf(STATUSES, element, 'status'),
    event: oneOf(EVENTS, element, 'event'),
    expiration: wholeNumber(element, 'expiration'),
    durationSubscribed: wholeNumber(element, 'duration-subscribed'),
  };
}
