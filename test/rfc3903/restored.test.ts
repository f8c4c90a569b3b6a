import { expect, it } from 'vitest';
import type { StateStore, StateTable } from '../../sip/core/state-store.ts';
import { EventStateCompositor } from '../../sip/events/event-state-compositor.ts';
import { presenceFormat } from '../../sip/packages/presence.ts';
import { TimerWheel } from '../../sip/transport/timer-wheel.ts';
import { pidf } from '../scenarios/documents.ts';

it('a publication of an earlier version that is no presence document any more does not keep the server from starting', () => {
  const record = { resource: 'sip:b@d', contentType: 'application/pidf+xml', order: 1, expiresAt: Date.now() + 60_000 };
  const records = new Map<string, unknown>([
    ['bad', { ...record, body: '<presence' }],
    ['good', { ...record, body: pidf('sip:b@d', { basic: 'open' }) }],
  ]);
  const table: StateTable<unknown> = {
    load: () => [...records],
    put: (id, value) => void records.set(id, value),
    delete: (id) => void records.delete(id),
  };
  const state: StateStore = { table: <T>() => table as StateTable<T>, afterCommit: (callback) => callback() };
  const wheel = new TimerWheel();
  const limits = { minExpires: 1, defaultExpires: 60, maxExpires: 60, maxPerUser: 5 };
  const compositor = new EventStateCompositor(presenceFormat, { state, wheel, now: Date.now, hasUser: () => true, ...limits });
  compositor.restore();
  wheel.close();
  expect(compositor.documents('sip:b@d')).toHaveLength(1);
  expect([...records.keys()]).toEqual(['good']);
});
