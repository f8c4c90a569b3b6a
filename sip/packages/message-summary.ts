/** Event package message-summary (RFC 3842): how many messages wait in a user's mailbox, told to the user and to admins. */
import {
  MESSAGE_SUMMARY_TYPE,
  type MessageCount,
  type MessageSummary,
  parseMessageSummary,
  writeMessageSummary,
} from '../../schemas/message-summary.ts';
import { decodeUtf8 } from '../../schemas/xml/parse.ts';
import type { UserDirectory } from '../core/authenticator.ts';
import type { Body, Decision } from '../events/event-package.ts';
import type { EventStateCompositor, PublicationFormat } from '../events/event-state-compositor.ts';
import { SipError } from '../message/sip-error.ts';
import type { PublishedPackage } from './published-package.ts';
import { StateCache } from './state-cache.ts';

export const messageSummaryFormat: PublicationFormat<MessageSummary> = {
  eventName: 'message-summary',
  contentTypes: [MESSAGE_SUMMARY_TYPE],
  parse: (body) => parseMessageSummary(decodeUtf8(body)),
  byPeers: true,
};

const OWNER: Decision = { handling: 'allow', view: 'all', because: 'their own mailbox' };
const ADMIN: Decision = { handling: 'allow', view: 'all', because: 'an admin' };
const STRANGER: Decision = { handling: 'block', view: '', because: "the mailbox is another user's" };

/** RFC 3842 3.11: no more often than once a second, in milliseconds. */
const INTERVAL = 1000;

export function messageSummaryPackage(users: UserDirectory, compositor: EventStateCompositor<MessageSummary>): PublishedPackage<Body> {
  const bodies = new StateCache<Body>((resource) => {
    const summary = composeSummaries(compositor.documents(resource));
    const text = writeMessageSummary({ ...summary, account: summary.account ?? resource });
    return { contentType: MESSAGE_SUMMARY_TYPE, bytes: Buffer.from(text, 'utf8') };
  });
  return {
    name: 'message-summary',
    key: 'message-summary',
    contentTypes: [MESSAGE_SUMMARY_TYPE],
    // RFC 3842 3.4: an hour, and up to weeks.
    expires: { min: 0, default: 3600, max: 604_800 },
    watcherinfo: false,
    interval: INTERVAL,
    authorize(watcher, resource) {
      if (!users.hasUser(resource)) throw new SipError(404, 'No such user');
      if (watcher === resource) return OWNER;
      return users.isAdmin(watcher) ? ADMIN : STRANGER;
    },
    state: (resource) => bodies.get(resource),
    render: (body) => body,
    forget: (resource) => bodies.forget(resource),
  };
}

/**
 * One summary of all that messaging systems say, newest first. The newest word on each kind of messages holds, so that a system that
 * has lost its entity-tag and publishes anew is not counted twice. Messages wait if any summary says so of which something still holds.
 */
export function composeSummaries(newestFirst: readonly MessageSummary[]): MessageSummary {
  const counts = new Map<string, MessageCount>();
  let waiting = false;
  let account: string | undefined;
  let hasBareStatus = false;
  for (const summary of newestFirst) {
    const fresh = [...summary.counts].filter(([name]) => !counts.has(name));
    const isBare = summary.counts.size === 0;
    if (fresh.length === 0 && (!isBare || hasBareStatus)) continue;
    hasBareStatus ||= isBare;
    for (const [name, count] of fresh) counts.set(name, count);
    waiting ||= summary.waiting;
    account ??= summary.account;
  }
  return { waiting, account, counts };
}
