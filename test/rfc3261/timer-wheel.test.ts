import { afterEach, describe, expect, it, vi } from 'vitest';
import { TimerWheel } from '../../sip/transport/timer-wheel.ts';
import { TurnCounter, work } from '../helpers/turn-counter.ts';

afterEach(() => void vi.useRealTimers());

function fakeTime(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
}

describe('the timer wheel', () => {
  it('is never early and at most 10 ms late, from milliseconds to days', () => {
    fakeTime();
    const wheel = new TimerWheel();
    const delays = [
      0, 1, 3, 4, 5, 100, 500, 1019, 1020, 1024, 1028, 4000, 32_000, 262_140, 262_144, 262_148, 300_000, 3_600_000, 86_400_000, 90_000_000,
    ];
    for (const offset of [0, 1.3, 777]) {
      vi.advanceTimersByTime(offset);
      const late = new Map<number, number>();
      for (const delay of delays) {
        const due = performance.now() + delay;
        wheel.schedule(delay, () => late.set(delay, performance.now() - due));
      }
      vi.advanceTimersByTime(90_000_020);
      expect([...late.keys()].sort((a, b) => a - b)).toEqual(delays);
      for (const [delay, by] of late) {
        expect(by, `${delay}`).toBeGreaterThanOrEqual(0);
        expect(by, `${delay}`).toBeLessThanOrEqual(10);
      }
    }
    expect(wheel.size).toBe(0);
  });

  it('keeps order and exactness for many timers at random', () => {
    fakeTime();
    const wheel = new TimerWheel();
    let seed = 7;
    const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    let pending = 0;
    const wrong: number[] = [];
    const start = (): void => {
      const delay = Math.floor(random() ** 4 * 400_000);
      const due = performance.now() + delay;
      pending++;
      const timer = wheel.schedule(delay, () => {
        pending--;
        const late = performance.now() - due;
        if (late < 0 || late > 10) wrong.push(late);
        if (random() < 0.5) start();
      });
      if (random() < 0.1) {
        wheel.cancel(timer);
        pending--;
      }
    };
    for (let i = 0; i < 3000; i++) {
      start();
      vi.advanceTimersByTime(Math.floor(random() * 20));
    }
    vi.advanceTimersByTime(4_000_000);
    expect(wrong).toEqual([]);
    expect(pending).toBe(0);
    expect(wheel.size).toBe(0);
  });

  it('does not tick while nothing is due', () => {
    fakeTime();
    const wheel = new TimerWheel();
    const begun = performance.now();
    let fired = false;
    wheel.schedule(3_600_000, () => {
      fired = true;
    });
    // One timeout after the other, each armed where the one before has fired.
    let armed = 0;
    for (; vi.getTimerCount() > 0; armed++) vi.advanceTimersToNextTimer();
    expect(fired).toBe(true);
    expect(performance.now() - begun).toBeLessThanOrEqual(3_600_010);
    expect(armed).toBeLessThanOrEqual(4);
  });

  it('cancels, moves and starts again', () => {
    fakeTime();
    const wheel = new TimerWheel();
    const fired: string[] = [];
    const one = wheel.schedule(100, (name) => fired.push(name), 'one');
    const two = wheel.schedule(100, (name) => fired.push(name), 'two');
    wheel.cancel(one);
    wheel.cancel(one);
    wheel.reschedule(two, 50);
    vi.advanceTimersByTime(60);
    expect(fired).toEqual(['two']);
    wheel.reschedule(two, 50);
    expect(two.active).toBe(true);
    vi.advanceTimersByTime(60);
    expect(fired).toEqual(['two', 'two']);
    expect(one.active || two.active).toBe(false);
  });

  it('lets others have their turn between timers of one moment, and fires each of them once', async () => {
    const wheel = new TimerWheel();
    const turns = new TurnCounter();
    const firedAt = new Map<number, number>();
    let again = 0;
    await new Promise<void>((resolve) => {
      const fire = (n: number): void => {
        work(0.2);
        again += firedAt.has(n) ? 1 : 0;
        firedAt.set(n, turns.count);
        if (firedAt.size === 500) resolve();
      };
      // A second and more from now they wait in another slot first.
      for (let n = 0; n < 500; n++) wheel.schedule(n % 2 === 0 ? 20 : 1100, fire, n);
    });
    turns.stop();
    wheel.close();
    expect(again).toBe(0);
    for (const half of [0, 1]) {
      const turnsOf = new Set([...firedAt].filter(([n]) => n % 2 === half).map(([, at]) => at));
      expect(turnsOf.size).toBeGreaterThan(2);
    }
  });

  it('lives on when a callback throws', () => {
    fakeTime();
    const errors: unknown[] = [];
    const wheel = new TimerWheel((error) => errors.push(error));
    let fired = 0;
    wheel.schedule(10, () => {
      throw new Error('bug');
    });
    wheel.schedule(10, () => fired++);
    wheel.schedule(20, () => fired++);
    vi.advanceTimersByTime(40);
    expect(fired).toBe(2);
    expect(errors).toHaveLength(1);
  });
});
