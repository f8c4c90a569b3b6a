import type { RemoteMembers } from '../sip/rls/back-end-subscriptions.ts';
import type { ListSettings } from '../sip/rls/resource-lists.ts';
import { oneOf, type Setting, wholeNumber } from './setting-values.ts';

/** What an admin sets about lists. */
export interface ListConfig {
  /** Least time between two notifications of changes in one list subscription, in milliseconds. */
  readonly listInterval: number;
  /** Bytes of the members' states in one notification. */
  readonly listNotifySize: number;
  readonly listRemoteMembers: RemoteMembers;
}

const REMOTE_MEMBERS = ['off', 'next-hops', 'all'] as const satisfies readonly RemoteMembers[];

export const LIST_KEYS: readonly Setting<keyof ListConfig>[] = [
  {
    name: 'list-interval',
    field: 'listInterval',
    placeholder: 'MILLISECONDS',
    list: false,
    default: '50',
    meaning:
      'least time between two notifications of changes in one subscription to a list; what happens meanwhile comes in one; 0 tells of each change at once',
    read: wholeNumber(0, 60_000, 'milliseconds'),
  },
  {
    name: 'list-notify-size',
    field: 'listNotifySize',
    placeholder: 'BYTES',
    list: false,
    default: '56000',
    meaning: "how much of its members' state one notification of a list holds; the rest comes in further ones",
    read: wholeNumber(1000, 1_000_000, 'bytes'),
  },
  {
    name: 'list-remote-members',
    field: 'listRemoteMembers',
    placeholder: REMOTE_MEMBERS.join('|'),
    list: false,
    default: 'next-hops',
    meaning:
      "whose members of other domains are subscribed to there in the watcher's name: nobody's, those of domains with a next hop, or all",
    read: oneOf(REMOTE_MEMBERS),
  },
];

/** The settings as the resource list server takes them. */
export function listSettings({ listInterval, listNotifySize, listRemoteMembers }: ListConfig): ListSettings {
  return { interval: listInterval, bodyRoom: listNotifySize, remoteMembers: listRemoteMembers };
}
