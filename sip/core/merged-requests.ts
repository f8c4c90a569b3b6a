import { randomInt } from 'node:crypto';
import type { SipRequest } from '../message/message.ts';
import { hashText } from '../message/text.ts';

/**
 * A request is remembered for this long, and at most twice as long. The copies that forking makes come within moments of each other;
 * an agent that starts anew with the identifiers it had before, as some do after a power cut, must not be shut out for long.
 */
const GENERATION_MS = 2000;
/** A power of two. */
const SLOTS = 131_072;
/** Requests of one generation: a quarter of the slots stays free. */
const GENERATION_LIMIT = (SLOTS / 4) * 3;
/** Numbers in a slot: the hashes of the identity by both seeds, and that of the transaction. */
const WIDTH = 3;

/**
 * Recognises a request that has come twice on different ways (RFC 3261 8.2.2.2): From tag, Call-ID and CSeq as before, but another
 * transaction. Two generations stand in for a timer each, and hashes for the strings, tens of thousands of which the collector would
 * have to carry along. That two identities have the same 63 bits does not happen by accident, and to bring it about is no use to anybody:
 * who knows another's identifiers can send those themselves. The two hashes are made in different ways: by one way with two seeds, requests
 * whose identifiers count up in step had both in common now and then.
 */
export class MergedRequests {
  private current = new Generation();
  private previous = new Generation();
  private startedAt = performance.now();
  private readonly firstSeed: number;
  private readonly secondSeed: number;

  /** @param seeds of the hashes, 0 to 2^31 - 1 */
  constructor(seeds: readonly [number, number] = [randomInt(2 ** 31), randomInt(2 ** 31)]) {
    [this.firstSeed, this.secondSeed] = seeds;
  }

  /**
   * Notes the request; true when it is the copy of one that came as another transaction.
   * @param transaction key of its server transaction
   */
  isMerged(request: SipRequest, transaction: string): boolean {
    const { from, to, cseq } = request;
    if (to.tag !== undefined || from.tag === undefined) return false;
    const now = performance.now();
    if (now - this.startedAt > GENERATION_MS || this.current.size >= GENERATION_LIMIT) {
      [this.current, this.previous] = [this.previous, this.current];
      this.current.clear();
      this.startedAt = now;
    }
    const identity = `${from.tag} ${cseq.sequence} ${cseq.method} ${request.callId}`;
    // No slot in use begins with 0.
    const first = hashText(identity, this.firstSeed) | 1;
    const second = rotatingHash(identity, this.secondSeed);
    const way = hashText(transaction, this.firstSeed);
    const known = this.current.find(first, second) ?? this.previous.find(first, second);
    if (known === undefined) this.current.add(first, second, way);
    return known !== undefined && known !== way;
  }
}

/** A hash table with open addressing. */
class Generation {
  size = 0;
  private readonly slots = new Int32Array(SLOTS * WIDTH);

  /** The transaction's hash. */
  find(first: number, second: number): number | undefined {
    const at = this.slotOf(first, second);
    return this.slots[at] === 0 ? undefined : this.slots[at + 2];
  }

  /** For what is not in it yet. */
  add(first: number, second: number, transaction: number): void {
    const at = this.slotOf(first, second);
    this.slots[at] = first;
    this.slots[at + 1] = second;
    this.slots[at + 2] = transaction;
    this.size++;
  }

  clear(): void {
    if (this.size > 0) this.slots.fill(0);
    this.size = 0;
  }

  /** Where the identity is, or the free slot where it would be. */
  private slotOf(first: number, second: number): number {
    const { slots } = this;
    for (let slot = second & (SLOTS - 1); ; slot = (slot + 1) & (SLOTS - 1)) {
      const at = slot * WIDTH;
      if (slots[at] === 0 || (slots[at] === first && slots[at + 1] === second)) return at;
    }
  }
}

/** 32 bits that have nothing in common with those of `hashText`: its low bits never depend on the high ones, here they do. */
function rotatingHash(text: string, seed: number): number {
  let hash = seed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(((hash << 5) | (hash >>> 27)) ^ text.charCodeAt(i), 0x9e3779b1);
  return hash ^ (hash >>> 15);
}
