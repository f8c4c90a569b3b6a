import { randomFillSync } from 'node:crypto';
import { BRANCH_COOKIE } from './via.ts';

/** Randomness is drawn in blocks; a call per identifier would cost more than the rest of a message. */
const pool = Buffer.alloc(8192);
let used = pool.length;

/** `bytes` random bytes (at most 64) in hexadecimal. */
export function randomHex(bytes: number): string {
  if (used + bytes > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += bytes;
  return pool.toString('hex', used - bytes, used);
}

/** A From or To tag: at least 32 random bits (RFC 3261 19.3); ours has 64, so that it cannot be guessed. */
export function createTag(): string {
  return randomHex(8);
}

export function createBranch(): string {
  return BRANCH_COOKIE + randomHex(10);
}

export function createCallId(): string {
  return randomHex(16);
}
