/**
 * Messages for users who cannot be reached now (RFC 3428 7: a message relay). Each user has a queue, oldest first, in memory and in the
 * state store; whoever puts a message answers 202 only when `StateStore.afterCommit` says that it would survive a crash.
 */
import type { StateStore, StateTable } from '../core/state-store.ts';
import type { Timer, TimerWheel } from '../transport/timer-wheel.ts';
import type { QueuedMessage } from './queued-message.ts';

export interface QueueLimits {
  /** Messages that wait for one user; 0 keeps none at all. */
  readonly perUser: number;
  /** Bytes of one message, of all of one user's, and of all there are; header fields and body as they are kept. */
  readonly messageBytes: number;
  readonly userBytes: number;
  readonly totalBytes: number;
}

export interface MessageQueueOptions {
  readonly state: StateStore;
  readonly wheel: TimerWheel;
  readonly limits: QueueLimits;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Is the canonical address a user here? */
  hasUser(address: string): boolean;
}

/** Why a message was not taken; `known` is one that waits already, so that a message that comes round again does not multiply. */
export type PutResult = 'queued' | 'known' | 'full' | 'too-large';

/** A message in its place. */
export interface WaitingEntry {
  /** Rises with every message: the lower, the older. */
  readonly order: number;
  readonly message: QueuedMessage;
  readonly bytes: number;
}

interface Entry extends WaitingEntry {
  /** Tells one message of a user from another (RFC 3261 8.2.2.2). */
  readonly identity: string;
}

interface Queue {
  entries: Entry[];
  readonly identities: Set<string>;
  bytes: number;
  /** Runs out with the message that expires first. */
  timer: Timer | undefined;
}

/** What an entry, and each field of it, costs beside its text, about. */
const OVERHEAD = 200;
const FIELD_OVERHEAD = 64;

export class MessageQueue {
  private readonly options: MessageQueueOptions;
  private readonly table: StateTable<QueuedMessage>;
  private readonly queues = new Map<string, Queue>();
  private order = 0;
  private totalBytes = 0;
  private strangersBytes = 0;
  private expired: (message: QueuedMessage) => void = () => {};
  private readonly expire = (recipient: string): void => this.dropExpired(recipient);

  constructor(options: MessageQueueOptions) {
    this.options = options;
    this.table = options.state.table('messages');
  }

  /** Told of each message whose time ran out before it could be delivered. */
  onExpired(listener: (message: QueuedMessage) => void): void {
    this.expired = listener;
  }

  /** Brings back the messages of an earlier run, in their order. */
  restore(): void {
    const records = [...this.table.load()].map(([id, message]): [number, QueuedMessage] => [Number(id), message]);
    for (const [order, message] of records.sort(([a], [b]) => a - b)) {
      this.order = Math.max(this.order, order);
      if (!this.options.hasUser(message.recipient)) this.table.delete(String(order));
      else this.hold({ order, message, bytes: sizeOf(message), identity: identityOf(message) });
    }
    for (const recipient of [...this.queues.keys()]) this.dropExpired(recipient);
  }

  /** Users for whom messages wait. */
  recipients(): string[] {
    return [...this.queues.keys()];
  }

  has(recipient: string): boolean {
    return this.queues.has(recipient);
  }

  /** What waits for the user, oldest first. */
  waiting(recipient: string): readonly WaitingEntry[] {
    this.dropExpired(recipient);
    return [...(this.queues.get(recipient)?.entries ?? [])];
  }

  /** Number and bytes of what waits for each user. */
  counted(): { readonly user: string; readonly messages: number; readonly bytes: number }[] {
    return [...this.queues].map(([user, { entries, bytes }]) => ({ user, messages: entries.length, bytes }));
  }

  /** Number and bytes of all messages that wait. */
  get counts(): { readonly messages: number; readonly bytes: number } {
    let messages = 0;
    for (const { entries } of this.queues.values()) messages += entries.length;
    return { messages, bytes: this.totalBytes };
  }

  /** What `put` would say. */
  accepts(message: QueuedMessage): PutResult {
    const { limits } = this.options;
    const bytes = sizeOf(message);
    const queue = this.queues.get(message.recipient);
    if (queue?.identities.has(identityOf(message))) return 'known';
    if (bytes > limits.messageBytes) return 'too-large';
    if ((queue?.entries.length ?? 0) >= limits.perUser) return 'full';
    if (isStrangers(message) && !this.hasRoomForStranger(queue, bytes)) return 'full';
    return (queue?.bytes ?? 0) + bytes > limits.userBytes || this.totalBytes + bytes > limits.totalBytes ? 'full' : 'queued';
  }

  /** Takes the message in as the newest of its recipient. */
  put(message: QueuedMessage): PutResult {
    const result = this.accepts(message);
    if (result !== 'queued') return result;
    const entry: Entry = { order: ++this.order, message, bytes: sizeOf(message), identity: identityOf(message) };
    this.hold(entry);
    this.table.put(String(entry.order), message);
    this.schedule(message.recipient);
    return result;
  }

  /** Those whom nobody vouches for get half of everything, all of them together: users of ours must not be shut out by them. */
  private hasRoomForStranger(queue: Queue | undefined, bytes: number): boolean {
    const { limits } = this.options;
    const own = queue?.entries.filter(({ message }) => isStrangers(message)) ?? [];
    const held = own.reduce((sum, entry) => sum + entry.bytes, 0);
    if (own.length >= Math.ceil(limits.perUser / 2) || held + bytes > limits.userBytes / 2) return false;
    return this.strangersBytes + bytes <= limits.totalBytes / 2;
  }

  /** The oldest message that waits for the user and has not expired. */
  first(recipient: string): QueuedMessage | undefined {
    this.dropExpired(recipient);
    return this.queues.get(recipient)?.entries[0]?.message;
  }

  /** Takes out a message that `first` gave: it is delivered, or will never be. */
  remove(message: QueuedMessage): void {
    const queue = this.queues.get(message.recipient);
    const index = queue?.entries.findIndex((entry) => entry.message === message) ?? -1;
    if (queue === undefined || index < 0) return;
    for (const entry of queue.entries.splice(index, 1)) this.forget(queue, entry);
    this.schedule(message.recipient);
  }

  /** Accounts have come or gone: what waits for who is no user any more goes. */
  usersChanged(): void {
    for (const [recipient, queue] of [...this.queues]) {
      if (this.options.hasUser(recipient)) continue;
      for (const entry of queue.entries.splice(0)) this.forget(queue, entry);
      this.schedule(recipient);
    }
  }

  private hold(entry: Entry): void {
    const { recipient } = entry.message;
    const queue = this.queues.get(recipient) ?? { entries: [], identities: new Set(), bytes: 0, timer: undefined };
    queue.entries.push(entry);
    queue.identities.add(entry.identity);
    queue.bytes += entry.bytes;
    this.totalBytes += entry.bytes;
    if (isStrangers(entry.message)) this.strangersBytes += entry.bytes;
    this.queues.set(recipient, queue);
  }

  private forget(queue: Queue, entry: Entry): void {
    queue.identities.delete(entry.identity);
    queue.bytes -= entry.bytes;
    this.totalBytes -= entry.bytes;
    if (isStrangers(entry.message)) this.strangersBytes -= entry.bytes;
    this.table.delete(String(entry.order));
  }

  private dropExpired(recipient: string): void {
    const queue = this.queues.get(recipient);
    if (queue === undefined) return;
    const now = this.options.now();
    const dead = queue.entries.filter(({ message }) => message.expiresAt <= now);
    if (dead.length > 0) {
      queue.entries = queue.entries.filter(({ message }) => message.expiresAt > now);
      for (const entry of dead) this.forget(queue, entry);
    }
    this.schedule(recipient);
    for (const { message } of dead) this.expired(message);
  }

  private schedule(recipient: string): void {
    const { wheel, now } = this.options;
    const queue = this.queues.get(recipient);
    if (queue === undefined) return;
    if (queue.entries.length === 0) {
      if (queue.timer !== undefined) wheel.cancel(queue.timer);
      this.queues.delete(recipient);
      return;
    }
    const soonest = queue.entries.reduce((least, { message }) => Math.min(least, message.expiresAt), Number.POSITIVE_INFINITY);
    const delay = Math.max(0, soonest - now());
    if (queue.timer !== undefined) wheel.reschedule(queue.timer, delay);
    else queue.timer = wheel.schedule(delay, this.expire, recipient);
  }
}

function isStrangers({ sender }: QueuedMessage): boolean {
  return sender === '';
}

function sizeOf({ fields, body }: QueuedMessage): number {
  return fields.reduce((sum, [name, value]) => sum + name.length + value.length + FIELD_OVERHEAD, body.length + OVERHEAD);
}

function identityOf({ fields }: QueuedMessage): string {
  const value = (name: string): string => fields.find(([field]) => field === name)?.[1] ?? '';
  return `${value('Call-ID')} ${value('CSeq')} ${/;\s*tag=([^;\s]+)/i.exec(value('From'))?.[1] ?? ''}`;
}
