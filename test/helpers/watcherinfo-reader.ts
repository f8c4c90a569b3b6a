import { childrenNamed, expectElement, readXml, requiredAttribute, type XmlElement } from './xml-reader.ts';

const WATCHERINFO = 'urn:ietf:params:xml:ns:watcherinfo';
const STATUSES = ['pending', 'active', 'waiting', 'terminated'];
const EVENTS = ['subscribe', 'approved', 'deactivated', 'probation', 'rejected', 'timeout', 'giveup', 'noresource'];

export interface ReadWatcher {
  readonly id: string;
  readonly uri: string;
  readonly status: string;
  readonly event: string;
  readonly displayName?: string;
  /** Seconds; undefined where the document does not tell. */
  readonly durationSubscribed?: number;
  readonly expiration?: number;
}

export interface ReadWatcherinfo {
  readonly version: number;
  readonly state: string;
  readonly resource: string;
  readonly package: string;
  readonly watchers: readonly ReadWatcher[];
}

/** Reads a watcherinfo document with one watcher list (RFC 3858 4), throwing on anything the format forbids. */
export function readWatcherinfo(text: string): ReadWatcherinfo {
  const root = readXml(text);
  expectElement(root, WATCHERINFO, 'watcherinfo');
  const state = requiredAttribute(root, 'state');
  if (state !== 'full' && state !== 'partial') throw new Error(`state is "${state}"`);
  const version = requiredAttribute(root, 'version');
  if (!/^\d+$/.test(version)) throw new Error(`version is "${version}"`);
  const [list, ...more] = childrenNamed(root, WATCHERINFO, 'watcher-list');
  if (!list || more.length > 0) throw new Error(`expected one <watcher-list>\n${text}`);
  const watchers = childrenNamed(list, WATCHERINFO, 'watcher').map(readWatcher);
  const ids = watchers.map((watcher) => watcher.id);
  if (new Set(ids).size !== ids.length) throw new Error(`watcher ids are not unique: ${ids.join(', ')}`);
  return {
    version: Number(version),
    state,
    resource: requiredAttribute(list, 'resource'),
    package: requiredAttribute(list, 'package'),
    watchers,
  };
}

function readWatcher(element: XmlElement): ReadWatcher {
  const status = requiredAttribute(element, 'status');
  const event = requiredAttribute(element, 'event');
  if (!STATUSES.includes(status)) throw new Error(`watcher status is "${status}"`);
  if (!EVENTS.includes(event)) throw new Error(`watcher event is "${event}"`);
  const expiration = element.attributes.get('expiration');
  if (expiration !== undefined && !/^\d+$/.test(expiration)) throw new Error(`watcher expiration is "${expiration}"`);
  const duration = element.attributes.get('duration-subscribed');
  if (duration !== undefined && !/^\d+$/.test(duration)) throw new Error(`watcher duration-subscribed is "${duration}"`);
  const displayName = element.attributes.get('display-name');
  return {
    id: requiredAttribute(element, 'id'),
    uri: element.text,
    status,
    event,
    ...(displayName === undefined ? {} : { displayName }),
    ...(duration === undefined ? {} : { durationSubscribed: Number(duration) }),
    ...(expiration === undefined ? {} : { expiration: Number(expiration) }),
  };
}
