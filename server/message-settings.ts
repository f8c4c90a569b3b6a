import type { MessageSettings } from '../sip/services/messages.ts';
import { oneOf, type Setting, wholeNumber } from './setting-values.ts';

/** What an admin sets about instant messages. */
export interface MessageConfig {
  /** Messages kept for one user; 0 keeps none. */
  readonly messageQueue: number;
  /** Bytes of one message that is kept, of all of one user, and of all there are. */
  readonly messageSize: number;
  readonly messageQueueBytes: number;
  readonly messageStoreBytes: number;
  /** Longest time that a message is kept, in seconds. */
  readonly messageExpires: number;
  /** Recipients of one message to a list. */
  readonly messageRecipients: number;
  readonly messageListsAbroad: 'no' | 'yes';
  readonly messageBlocking: 'barring' | 'presence-rules';
}

export const MESSAGE_KEYS: readonly Setting<keyof MessageConfig>[] = [
  {
    name: 'message-queue',
    field: 'messageQueue',
    placeholder: 'NUMBER',
    list: false,
    default: '200',
    meaning: 'how many messages are kept for a user who cannot be reached; 0 keeps none',
    read: wholeNumber(0, 10_000, 'messages'),
  },
  {
    name: 'message-size',
    field: 'messageSize',
    placeholder: 'BYTES',
    list: false,
    default: '65536',
    meaning: 'greatest size of a message that is kept, header fields and body in base64',
    read: wholeNumber(1024, 16 * 1024 * 1024, 'bytes'),
  },
  {
    name: 'message-queue-bytes',
    field: 'messageQueueBytes',
    placeholder: 'BYTES',
    list: false,
    default: '1048576',
    meaning: 'greatest size of all messages that are kept for one user',
    read: wholeNumber(1024, 999_999_999, 'bytes'),
  },
  {
    name: 'message-store-bytes',
    field: 'messageStoreBytes',
    placeholder: 'BYTES',
    list: false,
    default: '134217728',
    meaning: 'greatest size of all messages that are kept, which are in memory too',
    read: wholeNumber(1024, 999_999_999, 'bytes'),
  },
  {
    name: 'message-expires',
    field: 'messageExpires',
    placeholder: 'SECONDS',
    list: false,
    default: '604800',
    meaning: 'how long a message is kept at most; its own Expires may make that shorter',
    read: wholeNumber(1, 365 * 86_400, 'seconds'),
  },
  {
    name: 'message-recipients',
    field: 'messageRecipients',
    placeholder: 'NUMBER',
    list: false,
    default: '50',
    meaning: 'how many recipients one message to a list may have (RFC 5365)',
    read: wholeNumber(1, 1000, 'recipients'),
  },
  {
    name: 'message-lists-abroad',
    field: 'messageListsAbroad',
    placeholder: 'no|yes',
    list: false,
    default: 'no',
    meaning: 'whether a message to a list may have recipients in other domains',
    read: oneOf(['no', 'yes']),
  },
  {
    name: 'message-blocking',
    field: 'messageBlocking',
    placeholder: 'barring|presence-rules',
    list: false,
    default: 'barring',
    meaning: 'what keeps messages from a user: communication barring alone, or presence rules that block too',
    read: oneOf(['barring', 'presence-rules']),
  },
];

/** The settings as the message service takes them. */
export function messageSettings(config: MessageConfig): MessageSettings {
  return {
    perUser: config.messageQueue,
    messageBytes: config.messageSize,
    userBytes: config.messageQueueBytes,
    totalBytes: config.messageStoreBytes,
    expires: config.messageExpires,
    maxRecipients: config.messageRecipients,
    abroad: config.messageListsAbroad === 'yes',
    byPresenceRules: config.messageBlocking === 'presence-rules',
  };
}
