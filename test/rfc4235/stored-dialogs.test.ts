import { afterEach, describe, expect, it } from 'vitest';
import { Headers } from '../../sip/message/headers.ts';
import { SipRequest, SipResponse } from '../../sip/message/message.ts';
import { ObservedDialogs } from '../../sip/packages/observed-dialogs.ts';
import { StoredDialogs } from '../../sip/packages/stored-dialogs.ts';
import { TimerWheel } from '../../sip/transport/timer-wheel.ts';
import { MemoryStateStore } from '../rfc3261/stack.ts';

/** RFC 4235 3.7.1 over a restart: what has been confirmed goes on, unless the server was away for longer than a BYE is tried. */

const wheels: TimerWheel[] = [];
afterEach(() => {
  for (const wheel of wheels.splice(0)) wheel.close();
});

const START = 1_800_000_000_000;

function observe(state: MemoryStateStore, at: number, users: readonly string[] = ['alice', 'bob']): ObservedDialogs {
  const wheel = new TimerWheel();
  wheels.push(wheel);
  const now = (): number => at;
  const hasUser = (address: string): boolean => users.some((user) => address === `sip:${user}@example.com`);
  const dialogs = new ObservedDialogs({ wheel, now, hasUser, changed() {}, stored: new StoredDialogs({ state, wheel, now }) });
  dialogs.restore();
  return dialogs;
}

function fields(method: string, callId: string, to: string): Headers {
  const headers = new Headers();
  for (const [name, value] of [['From', '"Alice" <sip:alice@example.com>;tag=a'], ['To', to], ['Call-ID', callId], ['CSeq', `1 ${method}`], ['Contact', '<sip:alice@192.0.2.1>']] as const) headers.add(name, value); // biome-ignore format: a table
  return headers;
}

const invite = (callId: string): SipRequest => new SipRequest('INVITE', 'sip:bob@example.com', fields('INVITE', callId, '<sip:bob@example.com>')); // biome-ignore format: one line
const answered = (status: number, callId: string): SipResponse => new SipResponse(status, 'X', fields('INVITE', callId, '<sip:bob@example.com>;tag=b')); // biome-ignore format: one line
const bye = (callId: string): SipRequest => new SipRequest('BYE', 'sip:bob@192.0.2.2', fields('BYE', callId, '<sip:bob@example.com>;tag=b')); // biome-ignore format: one line

function call(dialogs: ObservedDialogs, callId: string, status: number): void {
  dialogs.inviteForwarded(invite(callId), 'sip:alice@example.com', 'sip:bob@example.com');
  dialogs.inviteAnswered(invite(callId), answered(status, callId));
}

const of = (dialogs: ObservedDialogs, user: string): string[] => dialogs.of(`sip:${user}@example.com`).map(({ text }) => text);

describe('calls that the proxy has seen', () => {
  it('are told after a restart as before it, both sides, and end as ever', () => {
    const state = new MemoryStateStore();
    const before = observe(state, START);
    call(before, 'one', 200);
    call(before, 'two', 200);
    const told = [of(before, 'alice'), of(before, 'bob')];
    expect(told.map(({ length }) => length)).toEqual([2, 2]);
    const after = observe(state.restart(), START + 20_000);
    expect([of(after, 'alice'), of(after, 'bob')].map((texts) => [...texts].sort())).toEqual(told.map((texts) => [...texts].sort()));
    after.byeForwarded(bye('one'));
    expect(of(after, 'bob').filter((text) => /terminated/.test(text))).toHaveLength(1);
    expect(of(observe(state.restart(), START + 30_000), 'bob')).toHaveLength(1);
  });

  it('are forgotten where they only rang, where their user is gone, and after 12 hours', () => {
    const state = new MemoryStateStore();
    const before = observe(state, START);
    call(before, 'rings', 180);
    call(before, 'talks', 200);
    expect(of(observe(state.restart(), START + 1000), 'bob')).toHaveLength(1);
    expect(observe(state.restart(), START + 1000, ['alice']).size).toBe(1);
    const long = new MemoryStateStore();
    call(observe(long, START), 'talks', 200);
    // It has been there all the time.
    long.table<{ at: number }>('observed-dialogs-beat').put('there', { at: START + 12 * 3_600_000 });
    expect(observe(long.restart(), START + 12 * 3_600_000).size).toBe(0);
  });

  it('are forgotten where the server was away for so long that nobody tries to end them any more', () => {
    const state = new MemoryStateStore();
    call(observe(state, START), 'talks', 200);
    expect(observe(state.restart(), START + 43_000).size).toBe(0);
    expect(observe(state.restart(), START + 1000).size).toBe(0);
  });
});
