import { describe, expect, it } from 'vitest';
import { KeptResponses } from '../../sip/transaction/kept-responses.ts';
import { TimerWheel } from '../../sip/transport/timer-wheel.ts';

describe('RFC 3261 17.2.2: responses kept for copies of their requests', () => {
  it('are found by their own keys, also where hashes of 32 bits collide, and go when their time is over', async () => {
    const wheel = new TimerWheel();
    const kept = new KeptResponses(wheel, { lifetime: 3000, count: 1e6, bytes: 1e9 });
    // Of so many, ten pairs are expected to have one hash.
    const count = 300_000;
    const key = (i: number): string => `z9hG4bK${i} 192.0.2.1:5060 SUBSCRIBE`;
    for (let i = 0; i < count; i++) kept.add(key(i), Buffer.from(`response ${i}`), '192.0.2.1', 5060 + (i % 9));
    expect(kept.size).toBe(count);
    let wrong = 0;
    for (let i = 0; i < count; i++) {
      const found = kept.get(key(i));
      if (found?.bytes.toString() !== `response ${i}` || found.port !== 5060 + (i % 9) || found.address !== '192.0.2.1') wrong++;
    }
    expect(wrong).toBe(0);
    expect(kept.get(key(count))).toBeUndefined();
    await expect.poll(() => [kept.size, kept.bytes], { timeout: 20_000 }).toEqual([0, 0]);
    expect(kept.get(key(1))).toBeUndefined();
    expect(wheel.size).toBe(0);
    kept.add(key(1), Buffer.from('again'), '192.0.2.1', 5060);
    expect(kept.get(key(1))?.bytes.toString()).toBe('again');
    wheel.close();
  });

  it('give way oldest first; one whose key has come again is found as the newer one', () => {
    const wheel = new TimerWheel();
    const kept = new KeptResponses(wheel, { lifetime: 60_000, count: 3, bytes: 1e6 });
    for (const [i, key] of ['a', 'b', 'a', 'c', 'd'].entries()) kept.add(key, Buffer.from(`${key}${i}`), '::1', 1);
    expect(['a', 'b', 'c', 'd'].map((key) => kept.get(key)?.bytes.toString())).toEqual(['a2', undefined, 'c3', 'd4']);
    wheel.close();
  });
});
