import { hash } from 'node:crypto';
import type { SipRequest } from '../message/message.ts';
import { detach, hashText } from '../message/text.ts';

/**
 * A request is remembered for this long, and at most twice as long. The copies that forking makes come within moments of each other;
 * an agent that starts anew with the identifiers it had before, as some do after a power cut, must not be shut out for long.
 */
const GENERATION_MS = 2000;
const GENERATION_LIMIT = 100_000;
/** Characters. */
const LONG_KEY = 256;

/**
 * Recognises a request that has come twice on different ways (RFC 3261 8.2.2.2): From tag, Call-ID and CSeq as before, but another
 * transaction. Two generations of keys stand in for a timer each.
 */
export class MergedRequests {
  /** Hashes of transactions, by what makes the copies of a request alike. */
  private current = new Map<string, number>();
  private previous = new Map<string, number>();
  private startedAt = performance.now();

  /**
   * Notes the request; true when it is the copy of one that came as another transaction.
   * @param transaction key of its server transaction
   */
  isMerged(request: SipRequest, transaction: string): boolean {
    const { from, to, cseq } = request;
    if (to.tag !== undefined || from.tag === undefined) return false;
    const now = performance.now();
    if (now - this.startedAt > GENERATION_MS || this.current.size >= GENERATION_LIMIT) {
      this.previous = this.current;
      this.current = new Map();
      this.startedAt = now;
    }
    const identity = `${from.tag} ${cseq.sequence} ${cseq.method} ${request.callId}`;
    // Of a long one its hash is kept: the limit is a number of keys, and each may be as long as a message.
    const key = identity.length > LONG_KEY ? hash('sha256', identity, 'base64') : detach(identity);
    const known = this.current.get(key) ?? this.previous.get(key);
    const own = hashText(transaction);
    if (known === undefined) this.current.set(key, own);
    return known !== undefined && known !== own;
  }
}
