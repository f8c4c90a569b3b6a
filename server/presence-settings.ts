import { oneOf, type Setting } from './setting-values.ts';

/** What an admin sets about presence. */
export interface PresenceConfig {
  /** Are users present where they are registered, as long as they publish nothing? */
  readonly presenceFromRegistrations: 'no' | 'yes';
  /** May those who give no name ask for presence? */
  readonly anonymousWatchers: 'refuse' | 'accept';
  /** May watchers ask for watcher information about their own subscriptions? */
  readonly ownWatcherinfo: 'refuse' | 'allow';
}

export const PRESENCE_KEYS: readonly Setting<keyof PresenceConfig>[] = [
  {
    name: 'presence-from-registrations',
    field: 'presenceFromRegistrations',
    placeholder: 'no|yes',
    list: false,
    default: 'no',
    meaning: 'whether users who publish no presence are told to be open at each contact that they have registered',
    read: oneOf(['no', 'yes']),
  },
  {
    name: 'anonymous-watchers',
    field: 'anonymousWatchers',
    placeholder: 'refuse|accept',
    list: false,
    default: 'refuse',
    meaning:
      'whether agents may subscribe without a name, by the user name anonymous and an empty password; rules for everyone, an empty identity and anonymous-request decide about them',
    read: oneOf(['refuse', 'accept']),
  },
  {
    name: 'own-watcherinfo',
    field: 'ownWatcherinfo',
    placeholder: 'refuse|allow',
    list: false,
    default: 'refuse',
    meaning: 'whether watchers may monitor their own subscriptions by winfo, of which otherwise only the user whom it is about is told',
    read: oneOf(['refuse', 'allow']),
  },
];
