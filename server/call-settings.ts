import type { CallSettings } from '../sip/services/call-services.ts';
import { type Setting, show, wholeNumber } from './setting-values.ts';

/** What an admin sets about calls. */
export interface CallConfig {
  /** Seconds until a call counts as not answered, for users who have not set it. */
  readonly noReplyTimeout: number;
  /** Diversions of one call. */
  readonly maxDiversions: number;
  /** Calls of one user that are diverted to other domains and not answered yet. */
  readonly maxDivertedAbroad: number;
  /** Digits of telephone numbers at home, without `+`; '' when not known. */
  readonly countryCode: string;
}

export const CALL_KEYS: readonly Setting<keyof CallConfig>[] = [
  {
    name: 'no-reply-timeout',
    field: 'noReplyTimeout',
    placeholder: 'SECONDS',
    list: false,
    default: '20',
    meaning: 'how long a call rings before it is diverted for want of an answer, for users whose document does not say (NoReplyTimer)',
    read: wholeNumber(1, 180, 'seconds'),
  },
  {
    name: 'max-diversions',
    field: 'maxDiversions',
    placeholder: 'NUMBER',
    list: false,
    default: '5',
    meaning: 'how often one call may be diverted; one more is answered 480',
    read: wholeNumber(1, 10, 'diversions'),
  },
  {
    name: 'max-diverted-abroad',
    field: 'maxDivertedAbroad',
    placeholder: 'NUMBER',
    list: false,
    default: '20',
    meaning: 'how many calls of one user may ring in other domains at a time, diverted there; one more is answered 480',
    read: wholeNumber(0, 100_000, 'calls'),
  },
  {
    name: 'country-code',
    field: 'countryCode',
    placeholder: 'DIGITS',
    list: false,
    default: '',
    meaning: 'country code of numbers at home; without one every number with + or 00 is international for rules that bar such calls',
    read: (value) => {
      if (/^[1-9]\d{0,3}$/.test(String(value))) return String(value);
      throw new Error(`${show(value)} is not a country code (such as 49)`);
    },
  },
];

/** The settings as the call services take them. */
export function callSettings({ noReplyTimeout, maxDiversions, maxDivertedAbroad, countryCode }: CallConfig): CallSettings {
  return { noReplyTimeout, maxDiversions, maxDivertedAbroad, countryCode };
}
