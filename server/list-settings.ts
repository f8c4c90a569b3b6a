import type { ListSettings } from '../sip/rls/resource-lists.ts';
import { type Setting, wholeNumber } from './setting-values.ts';

/** What an admin sets about lists. */
export interface ListConfig {
  /** Least time between two notifications of changes in one list subscription, in milliseconds. */
  readonly listInterval: number;
  /** Bytes of the members' states in one notification. */
  readonly listNotifySize: number;
}

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
    default: '40000',
    meaning: "how much of its members' state one notification of a list holds; the rest comes in further ones",
    read: wholeNumber(1000, 1_000_000, 'bytes'),
  },
];

/** The settings as the resource list server takes them. */
export function listSettings({ listInterval, listNotifySize }: ListConfig): ListSettings {
  return { interval: listInterval, bodyRoom: listNotifySize };
}
