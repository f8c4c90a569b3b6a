import { type Setting, wholeNumber } from './setting-values.ts';

/** What an admin sets about subscriptions. */
export interface SubscriptionConfig {
  /** From one address while authentication is off. */
  readonly maxSubscriptionsPerAddress: number;
  /** Seconds. */
  readonly undecidedTime: number;
  /** Seconds; 0: subscriptions outlive a stop. */
  readonly deactivateOnStop: number;
  /** Milliseconds. */
  readonly t1: number;
}

export const SUBSCRIPTION_KEYS: readonly Setting<keyof SubscriptionConfig>[] = [
  {
    name: 'max-subscriptions-per-address',
    field: 'maxSubscriptionsPerAddress',
    placeholder: 'NUMBER',
    list: false,
    default: '10000',
    meaning:
      'with `auth: none`, how many subscriptions (members of lists count) may come from one address; one more is answered 403. A proxy in front of many users may need more',
    read: wholeNumber(1, 500_000, 'subscriptions'),
  },
  {
    name: 'undecided-time',
    field: 'undecidedTime',
    placeholder: 'SECONDS',
    list: false,
    default: '604800',
    meaning:
      'how long watchers are kept about whom nobody decides: a subscription that is pending for so long ends (`terminated;reason=giveup`), and the watcher of one that ended before is remembered for so long (RFC 3857 4.7.1)',
    read: wholeNumber(1, 31_536_000, 'seconds'),
  },
  {
    name: 'deactivate-on-stop',
    field: 'deactivateOnStop',
    placeholder: 'SECONDS',
    list: false,
    default: '0',
    meaning:
      'when told to stop, tell every watcher `terminated;reason=deactivated`, so that it subscribes elsewhere (RFC 6665 4.4.2), and take this long at most; with 0 subscriptions go on after the next start',
    read: wholeNumber(0, 600, 'seconds'),
  },
  {
    name: 't1',
    field: 't1',
    placeholder: 'MILLISECONDS',
    list: false,
    default: '500',
    meaning: 'estimate of the round-trip time (RFC 3261 17.1.1.1): requests are given up after 64 times as long',
    read: wholeNumber(10, 5000, 'milliseconds'),
  },
];
