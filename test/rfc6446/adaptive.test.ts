import { describe, expect, test } from 'vitest';
import { agreedRates, RateControl } from '../../sip/events/rate-control.ts';

const bounds = { remaining: 3600, interval: 0, forcedInterval: 0 };

describe('RFC 6446 7.4: the timeout', () => {
  test('equation 1: more NOTIFYs in the period, longer until the next; fewer, shorter again', () => {
    const rates = new RateControl({ adaptive: 0.1 }, bounds, 0);
    expect(rates.dueAfter(0)).toBe(10_000);
    for (let i = 1; i <= 10; i++) rates.noteSent(i);
    // Of the history that it began with, what is older than the period of 100 seconds counts no more.
    expect(rates.dueAfter(10)).toBe(20_000);
    expect(rates.dueAfter(50_000)).toBe(15_000);
    expect(rates.dueAfter(100_100)).toBe(0);
    rates.noteSent(100_100);
    expect(rates.dueAfter(100_100)).toBe(1000);
  });

  test('equation 2: never faster than the maximum rate', () => {
    const rates = new RateControl({ adaptive: 0.1, max: 0.5 }, bounds, 0);
    expect(rates.dueAfter(0)).toBe(10_000);
    rates.noteSent(200_000);
    expect(rates.dueAfter(200_000)).toBe(2000);
  });

  test('8: with a minimum rate it is told after that time at the latest', () => {
    const rates = new RateControl({ adaptive: 0.1, min: 0.08 }, bounds, 0);
    for (let i = 1; i <= 10; i++) rates.noteSent(i);
    expect(rates.dueAfter(10)).toBe(12_500);
  });

  test('a history goes on with the same rate, and begins anew with another', () => {
    const before = new RateControl({ adaptive: 0.1 }, bounds, 0);
    for (let i = 1; i <= 10; i++) before.noteSent(i);
    expect(new RateControl({ adaptive: 0.1, max: 1 }, bounds, 10, before).dueAfter(10)).toBe(20_000);
    expect(new RateControl({ adaptive: 0.2 }, bounds, 10, before).dueAfter(10)).toBe(5000);
  });

  test('a storm of NOTIFYs is remembered within bounds', () => {
    const rates = new RateControl({ adaptive: 0.0001 }, bounds, 0);
    for (let i = 1; i <= 100_000; i++) rates.noteSent(i);
    expect(rates.dueAfter(100_000)).toBe(100_000_000);
  });
});

describe('RFC 6446 5.3, 6.3, 8: what is agreed to', () => {
  test.each([
    [{ max: 5 }, {}, { max: 5 }],
    [{ max: 5 }, { interval: 2000 }, { max: 0.5 }],
    [{ max: 0.0001 }, { remaining: 100 }, { max: 0.01 }],
    [{ min: 5 }, { interval: 2000 }, { min: 0.5 }],
    [{ min: 5 }, { forcedInterval: 10_000 }, { min: 0.1 }],
    [{ max: 1, min: 2, adaptive: 3 }, {}, { max: 1, adaptive: 1 }],
    [{ min: 1, adaptive: 2 }, {}, { min: 1, adaptive: 2 }],
    [{ min: 2, adaptive: 2 }, {}, { adaptive: 2 }],
  ])('%j within %j: %j', (asked, limits, agreed) => {
    expect(agreedRates(asked, { ...bounds, ...limits })).toEqual(agreed);
  });
});
