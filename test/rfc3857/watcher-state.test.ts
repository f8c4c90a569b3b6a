import { describe, expect, it } from 'vitest';
import { decided, timedOut } from '../../sip/events/watcher-state.ts';

describe('RFC 3857 4.7.1, RFC 5025 3.2.1: the watcher state machine', () => {
  it.each([
    ['init', 'block', 'terminated', 'rejected'],
    ['init', 'confirm', 'pending', 'subscribe'],
    ['init', 'polite-block', 'active', 'subscribe'],
    ['init', 'allow', 'active', 'subscribe'],
    ['pending', 'block', 'terminated', 'rejected'],
    ['pending', 'polite-block', 'active', 'approved'],
    ['pending', 'allow', 'active', 'approved'],
    ['active', 'block', 'terminated', 'rejected'],
    ['active', 'confirm', 'pending', 'subscribe'],
    ['waiting', 'block', 'terminated', 'rejected'],
    ['waiting', 'polite-block', 'terminated', 'approved'],
    ['waiting', 'allow', 'terminated', 'approved'],
  ] as const)('%s and %s make %s by %s', (status, handling, next, event) => {
    expect(decided(status, handling)).toEqual({ status: next, event });
  });

  it.each([
    ['pending', 'confirm'],
    ['active', 'allow'],
    ['active', 'polite-block'],
    ['waiting', 'confirm'],
    ['terminated', 'allow'],
    ['terminated', 'block'],
  ] as const)('%s and %s change nothing', (status, handling) => {
    expect(decided(status, handling)).toBeUndefined();
  });

  it('an undecided subscription that ends is remembered, any other is gone', () => {
    expect(timedOut('pending')).toEqual({ status: 'waiting', event: 'timeout' });
    expect(timedOut('active')).toEqual({ status: 'terminated', event: 'timeout' });
  });
});
