/** What waits in the message store, for the admin's eye: never what a message says. */
import { parseNameAddr } from '../message/name-addr.ts';
import { SipError } from '../message/sip-error.ts';
import type { MessageQueue, WaitingEntry } from './message-queue.ts';
import { fieldOf, type QueuedMessage } from './queued-message.ts';

export interface WaitingMessage {
  /** Names it among all that wait, over restarts too. */
  readonly id: string;
  /** Canonical address of the sender, or what From says where nobody has proved it. */
  readonly from: string;
  readonly verified: boolean;
  /** Content-Type; '' without. */
  readonly type: string;
  /** As the limits count them. */
  readonly bytes: number;
  /** Milliseconds since 1970; undefined for those that an earlier version has kept. */
  readonly receivedAt: number | undefined;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** Messages of one user. */
export interface WaitingCounts {
  /** Canonical address. */
  readonly user: string;
  readonly messages: number;
  readonly bytes: number;
}

export interface WaitingMessages {
  /** All users for whom messages wait, those with the most bytes first. */
  users(): readonly WaitingCounts[];
  /** The user's, oldest first. @param user canonical address */
  list(user: string): readonly WaitingMessage[];
  /**
   * Drops one of the user's messages, or all of them; senders who have asked to be told of failure (RFC 5438) are told.
   * @returns how many
   */
  drop(user: string, id?: string): number;
}

/**
 * @param isDelivering is the user's first message on its way to the user's phones?
 * @param dropped told of each message that was dropped and will not be delivered
 */
export function waitingMessages(
  queue: MessageQueue,
  isDelivering: (user: string) => boolean,
  dropped: (message: QueuedMessage) => void,
): WaitingMessages {
  return {
    users: () => queue.counted().toSorted((one, other) => other.bytes - one.bytes),
    list: (user) => queue.waiting(user).map(describe),
    drop(user, id) {
      const found = queue.waiting(user).filter(({ order }) => id === undefined || String(order) === id);
      const onItsWay = isDelivering(user) ? queue.first(user) : undefined;
      for (const { message } of found) {
        queue.remove(message);
        // What becomes of that the phones say.
        if (message !== onItsWay) dropped(message);
      }
      return found.length;
    },
  };
}

function describe({ order, message, bytes }: WaitingEntry): WaitingMessage {
  const { sender, receivedAt, expiresAt } = message;
  const verified = sender !== '';
  const type = fieldOf(message, 'Content-Type') ?? '';
  return { id: String(order), from: verified ? sender : claimed(message), verified, type, bytes, receivedAt, expiresAt };
}

function claimed(message: QueuedMessage): string {
  try {
    return parseNameAddr(fieldOf(message, 'From') ?? '').uri;
  } catch (error) {
    if (error instanceof SipError) return '';
    throw error;
  }
}
