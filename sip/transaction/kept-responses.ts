import type { Flow } from '../transport/flow.ts';
import type { Timer, TimerWheel } from '../transport/timer-wheel.ts';

/** A final response that copies of its request get again. */
export interface KeptResponse {
  readonly bytes: Buffer;
  readonly flow: Flow;
}

interface Entry {
  readonly key: string;
  /** One character a byte: a buffer would keep alive the pool's whole slab from which it was cut. */
  readonly text: string;
  readonly flow: Flow;
  /** When it is forgotten, on the monotonic clock, in whole milliseconds. */
  readonly until: number;
}

export interface KeptResponsesLimits {
  /** Milliseconds that each is kept (Timer J). */
  readonly lifetime: number;
  /** Beyond these the oldest go before their time. */
  readonly count: number;
  readonly bytes: number;
}

/** Places of forgotten entries at the queue's head that are worth giving back. */
const COMPACT_AT = 1024;

/**
 * What is left of non-INVITE transactions over UDP after their final responses (RFC 3261 17.2.2, Timer J). All are kept equally long, so
 * they go in the order in which they came: a queue and one timer for its head do.
 */
export class KeptResponses {
  private readonly wheel: TimerWheel;
  private readonly limits: KeptResponsesLimits;
  private readonly byKey = new Map<string, Entry>();
  private queue: Entry[] = [];
  private head = 0;
  private held = 0;
  private timer: Timer | undefined;
  private readonly expire = (): void => this.forgetExpired();

  constructor(wheel: TimerWheel, limits: KeptResponsesLimits) {
    this.wheel = wheel;
    this.limits = limits;
  }

  get size(): number {
    return this.byKey.size;
  }

  /** Bytes of the responses. */
  get bytes(): number {
    return this.held;
  }

  get(key: string): KeptResponse | undefined {
    const entry = this.byKey.get(key);
    return entry && { bytes: Buffer.from(entry.text, 'latin1'), flow: entry.flow };
  }

  add(key: string, bytes: Buffer, flow: Flow): void {
    const { lifetime, count } = this.limits;
    this.held += bytes.length - (this.byKey.get(key)?.text.length ?? 0);
    const entry: Entry = { key, text: bytes.toString('latin1'), flow, until: Math.ceil(performance.now() + lifetime) };
    this.byKey.set(key, entry);
    this.queue.push(entry);
    while (this.byKey.size > count || this.held > this.limits.bytes) this.forgetOldest();
    this.timer ??= this.wheel.schedule(lifetime, this.expire);
  }

  private forgetExpired(): void {
    const now = performance.now();
    let oldest = this.queue[this.head];
    for (; oldest !== undefined && oldest.until <= now; oldest = this.queue[this.head]) this.forgetOldest();
    this.timer = oldest && this.wheel.schedule(oldest.until - now, this.expire);
  }

  private forgetOldest(): void {
    const entry = this.queue[this.head++];
    // A key that has come again since has an entry of its own further back.
    if (entry !== undefined && this.byKey.get(entry.key) === entry) {
      this.byKey.delete(entry.key);
      this.held -= entry.text.length;
    }
    if (this.head < COMPACT_AT || this.head * 2 < this.queue.length) return;
    this.queue = this.queue.slice(this.head);
    this.head = 0;
  }
}
