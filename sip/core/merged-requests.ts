import type { SipRequest } from '../message/message.ts';
import { detach } from '../message/text.ts';

/** A request is remembered for this long, and at most twice as long: RFC 3261 17.2.2, Timer J. */
const GENERATION_MS = 32_000;
const GENERATION_LIMIT = 100_000;

/**
 * Recognises a request that has come twice on different ways (RFC 3261 8.2.2.2): From tag, Call-ID and CSeq as before, but another
 * transaction. Two generations of keys stand in for a timer each.
 */
export class MergedRequests {
  private current = new Map<string, string>();
  private previous = new Map<string, string>();
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
    const key = detach(`${from.tag} ${cseq.sequence} ${cseq.method} ${request.callId}`);
    const known = this.current.get(key) ?? this.previous.get(key);
    if (known === undefined) this.current.set(key, transaction);
    return known !== undefined && known !== transaction;
  }
}
