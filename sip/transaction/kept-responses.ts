import { randomInt } from 'node:crypto';
import { detach, hashText } from '../message/text.ts';
import type { Timer, TimerWheel } from '../transport/timer-wheel.ts';

/** A final response that copies of its request get again, and where it goes. */
export interface KeptResponse {
  readonly bytes: Buffer;
  /** Textual IP address and UDP port. */
  readonly address: string;
  readonly port: number;
}

export interface KeptResponsesLimits {
  /** Milliseconds that each is kept (Timer J). */
  readonly lifetime: number;
  /** Beyond these the oldest go before their time. */
  readonly count: number;
  readonly bytes: number;
}

/** A stretch of memory outside the heap, filled with records one behind the other. */
interface Slab {
  readonly bytes: Buffer;
  used: number;
}

const SLAB_BYTES = 64 * 1024;
/** Slabs ready to be filled again. */
const MOST_SPARE = 16;
/** Slabs are numbered round; the bound on bytes makes for far fewer at a time. */
const SLAB_NUMBERS = 2 ** 14;

/** Where in a record stands: when it is forgotten, the hash of its key, three lengths, the port; then address, key and response. */
const UNTIL = 0;
const HASH = 8;
const KEY_LENGTH = 12;
const RESPONSE_LENGTH = 16;
const ADDRESS_LENGTH = 20;
const PORT = 22;
const TEXTS = 24;

/**
 * What is left of non-INVITE transactions over UDP after their final responses (RFC 3261 17.2.2, Timer J). A busy server keeps a hundred
 * thousand of them and needs one in a thousand, so they lie outside the heap, found by a hash of their keys. All are kept equally
 * long and so go in the order in which they came.
 */
export class KeptResponses {
  private readonly wheel: TimerWheel;
  private readonly limits: KeptResponsesLimits;
  private readonly seed = randomInt(2 ** 31);
  /** Places of the records: the slab's number, and where in it. */
  private readonly byHash = new Map<number, number>();
  /** Of those whose hash was another's already. */
  private readonly collided = new Map<string, number>();
  /** Oldest first. */
  private readonly slabs: Slab[] = [];
  private readonly spare: Slab[] = [];
  /** The first slab's number, and where in it the oldest record begins. */
  private first = 0;
  private head = 0;
  private held = 0;
  private timer: Timer | undefined;
  private readonly expire = (): void => this.forgetExpired();

  constructor(wheel: TimerWheel, limits: KeptResponsesLimits) {
    this.wheel = wheel;
    this.limits = limits;
  }

  get size(): number {
    return this.byHash.size + this.collided.size;
  }

  /** Bytes of the responses, with their keys. */
  get bytes(): number {
    return this.held;
  }

  get(key: string): KeptResponse | undefined {
    const place = this.byHash.get(hashText(key, this.seed));
    if (place !== undefined && this.keyAt(place) === key) return this.responseAt(place);
    const other = this.collided.size === 0 ? undefined : this.collided.get(key);
    return other === undefined ? undefined : this.responseAt(other);
  }

  /** @param address where the response went: a textual IP address, and a UDP port */
  add(key: string, bytes: Buffer, address: string, port: number): void {
    const { lifetime, count, bytes: room } = this.limits;
    const hash = hashText(key, this.seed);
    const place = this.write(hash, key, bytes, address, port);
    const same = this.byHash.get(hash);
    if (same === undefined || this.keyAt(same) === key) this.byHash.set(hash, place);
    else this.collided.set(detach(key), place);
    while (this.size > count || this.held > room) this.forgetOldest();
    this.timer ??= this.wheel.schedule(lifetime, this.expire);
  }

  private write(hash: number, key: string, bytes: Buffer, address: string, port: number): number {
    const length = TEXTS + address.length + key.length + bytes.length;
    const slab = this.roomFor(length);
    const at = slab.used;
    slab.used += length;
    this.held += length;
    const to = slab.bytes;
    to.writeDoubleLE(performance.now() + this.limits.lifetime, at + UNTIL);
    to.writeInt32LE(hash, at + HASH);
    to.writeUInt32LE(key.length, at + KEY_LENGTH);
    to.writeUInt32LE(bytes.length, at + RESPONSE_LENGTH);
    to.writeUInt16LE(address.length, at + ADDRESS_LENGTH);
    to.writeUInt16LE(port, at + PORT);
    to.write(address, at + TEXTS, 'latin1');
    to.write(key, at + TEXTS + address.length, 'latin1');
    to.set(bytes, at + TEXTS + address.length + key.length);
    return ((this.first + this.slabs.length - 1) % SLAB_NUMBERS) * SLAB_BYTES + at;
  }

  /** The last slab, or a new one behind it. What fits into none has one of its own. */
  private roomFor(length: number): Slab {
    const last = this.slabs.at(-1);
    if (last !== undefined && last.used + length <= last.bytes.length) return last;
    const spare = length <= SLAB_BYTES ? this.spare.pop() : undefined;
    const slab = spare ?? { bytes: Buffer.allocUnsafeSlow(Math.max(length, SLAB_BYTES)), used: 0 };
    this.slabs.push(slab);
    return slab;
  }

  private slabOf(place: number): Buffer {
    const number = Math.floor(place / SLAB_BYTES);
    const slab = this.slabs[(number - this.first + SLAB_NUMBERS) % SLAB_NUMBERS];
    if (slab === undefined) throw new Error('a kept response has lost its slab');
    return slab.bytes;
  }

  private keyAt(place: number): string {
    const slab = this.slabOf(place);
    const at = place % SLAB_BYTES;
    const start = at + TEXTS + slab.readUInt16LE(at + ADDRESS_LENGTH);
    return slab.toString('latin1', start, start + slab.readUInt32LE(at + KEY_LENGTH));
  }

  private responseAt(place: number): KeptResponse {
    const slab = this.slabOf(place);
    const at = place % SLAB_BYTES;
    const key = at + TEXTS + slab.readUInt16LE(at + ADDRESS_LENGTH);
    const start = key + slab.readUInt32LE(at + KEY_LENGTH);
    return {
      // A copy: the slab may be filled anew before it has been sent.
      bytes: Buffer.from(slab.subarray(start, start + slab.readUInt32LE(at + RESPONSE_LENGTH))),
      address: slab.toString('latin1', at + TEXTS, key),
      port: slab.readUInt16LE(at + PORT),
    };
  }

  private forgetExpired(): void {
    const now = performance.now();
    this.timer = undefined;
    while (this.held > 0) {
      const left = (this.slabs[0]?.bytes.readDoubleLE(this.head + UNTIL) ?? 0) - now;
      if (left > 0) {
        this.timer = this.wheel.schedule(left, this.expire);
        return;
      }
      this.forgetOldest();
    }
  }

  private forgetOldest(): void {
    const [slab] = this.slabs;
    if (slab === undefined) return;
    const { bytes } = slab;
    const at = this.head;
    const place = this.first * SLAB_BYTES + at;
    const hash = bytes.readInt32LE(at + HASH);
    // A key that has come again since has a record of its own further back.
    if (this.byHash.get(hash) === place) this.byHash.delete(hash);
    else if (this.collided.size > 0) {
      const key = this.keyAt(place);
      if (this.collided.get(key) === place) this.collided.delete(key);
    }
    const texts = bytes.readUInt16LE(at + ADDRESS_LENGTH) + bytes.readUInt32LE(at + KEY_LENGTH) + bytes.readUInt32LE(at + RESPONSE_LENGTH);
    this.head += TEXTS + texts;
    this.held -= TEXTS + texts;
    if (this.head === slab.used) this.leave(slab);
  }

  /** All that stood in the first slab is forgotten. */
  private leave(slab: Slab): void {
    this.slabs.shift();
    this.first = (this.first + 1) % SLAB_NUMBERS;
    this.head = 0;
    slab.used = 0;
    if (this.spare.length < MOST_SPARE && slab.bytes.length === SLAB_BYTES) this.spare.push(slab);
  }
}
