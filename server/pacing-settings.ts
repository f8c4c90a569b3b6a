import type { PacingSettings } from '../sip/events/notify-pacing.ts';
import { type Setting, wholeNumber } from './setting-values.ts';

/** What an admin sets about how often watchers are told; in seconds. */
export interface PacingConfig {
  readonly presenceInterval: number;
  readonly winfoInterval: number;
  readonly forcedInterval: number;
}

export const PACING_KEYS: readonly Setting<keyof PacingConfig>[] = [
  {
    name: 'presence-interval',
    field: 'presenceInterval',
    placeholder: 'SECONDS',
    list: false,
    default: '0',
    meaning:
      "least time between two notifications of one user's presence in one subscription (RFC 3856 6.10 recommends 5); 0 tells of each change at once",
    read: wholeNumber(0, 3600, 'seconds'),
  },
  {
    name: 'winfo-interval',
    field: 'winfoInterval',
    placeholder: 'SECONDS',
    list: false,
    default: '5',
    meaning: 'the same of watcher information (RFC 3857 4.10); what has changed meanwhile comes together',
    read: wholeNumber(0, 3600, 'seconds'),
  },
  {
    name: 'forced-interval',
    field: 'forcedInterval',
    placeholder: 'SECONDS',
    list: false,
    default: '5',
    meaning:
      'least time between notifications that a watcher wants without a change (min-rate and adaptive-min-rate of RFC 6446); 0: as often as it likes',
    read: wholeNumber(0, 3600, 'seconds'),
  },
];

export function pacingSettings({ presenceInterval, winfoInterval, forcedInterval }: PacingConfig): PacingSettings {
  return { presence: presenceInterval * 1000, winfo: winfoInterval * 1000, forced: forcedInterval * 1000 };
}
