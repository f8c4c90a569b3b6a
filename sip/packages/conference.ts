/** Event package conference (RFC 4575): a conference as its focus publishes it, told whole to those who are in it. */
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
      if (!conference || (!full && watch.memo === conference)) return undefined;
      watch.memo = conference;
      return { contentType: CONFERENCE_INFO_TYPE, bytes: Buffer.from(writeConferenceInfo(version, conference), 'utf8') };
    },
    forget() {},
  };
}
