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

  it('26.3.2.4: keeps nothing after a challenge', () => {
    expect(play(INVITE_SERVER, 'trying', ['challenge', 'request', 'ack'])).toEqual([
      'terminated: respond',
      'terminated: -',
      'terminated: -',
    ]);
  });

  it('ends by Timer H without an ACK', () => {
    expect(play(INVITE_SERVER, 'completed', ['timeout'])).toEqual(['terminated: ']);
  });
});

describe('RFC 3261 17.2.2 and RFC 4320: non-INVITE server transaction', () => {
  it('answers copies with the last response', () => {
    expect(play(NON_INVITE_SERVER, 'trying', ['request', 'slow', 'request', 'failure', 'request', 'success', 'lingered'])).toEqual([
      'trying: ',
      'proceeding: sendTrying',
      'proceeding: transmit',
      'completed: respond linger',
      'completed: transmit',
      'completed: -',
      'terminated: ',
    ]);
  });

  it('RFC 4320 4.1: sends no provisional response but 100', () => {
    expect(play(NON_INVITE_SERVER, 'trying', ['provisional', 'trying'])).toEqual(['trying: -', 'trying: -']);
  });

  it('RFC 4320 4.2: never sends 408', () => {
    expect(play(NON_INVITE_SERVER, 'proceeding', ['requestTimeout', 'success'])).toEqual(['terminated: ', 'terminated: -']);
  });
});

/** All rows of a machine as `state input -> next: actions`; what is not there means nothing in that state. */
function rows(machine: object): string[] {
  return Object.entries(machine as AnyMachine).flatMap(([state, inputs]) =>
    Object.entries(inputs).map(([input, transition]) =>
      `${state} ${input} -> ${transition?.next}: ${transition?.actions.join(' ')}`.trim(),
    ),
  );
}

function table(text: string): string[] {
  return text
    .trim()
    .split('\n')
    .map((line) => line.trim().replace(/\s+/g, ' '))
    .sort();
}

describe('the tables are those of the RFCs, row by row', () => {
  it('INVITE client: RFC 3261 figure 5 as RFC 6026 8.4 has it, RFC 3261 9.1, and connections that end', () => {
    expect(rows(INVITE_CLIENT).sort()).toEqual(
      table(`
        calling    retransmit     -> calling:    transmit retransmitDoubled
        calling    timeout        -> terminated: reportTimeout
        calling    transportError -> terminated: reportTransport
        calling    connectionLost -> calling:    transmitAnew
        calling    provisional    -> proceeding: stopTimers deliver
        calling    success        -> accepted:   deliver linger
        calling    failure        -> completed:  acknowledge deliver linger
        calling    cancel         -> cancelling:
        cancelling retransmit     -> cancelling: transmit retransmitDoubled
        cancelling timeout        -> terminated: reportTimeout
        cancelling transportError -> terminated: reportTransport
        cancelling connectionLost -> terminated: reportTransport
        cancelling provisional    -> cancelled:  stopTimers deliver sendCancel awaitEnd
        cancelling success        -> accepted:   deliver linger
        cancelling failure        -> completed:  acknowledge deliver linger
        proceeding provisional    -> proceeding: deliver
        proceeding success        -> accepted:   deliver linger
        proceeding failure        -> completed:  acknowledge deliver linger
        proceeding transportError -> terminated: reportTransport
        proceeding connectionLost -> proceeding: transmitAnew
        proceeding cancel         -> cancelled:  sendCancel awaitEnd
        cancelled  provisional    -> cancelled:  deliver
        cancelled  success        -> accepted:   deliver linger
        cancelled  failure        -> completed:  acknowledge deliver linger
        cancelled  timeout        -> terminated: reportTimeout
        cancelled  transportError -> terminated: reportTransport
        cancelled  connectionLost -> terminated: reportTransport
        completed  failure        -> completed:  acknowledge
        completed  transportError -> terminated:
        completed  lingered       -> terminated:
        accepted   success        -> accepted:   deliver
        accepted   lingered       -> terminated:
      `),
    );
  });

  it('non-INVITE client: RFC 3261 figure 6, and connections that end', () => {
    expect(rows(NON_INVITE_CLIENT).sort()).toEqual(
      table(`
        trying     retransmit     -> trying:     transmit retransmitDoubled
        trying     timeout        -> terminated: reportTimeout
        trying     transportError -> terminated: reportTransport
        trying     connectionLost -> trying:     transmitAnew
        trying     provisional    -> proceeding: deliver
        trying     success        -> completed:  deliver linger
        trying     failure        -> completed:  deliver linger
        proceeding retransmit     -> proceeding: transmit retransmitAtT2
        proceeding timeout        -> terminated: reportTimeout
        proceeding transportError -> terminated: reportTransport
        proceeding connectionLost -> proceeding: transmitAnew
        proceeding provisional    -> proceeding: deliver
        proceeding success        -> completed:  deliver linger
        proceeding failure        -> completed:  deliver linger
        completed  lingered       -> terminated:
      `),
    );
  });

  it('INVITE server: RFC 3261 figure 7 as RFC 6026 8.6 has it, "send 100 if TU won\'t in 200 ms" as a state of its own', () => {
    expect(rows(INVITE_SERVER).sort()).toEqual(
      table(`
        trying     request        -> trying:
        trying     slow           -> proceeding: sendTrying
        trying     trying         -> proceeding: stopTimers respond
        trying     provisional    -> proceeding: stopTimers respond
        trying     success        -> accepted:   respond linger
        trying     failure        -> completed:  respond awaitAck
        trying     challenge      -> terminated: respond
        trying     requestTimeout -> completed:  respond awaitAck
        proceeding request        -> proceeding: transmit
        proceeding trying         -> proceeding: respond
        proceeding provisional    -> proceeding: respond
        proceeding success        -> accepted:   respond linger
        proceeding failure        -> completed:  respond awaitAck
        proceeding requestTimeout -> completed:  respond awaitAck
        completed  request        -> completed:  transmit
        completed  retransmit     -> completed:  transmit retransmitDoubled
        completed  timeout        -> terminated:
        completed  ack            -> confirmed:  stopTimers linger
        accepted   request        -> accepted:
        accepted   success        -> accepted:   respond
        accepted   ack            -> accepted:   deliverAck
        accepted   lingered       -> terminated:
        confirmed  request        -> confirmed:
        confirmed  ack            -> confirmed:
        confirmed  lingered       -> terminated:
      `),
    );
  });

  it('non-INVITE server: RFC 3261 figure 8 without what RFC 4320 4.1 and 4.2 forbid', () => {
    expect(rows(NON_INVITE_SERVER).sort()).toEqual(
      table(`
        trying     request        -> trying:
        trying     slow           -> proceeding: sendTrying
        trying     success        -> completed:  respond linger
        trying     failure        -> completed:  respond linger
        trying     requestTimeout -> terminated:
        proceeding request        -> proceeding: transmit
        proceeding success        -> completed:  respond linger
        proceeding failure        -> completed:  respond linger
        proceeding requestTimeout -> terminated:
        completed  request        -> completed:  transmit
        completed  lingered       -> terminated:
      `),
    );
  });
});
