import { describe, expect, it } from 'vitest';
import { MergedRequests } from '../../sip/core/merged-requests.ts';
import { Headers } from '../../sip/message/headers.ts';
import { SipRequest } from '../../sip/message/message.ts';

/** A first SUBSCRIBE of an agent that counts its subscriptions, in From tag and Call-ID alike. */
function subscribe(run: string, count: number): SipRequest {
  const number = count.toString(16);
  const headers = new Headers();
  headers.add('From', `<sip:a@example.com>;tag=lg${number}.0`);
  headers.add('To', '<sip:b@example.com>');
  headers.add('Call-ID', `s${run}.${number}.0@lg`);
  headers.add('CSeq', '1 SUBSCRIBE');
  return new SipRequest('SUBSCRIBE', 'sip:b@example.com', headers);
}

describe('RFC 3261 8.2.2.2: merged requests', () => {
  // Seeds with which hashes of this kind have met in both halves.
  it.each([
    [1723065856, 1313113344, '7efd265e'],
    [1508743993, 110245561, '5f4f51c3'],
    [2122607440, 1896276304, '56c1c293'],
    [435340544, 1634927104, '7cb70d1b'],
  ] as const)('no request is taken for the copy of another (seeds %i and %i)', (first, second, run) => {
    const merged = new MergedRequests([first, second]);
    const taken: number[] = [];
    for (let i = 0; i < 50_000; i++) if (merged.isMerged(subscribe(run, i), `z9hG4bK${i} SUBSCRIBE`)) taken.push(i);
    expect(taken).toEqual([]);
  });

  it('a copy in another transaction is recognised, among tens of thousands; the request itself is none', () => {
    const merged = new MergedRequests();
    for (let i = 0; i < 50_000; i++) merged.isMerged(subscribe('r', i), `z9hG4bK${i} SUBSCRIBE`);
    const again = [0, 1, 24_999, 49_999].map((i) => [
      merged.isMerged(subscribe('r', i), `z9hG4bK${i} SUBSCRIBE`),
      merged.isMerged(subscribe('r', i), `z9hG4bKother${i} SUBSCRIBE`),
    ]);
    expect(again).toEqual(again.map(() => [false, true]));
  });
});
