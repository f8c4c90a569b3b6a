import { go, type Machine } from './machine.ts';

export type ServerState = 'trying' | 'proceeding' | 'completed' | 'accepted' | 'confirmed' | 'terminated';

export type ServerInput =
  /** The request came again. */
  | 'request'
  | 'ack'
  /** The user takes so long that the client must hear something: 200 ms for an INVITE, until its Timer E is at T2 for others. */
  | 'slow'
  /** From the user: 100. */
  | 'trying'
  /** From the user: 101 to 199. */
  | 'provisional'
  /** From the user: 2xx. */
  | 'success'
  /** From the user: 3xx to 6xx, but not 408. */
  | 'failure'
  /** From the user, who does not know the sender: 401 or 407. */
  | 'challenge'
  /** From the user: 408. */
  | 'requestTimeout'
  /** Timer G. */
  | 'retransmit'
  /** Timer H: the ACK never came. */
  | 'timeout'
  /** Timer I, J or L. */
  | 'lingered';

export type ServerAction =
  /** Send the user's response and keep it. */
  | 'respond'
  /** Send the kept response again. */
  | 'transmit'
  /** Send a 100. */
  | 'sendTrying'
  /** Start Timers G and H. */
  | 'awaitAck'
  /** Run Timer G once more, doubled, at most T2. */
  | 'retransmitDoubled'
  | 'stopTimers'
  /** Start Timer I, J or L. */
  | 'linger'
  /** Give the ACK to the user. */
  | 'deliverAck';

type ServerMachine<State extends ServerState> = Machine<State, ServerInput, ServerAction>;

/**
 * RFC 3261 17.2.1 figure 7, with the Accepted state of RFC 6026 7.1. `trying` is the part of Proceeding in which nothing has been sent
 * yet: it ends with the user's first response, or after 200 ms with a 100.
 */
export const INVITE_SERVER: ServerMachine<ServerState> = {
  trying: {
    request: go('trying'),
    slow: go('proceeding', 'sendTrying'),
    trying: go('proceeding', 'stopTimers', 'respond'),
    provisional: go('proceeding', 'stopTimers', 'respond'),
    success: go('accepted', 'respond', 'linger'),
    failure: go('completed', 'respond', 'awaitAck'),
    // RFC 3261 26.3.2.4: once, and nothing kept; sent again and again it would serve whoever writes another's address into datagrams.
    challenge: go('terminated', 'respond'),
    requestTimeout: go('completed', 'respond', 'awaitAck'),
  },
  proceeding: {
    request: go('proceeding', 'transmit'),
    trying: go('proceeding', 'respond'),
    provisional: go('proceeding', 'respond'),
    success: go('accepted', 'respond', 'linger'),
    failure: go('completed', 'respond', 'awaitAck'),
    requestTimeout: go('completed', 'respond', 'awaitAck'),
  },
  completed: {
    request: go('completed', 'transmit'),
    retransmit: go('completed', 'transmit', 'retransmitDoubled'),
    timeout: go('terminated'),
    ack: go('confirmed', 'stopTimers', 'linger'),
  },
  accepted: {
    // RFC 6026 7.1: the INVITE's copies are swallowed, the user's further 2xx sent; the ACK is the user's.
    request: go('accepted'),
    success: go('accepted', 'respond'),
    ack: go('accepted', 'deliverAck'),
    lingered: go('terminated'),
  },
  confirmed: {
    request: go('confirmed'),
    ack: go('confirmed'),
    lingered: go('terminated'),
  },
  terminated: {},
};

/**
 * RFC 3261 17.2.2 figure 8, as corrected by RFC 4320 4.1 and 4.2: no provisional response but a 100, and that neither before nor after
 * the client's Timer E is at T2; and never a 408.
 */
export const NON_INVITE_SERVER: ServerMachine<Exclude<ServerState, 'accepted' | 'confirmed'>> = {
  trying: {
    request: go('trying'),
    slow: go('proceeding', 'sendTrying'),
    success: go('completed', 'respond', 'linger'),
    failure: go('completed', 'respond', 'linger'),
    requestTimeout: go('terminated'),
  },
  proceeding: {
    request: go('proceeding', 'transmit'),
    success: go('completed', 'respond', 'linger'),
    failure: go('completed', 'respond', 'linger'),
    requestTimeout: go('terminated'),
  },
  completed: {
    request: go('completed', 'transmit'),
    lingered: go('terminated'),
  },
  terminated: {},
};
