import type { SipRequest } from './message.ts';

/** RFC 3428 8: bytes of a MESSAGE outside a media session that may meet a hop without congestion control. */
export const PAGE_MODE_BYTES = 1300;
/** What elements on the way add to a request that was no larger when it was sent. */
const ADDED_ON_THE_WAY = 150;

/**
 * Must the request not go over UDP, whoever asks? For one that was received the size counts that its sender gave it.
 * @param size bytes as it would go out
 */
export function needsCongestionControl(request: SipRequest, size: number): boolean {
  if (request.method !== 'MESSAGE' || request.to.tag !== undefined) return false;
  const head = request.headers.receivedHeadLength;
  return head === 0 ? size > PAGE_MODE_BYTES + ADDED_ON_THE_WAY : head + request.body.length > PAGE_MODE_BYTES;
}
