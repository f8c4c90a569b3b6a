import { XCAP_DIFF } from '../../schemas/xcap-diff.ts';
import { schemaViolations } from '../../schemas/xml/validate.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import type { SubscribeOptions } from '../helpers/sip-peer-options.ts';
import type { Notification, Subscription } from '../helpers/sip-subscription.ts';
import type { XcapClient } from '../helpers/xcap-client.ts';
import { type DiffDocument, readXcapDiff, type XcapDiffClient } from '../helpers/xcap-diff-client.ts';
import type { Stage } from '../scenarios/stage.ts';

export const LISTS_TYPE: readonly [string, string] = ['Content-Type', 'application/resource-lists+xml'];
export const LISTS = 'urn:ietf:params:xml:ns:resource-lists';

/** The body of a SUBSCRIBE (RFC 5875 4.4). */
export function resources(...uris: readonly string[]): string {
  const entries = uris.map((uri) => `<entry uri="${uri.replaceAll('&', '&amp;').replaceAll('"', '&quot;')}"/>`);
  return `<resource-lists xmlns="${LISTS}"><list>${entries.join('')}</list></resource-lists>`;
}

export function eventOf(mode: string | undefined): string {
  return mode === undefined ? 'xcap-diff' : `xcap-diff;diff-processing=${mode}`;
}

export function watchResources(
  peer: SipPeer,
  mode: string | undefined,
  uris: readonly string[],
  options: SubscribeOptions = {},
): Promise<Subscription> {
  return peer.subscribe(peer.address, { event: eventOf(mode), headers: [LISTS_TYPE], body: resources(...uris), ...options });
}

/** The next notification, which must be valid. */
export async function nextDiff(subscription: Subscription, timeout?: number): Promise<DiffDocument & { readonly body: string }> {
  const { body } = valid(await subscription.notify(undefined, timeout));
  return { ...readXcapDiff(body), body };
}

export function valid(notification: Notification): Notification {
  const violations = schemaViolations(XCAP_DIFF, notification.body);
  if (violations.length > 0) throw new Error(`${JSON.stringify(violations)}\n${notification.body}`);
  return notification;
}

/** Documents as `[sel, previous, new, operations]`, nodes as `[sel, content]` or `[sel, false]`. */
export function told({ diffs }: DiffDocument): unknown[] {
  return diffs.map(({ kind, sel, previousEtag, newEtag, operations, exists, content }) =>
    kind === 'document' ? [sel, previousEtag, newEtag, operations.join(' ')] : [sel, exists && content],
  );
}

export const pathOf = (stage: Stage, user: string, name = 'index', auid = 'resource-lists'): string =>
  `${auid}/users/${stage.address(user)}/${name}`;

export function listDocument(...uris: readonly string[]): string {
  const entries = uris.map((uri) => `\n    <entry uri="${uri}"/>`).join('');
  return `<?xml version="1.0" encoding="UTF-8"?>\n<resource-lists xmlns="${LISTS}">\n  <list name="friends">${entries}\n  </list>\n</resource-lists>\n`;
}

/** Writes a document (or with undefined removes it) and gives its entity tag without quotes. */
export async function write(xcap: XcapClient, path: string, text: string | undefined): Promise<string> {
  const response = await (text === undefined ? xcap.delete(`/${path}`) : xcap.put(`/${path}`, text));
  if (response.status >= 300) throw new Error(`${path}: ${response.status} ${response.body}`);
  return response.etag.replaceAll('"', '');
}

/** Has the client fetch all that it knows only by entity tag. */
export async function fetchAll(client: XcapDiffClient, xcap: XcapClient): Promise<void> {
  for (const [sel, { text }] of client.documents) {
    if (text !== undefined) continue;
    const response = await xcap.get(`/${sel}`);
    client.fetched(sel, response.etag.replaceAll('"', ''), response.body);
  }
}
