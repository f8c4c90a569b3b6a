import { type ReadPidf, readPidf } from '../helpers/pidf-reader.ts';
import { type ReadListState, readListState } from '../helpers/rlmi-reader.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import type { SubscribeOptions } from '../helpers/sip-peer-options.ts';
import type { Notification, Subscription } from '../helpers/sip-subscription.ts';
import { type ReadWatcherinfo, readWatcherinfo } from '../helpers/watcherinfo-reader.ts';
import {
  buddiesDocument,
  buddiesPath,
  type Handling,
  rule,
  rulesDocument,
  rulesPath,
  servicesDocument,
  servicesPath,
} from './documents.ts';
import type { Stage } from './stage.ts';

/** How a watcher asks for its list. */
export const LIST_SUBSCRIPTION: SubscribeOptions = {
  supported: ['eventlist'],
  accept: ['application/pidf+xml', 'application/rlmi+xml', 'multipart/related'],
  expires: 3600,
};

/** Writes the owner's buddy list, and the service `sip:OWNER-list@domain` that serves it; gives the service's URI. */
export async function writeBuddyList(stage: Stage, owner: string, buddies: readonly string[]): Promise<string> {
  const xcap = await stage.xcap(owner);
  const entries = buddies.map((name) => ({ uri: stage.address(name), name }));
  const service = stage.address(`${owner}-list`);
  stage.equal((await xcap.put(buddiesPath(owner), buddiesDocument(owner, entries))).status, 201, `${owner}'s buddy list is stored`);
  const stored = await xcap.put(servicesPath(owner), servicesDocument(service, stage.root, owner));
  stage.equal(stored.status, 201, `${owner}'s list service is stored`);
  return service;
}

/** Writes a rules document with one rule `a` for these watchers. */
export async function writeRules(stage: Stage, presentity: string, handling: Handling, watchers: readonly string[]): Promise<void> {
  const xcap = await stage.xcap(presentity);
  const addresses = watchers.map((name) => stage.address(name));
  const stored = await xcap.put(rulesPath(presentity), rulesDocument(rule('a', handling, addresses)));
  stage.expect(stored.status === 201 || stored.status === 200, `${presentity}'s rules are stored`);
}

/** The NOTIFY is active and carries this user's presence. */
export function expectPresence(stage: Stage, notification: Notification, user: string): ReadPidf {
  stage.equal(notification.state, 'active', `the NOTIFY about ${user} is active`);
  stage.equal(notification.type, 'application/pidf+xml', 'its body is application/pidf+xml');
  const document = readPidf(notification.body);
  stage.equal(document.entity, stage.address(user), `the document is about ${user}`);
  return document;
}

/** What all tuples say, in order: `open`, `closed`, `open+open`. */
export function basics(document: ReadPidf | undefined): string {
  return document?.tuples.map((tuple) => tuple.basic).join('+') ?? 'nothing';
}

/** Subscribes to a list and takes the first NOTIFY. */
export async function watchList(
  stage: Stage,
  watcher: SipPeer,
  service: string,
): Promise<{ subscription: Subscription; state: ReadListState }> {
  const subscription = await watcher.subscribe(service, LIST_SUBSCRIPTION);
  stage.equal(subscription.response.status, 200, `${watcher.name}'s subscription to the list is accepted`);
  return { subscription, state: readListState(await subscription.notify()) };
}

/** Subscribes to a presentity's presence.winfo and takes the first NOTIFY. */
export async function watchWatchers(stage: Stage, presentity: SipPeer): Promise<{ subscription: Subscription; state: ReadWatcherinfo }> {
  const subscription = await presentity.subscribe(presentity.address, {
    event: 'presence.winfo',
    accept: ['application/watcherinfo+xml'],
    expires: 3600,
  });
  stage.equal(subscription.response.status, 200, `${presentity.name} may watch its watchers`);
  const state = readWatcherinfo((await subscription.notify()).body);
  stage.equal([state.version, state.state], [0, 'full'], 'the first watcherinfo is version 0 and full');
  stage.equal([state.resource, state.package], [presentity.address, 'presence'], `it is about the presence of ${presentity.name}`);
  return { subscription, state };
}

/** The watchers of a watcherinfo document with one user's address. */
export function watchersNamed(stage: Stage, state: ReadWatcherinfo, user: string): { status: string; event: string }[] {
  return state.watchers.filter((watcher) => watcher.uri === stage.address(user)).map(({ status, event }) => ({ status, event }));
}

/** The single instance of a resource in a list state. */
export function instanceOf(stage: Stage, state: ReadListState, user: string): ReadListState['resources'][number]['instances'][number] {
  const instances = state.resource(stage.address(user))?.instances ?? [];
  const [instance] = instances;
  if (instance && instances.length === 1) return instance;
  throw stage.failure(`${user} stands in the list with one instance, not ${instances.length}`);
}

/** The list state tells that a user left the list: it is whole and without the user, or says that the instances ended (RFC 4662 4.5). */
export function isDropped(stage: Stage, state: ReadListState, user: string): boolean {
  const resource = state.resource(stage.address(user));
  if (!resource) return state.fullState;
  return resource.instances.length > 0 && resource.instances.every((instance) => instance.state === 'terminated');
}
