import { afterEach, describe, expect, it } from 'vitest';
import type { StateStore, StateTable } from '../../sip/core/state-store.ts';
import { WatcherLists, type WatcherReport } from '../../sip/events/watcher-list.ts';
import { TimerWheel } from '../../sip/transport/timer-wheel.ts';

/** A store whose only table can be looked at. */
function memoryStore(): { store: StateStore; records: Map<string, unknown> } {
  const records = new Map<string, unknown>();
  const table: StateTable<unknown> = {
    load: () => [...records],
    put: (id, record) => void records.set(id, record),
    delete: (id) => void records.delete(id),
  };
  return { store: { table: <T>() => table as StateTable<T>, afterCommit: (callback) => callback() }, records };
}

const wheel = new TimerWheel();
afterEach(() => wheel.close());

function lists(store: StateStore): WatcherLists {
  return new WatcherLists({ state: store, wheel, waitingTime: 600_000, waitingLimit: 5, now: Date.now });
}

function report(id: string, status: WatcherReport['status'], watcher = 'sip:a@d'): WatcherReport {
  const event = status === 'waiting' ? 'timeout' : 'subscribe';
  return {
    packageName: 'presence',
    resource: 'sip:b@d',
    id,
    watcher,
    displayName: undefined,
    status,
    event,
    since: 0,
    lasting: undefined,
  };
}

describe('RFC 3857 4.7.1: watchers that wait', () => {
  it('leave neither a timer nor a record behind when the same watcher comes again and again', () => {
    const { store, records } = memoryStore();
    const watchers = lists(store);
    for (let i = 0; i < 1000; i++) watchers.report(report(String(i), 'waiting'));
    expect([wheel.size, records.size]).toEqual([1, 1]);
    watchers.report(report('last', 'pending'));
    expect([wheel.size, records.size, watchers.hasWaiting('presence', 'sip:b@d')]).toEqual([0, 0, false]);
  });

  it('are no more than the limit, the oldest giving way', () => {
    const { store, records } = memoryStore();
    const watchers = lists(store);
    for (let i = 0; i < 50; i++) watchers.report(report(String(i), 'waiting', `sip:${i}@d`));
    expect([wheel.size, [...records.keys()]]).toEqual([5, ['45', '46', '47', '48', '49']]);
  });

  it('do not come back after a restart when they have subscribed again with the same id, as a member put back into a list', () => {
    const { store } = memoryStore();
    const watchers = lists(store);
    watchers.report(report('list.member', 'waiting'));
    watchers.report(report('list.member', 'pending'));
    watchers.report({ ...report('list.member', 'terminated'), event: 'timeout' });
    const restarted = lists(store);
    restarted.restore();
    expect(restarted.since('presence', 'sip:b@d', 0)).toEqual([]);
  });
});
