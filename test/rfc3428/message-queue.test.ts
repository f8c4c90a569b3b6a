import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SqliteStateStore } from '../../server/storage/sqlite/state.ts';
import { MessageQueue, type QueueLimits } from '../../sip/services/message-queue.ts';
import type { QueuedMessage } from '../../sip/services/queued-message.ts';
import { TimerWheel } from '../../sip/transport/timer-wheel.ts';

const BOB = 'sip:bob@example.com';
const LIMITS: QueueLimits = { perUser: 5, messageBytes: 2000, userBytes: 4000, totalBytes: 6000 };

let directory: string;
let state: SqliteStateStore;
let wheel: TimerWheel;
let now: number;
let users: Set<string>;

const openState = () => new SqliteStateStore(join(directory, 'state.db'), pino({ level: 'silent' }));

function openQueue(limits: QueueLimits = LIMITS): MessageQueue {
  const queue = new MessageQueue({ state, wheel, limits, now: () => now, hasUser: (address) => users.has(address) });
  queue.restore();
  return queue;
}

function message(id: string, parts: Partial<QueuedMessage> = {}): QueuedMessage {
  const fields = [
    ['From', '<sip:alice@example.com>;tag=a'],
    ['Call-ID', id],
    ['CSeq', '1 MESSAGE'],
  ] as const;
  return { recipient: BOB, sender: 'sip:alice@example.com', fields, body: '', expiresAt: now + 60_000, ...parts };
}

const idOf = (queued: QueuedMessage | undefined) => queued?.fields.find(([name]) => name === 'Call-ID')?.[1];

/** What waits, in order; empties the queue. */
function drain(queue: MessageQueue, recipient = BOB): (string | undefined)[] {
  const ids: (string | undefined)[] = [];
  for (let next = queue.first(recipient); next; next = queue.first(recipient)) {
    ids.push(idOf(next));
    queue.remove(next);
  }
  return ids;
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'rollcall-queue-'));
  state = openState();
  wheel = new TimerWheel((error) => {
    throw error;
  });
  now = Date.now();
  users = new Set([BOB, 'sip:carol@example.com']);
});
afterEach(() => {
  wheel.close();
  state.close();
  rmSync(directory, { recursive: true });
});

describe('RFC 3428 7: messages that wait for their recipient', () => {
  it('are given in the order in which they came, and again in that order after a restart', () => {
    const queue = openQueue();
    // Enough that an order by text would show: "10" stands before "9".
    const ids = Array.from({ length: 12 }, (_, i) => `id-${i}`);
    const wide = openQueue({ perUser: 100, messageBytes: 2000, userBytes: 100_000, totalBytes: 100_000 });
    for (const id of ids) expect(wide.put(message(id))).toBe('queued');
    state.close();
    state = openState();
    expect(drain(openQueue())).toEqual(ids);
    expect(queue.has(BOB)).toBe(false);
  });

  it('are gone for good once removed', () => {
    const queue = openQueue();
    for (const id of ['a', 'b']) queue.put(message(id));
    const first = queue.first(BOB);
    if (first) queue.remove(first);
    state.close();
    state = openState();
    expect(drain(openQueue())).toEqual(['b']);
  });

  it('new ones stand behind those of an earlier run', () => {
    openQueue().put(message('old'));
    state.close();
    state = openState();
    const queue = openQueue();
    queue.put(message('new'));
    expect(drain(queue)).toEqual(['old', 'new']);
  });

  it('are bounded in number, in bytes of one, of one user, and of all', () => {
    const queue = openQueue();
    const large = 'x'.repeat(1500);
    expect(queue.put(message('too-large', { body: 'x'.repeat(2000) }))).toBe('too-large');
    expect([queue.put(message('1', { body: large })), queue.put(message('2', { body: large }))]).toEqual(['queued', 'queued']);
    expect(queue.put(message('3', { body: large }))).toBe('full');
    expect(queue.put(message('4', { body: large, recipient: 'sip:carol@example.com' }))).toBe('queued');
    expect(queue.put(message('5', { body: large, recipient: 'sip:carol@example.com' }))).toBe('full');
    const narrow = openQueue({ ...LIMITS, perUser: 2 });
    expect(narrow.put(message('6'))).toBe('full');
    // Room is made by what goes.
    expect(drain(queue)).toEqual(['1', '2']);
    expect(queue.put(message('7', { body: large, recipient: 'sip:carol@example.com' }))).toBe('queued');
    expect(queue.counts.messages).toBe(2);
    drain(queue, 'sip:carol@example.com');
    expect(queue.counts).toEqual({ messages: 0, bytes: 0 });
  });

  it('keeps none where the setting says so', () => {
    expect(openQueue({ ...LIMITS, perUser: 0 }).put(message('a'))).toBe('full');
  });

  it('do not multiply when one comes round again', () => {
    const queue = openQueue();
    expect(queue.put(message('a'))).toBe('queued');
    expect(queue.put(message('a'))).toBe('known');
    expect(queue.put(message('a', { recipient: 'sip:carol@example.com' }))).toBe('queued');
  });

  it('expire each at its time, and whoever asks is told', () => {
    const queue = openQueue();
    const told: (string | undefined)[] = [];
    queue.onExpired((expired) => told.push(idOf(expired)));
    queue.put(message('short', { expiresAt: now + 1000 }));
    queue.put(message('long', { expiresAt: now + 9000 }));
    now += 1000;
    expect(idOf(queue.first(BOB))).toBe('long');
    expect(told).toEqual(['short']);
    state.close();
    state = openState();
    now += 9000;
    expect(openQueue().has(BOB)).toBe(false);
  });

  it('expire without anybody asking', async () => {
    const queue = openQueue();
    const told = new Promise((resolve) => queue.onExpired((expired) => resolve(idOf(expired))));
    now = Date.now();
    queue.put(message('short', { expiresAt: now + 50 }));
    now += 50;
    expect(await told).toBe('short');
    expect(queue.has(BOB)).toBe(false);
  });

  it('go with the account of their recipient', () => {
    const queue = openQueue();
    queue.put(message('a'));
    users.delete(BOB);
    queue.usersChanged();
    expect(queue.counts).toEqual({ messages: 0, bytes: 0 });
    users.add(BOB);
    queue.put(message('b'));
    users.delete(BOB);
    state.close();
    state = openState();
    expect(openQueue().has(BOB)).toBe(false);
  });
});
