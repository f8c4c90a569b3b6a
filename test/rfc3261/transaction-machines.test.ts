import { describe, expect, it } from 'vitest';
import { INVITE_CLIENT, NON_INVITE_CLIENT } from '../../sip/transaction/client-machines.ts';
import { INVITE_SERVER, NON_INVITE_SERVER } from '../../sip/transaction/server-machines.ts';

type AnyMachine = Readonly<
  Record<string, Readonly<Record<string, { readonly next: string; readonly actions: readonly string[] } | undefined>>>
>;

/** Runs inputs through a machine; each step as `state: actions`. */
function play(machine: object, start: string, inputs: readonly string[]): string[] {
  let state = start;
  return inputs.map((input) => {
    const transition = (machine as AnyMachine)[state]?.[input];
    state = transition?.next ?? state;
    return `${state}: ${transition?.actions.join(' ') ?? '-'}`;
  });
}

describe('RFC 3261 17.1.1 and RFC 6026: INVITE client transaction', () => {
  it('a failure is acknowledged each time it comes and delivered once', () => {
    expect(play(INVITE_CLIENT, 'calling', ['retransmit', 'provisional', 'failure', 'failure', 'lingered'])).toEqual([
      'calling: transmit retransmitDoubled',
      'proceeding: stopTimers deliver',
      'completed: acknowledge deliver linger',
      'completed: acknowledge',
      'terminated: ',
    ]);
  });

  it('RFC 6026 7.2: every 2xx is delivered until Timer M', () => {
    expect(play(INVITE_CLIENT, 'calling', ['success', 'success', 'failure', 'lingered', 'success'])).toEqual([
      'accepted: deliver linger',
      'accepted: deliver',
      'accepted: -',
      'terminated: ',
      'terminated: -',
    ]);
  });

  it('gives up by Timer B or when it cannot send', () => {
    expect(play(INVITE_CLIENT, 'calling', ['timeout'])).toEqual(['terminated: reportTimeout']);
    expect(play(INVITE_CLIENT, 'proceeding', ['timeout', 'transportError'])).toEqual(['proceeding: -', 'terminated: reportTransport']);
  });
});

describe('RFC 3261 17.1.2: non-INVITE client transaction', () => {
  it('sends again with doubling, after a provisional response with T2, until Timer F', () => {
    expect(play(NON_INVITE_CLIENT, 'trying', ['retransmit', 'provisional', 'retransmit', 'timeout', 'success'])).toEqual([
      'trying: transmit retransmitDoubled',
      'proceeding: deliver',
      'proceeding: transmit retransmitAtT2',
      'terminated: reportTimeout',
      'terminated: -',
    ]);
  });

  it('delivers the first final response only', () => {
    expect(play(NON_INVITE_CLIENT, 'trying', ['failure', 'success', 'timeout', 'transportError', 'lingered'])).toEqual([
      'completed: deliver linger',
      'completed: -',
      'completed: -',
      'completed: -',
      'terminated: ',
    ]);
  });
});

describe('RFC 3261 17.2.1 and RFC 6026: INVITE server transaction', () => {
  it('sends a failure again until the ACK', () => {
    expect(
      play(INVITE_SERVER, 'proceeding', ['request', 'provisional', 'failure', 'request', 'retransmit', 'ack', 'ack', 'lingered']),
    ).toEqual([
      'proceeding: transmit',
      'proceeding: respond',
      'completed: respond awaitAck',
      'completed: transmit',
      'completed: transmit retransmitDoubled',
      'confirmed: stopTimers linger',
      'confirmed: ',
      'terminated: ',
    ]);
  });

  it('RFC 6026 7.1: swallows copies of an INVITE that was accepted, and gives its ACK to the user', () => {
    expect(play(INVITE_SERVER, 'proceeding', ['success', 'request', 'success', 'ack', 'lingered'])).toEqual([
      'accepted: respond linger',
      'accepted: ',
      'accepted: respond',
      'accepted: deliverAck',
      'terminated: ',
    ]);
  });

  it('ends by Timer H without an ACK', () => {
    expect(play(INVITE_SERVER, 'completed', ['timeout'])).toEqual(['terminated: ']);
  });
});

describe('RFC 3261 17.2.2 and RFC 4320: non-INVITE server transaction', () => {
  it('answers copies with the last response', () => {
    expect(play(NON_INVITE_SERVER, 'trying', ['request', 'trying', 'request', 'failure', 'request', 'success', 'lingered'])).toEqual([
      'trying: ',
      'proceeding: respond',
      'proceeding: transmit',
      'completed: respond linger',
      'completed: transmit',
      'completed: -',
      'terminated: ',
    ]);
  });

  it('RFC 4320 4.1: sends no provisional response but 100', () => {
    expect(play(NON_INVITE_SERVER, 'trying', ['provisional'])).toEqual(['trying: -']);
  });

  it('RFC 4320 4.2: never sends 408', () => {
    expect(play(NON_INVITE_SERVER, 'proceeding', ['requestTimeout', 'success'])).toEqual(['terminated: ', 'terminated: -']);
  });
});
