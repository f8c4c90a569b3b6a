/** Event package conference (RFC 4575): a conference as its focus publishes it, told to those who are in it: whole at first, and then what changes. */
import { conferenceChanges } from '../../schemas/conference-changes.ts';
import {
  CONFERENCE_INFO_TYPE,
  type ConferenceInfo,
  mergeConferenceInfo,
  parseConferenceInfo,
  writeConferenceInfo,
} from '../../schemas/conference-info.ts';
import { decodeUtf8 } from '../../schemas/xml/parse.ts';
import type { UserDirectory } from '../core/authenticator.ts';
import type { Decision } from '../events/event-package.ts';
import type { EventStateCompositor, PublicationFormat } from '../events/event-state-compositor.ts';
import { SipError } from '../message/sip-error.ts';
import type { PublishedPackage } from './published-package.ts';

export const conferenceFormat: PublicationFormat<ConferenceInfo> = {
  eventName: 'conference',
  contentTypes: [CONFERENCE_INFO_TYPE],
  parse: (body) => mergeConferenceInfo(undefined, parseConferenceInfo(decodeUtf8(body))),
  modify(before, body) {
    const document = mergeConferenceInfo(before, parseConferenceInfo(decodeUtf8(body)));
    return { document, text: document.source };
  },
  byPeers: true,
};

const FOCUS: Decision = { handling: 'allow', view: 'whole', because: 'the focus itself' };
const ADMIN: Decision = { handling: 'allow', view: 'whole', because: 'an admin' };
const PARTICIPANT: Decision = { handling: 'allow', view: 'whole', because: 'in the conference' };
const STRANGER: Decision = { handling: 'block', view: '', because: 'not in the conference' };

/** RFC 4575 3.9: no more often than once in five seconds, in milliseconds. */
const INTERVAL = 5000;

export function conferencePackage(
  users: UserDirectory,
  compositor: EventStateCompositor<ConferenceInfo>,
): PublishedPackage<ConferenceInfo | undefined> {
  /** A conference has one focus: its newest word is all there is. */
  const conferenceAt = (resource: string): ConferenceInfo | undefined => {
    const [newest] = compositor.documents(resource);
    return newest?.state === 'deleted' ? undefined : newest;
  };
  /** Most watchers have been told the same before. */
  const made = new WeakMap<ConferenceInfo, { readonly since: ConferenceInfo; readonly changes: string | undefined }>();
  const changes = (since: ConferenceInfo, to: ConferenceInfo): string | undefined => {
    let found = made.get(to);
    if (found?.since !== since) made.set(to, (found = { since, changes: conferenceChanges(since, to) }));
    return found.changes;
  };
  return {
    name: 'conference',
    key: 'conference',
    contentTypes: [CONFERENCE_INFO_TYPE],
    // RFC 4575 3.3: an hour.
    expires: { min: 0, default: 3600, max: 86_400 },
    watcherinfo: false,
    interval: INTERVAL,
    authorize(watcher, resource, _now, aliases = []) {
      const conference = users.hasUser(resource) ? conferenceAt(resource) : undefined;
      // RFC 4575 3.3: once the conference ends, its subscriptions do, for want of a resource.
      if (!conference) throw new SipError(404, 'No conference is held there');
      if (watcher === resource) return FOCUS;
      if ([watcher, ...aliases].some((one) => conference.participants.has(one))) return PARTICIPANT;
      return users.isAdmin(watcher) ? ADMIN : STRANGER;
    },
    state: conferenceAt,
    render(conference, _decision, { watch, full, version }) {
      const known = full ? undefined : (watch.memo as ConferenceInfo | undefined);
      if (!conference || known === conference) return undefined;
      const changed = known && changes(known, conference);
      watch.memo = conference;
      if (changed === '') return undefined;
      return { contentType: CONFERENCE_INFO_TYPE, bytes: Buffer.from(writeConferenceInfo(version, conference, changed), 'utf8') };
    },
    forget() {},
  };
}
