import { go, type Machine } from './machine.ts';

export type ClientState = 'calling' | 'cancelling' | 'trying' | 'proceeding' | 'cancelled' | 'completed' | 'accepted' | 'terminated';

export type ClientInput =
  | 'provisional'
  /** 2xx */
  | 'success'
  /** 3xx to 6xx */
  | 'failure'
  /** Timer A or E: send again. */
  | 'retransmit'
  /** Timer B or F: give up. */
  | 'timeout'
  /** Timer D, K or M: late messages have had their time. */
  | 'lingered'
  | 'transportError'
  /** The same, where another connection may do. */
  | 'connectionLost'
  /** From the user. */
  | 'cancel';

export type ClientAction =
  /** Send the request (again). */
  | 'transmit'
  /** Send the request again, over a connection of its own. */
  | 'transmitAnew'
  /** Run Timer A or E once more, doubled; for E at most T2. */
  | 'retransmitDoubled'
  /** Run Timer E with T2. */
  | 'retransmitAtT2'
  /** Neither send again nor give up any more. */
  | 'stopTimers'
  /** Start Timer D, K or M. */
  | 'linger'
  | 'sendCancel'
  /** Give up after 64 T1. */
  | 'awaitEnd'
  /** Give the response to the user of the transaction. */
  | 'deliver'
  /** Send the ACK for a failure (RFC 3261 17.1.1.3). */
  | 'acknowledge'
  | 'reportTimeout'
  | 'reportTransport';

type ClientMachine<State extends ClientState> = Machine<State, ClientInput, ClientAction>;

/** RFC 3261 17.1.1 figure 5, with the Accepted state of RFC 6026 7.2, and two states for a request that is being cancelled (RFC 3261 9.1). */
export const INVITE_CLIENT: ClientMachine<Exclude<ClientState, 'trying'>> = {
  calling: {
    retransmit: go('calling', 'transmit', 'retransmitDoubled'),
    timeout: go('terminated', 'reportTimeout'),
    provisional: go('proceeding', 'stopTimers', 'deliver'),
    success: go('accepted', 'deliver', 'linger'),
    failure: go('completed', 'acknowledge', 'deliver', 'linger'),
    transportError: go('terminated', 'reportTransport'),
    connectionLost: go('calling', 'transmitAnew'),
    cancel: go('cancelling'),
  },
  // A CANCEL may not go out before it is known that the INVITE has arrived.
  cancelling: {
    retransmit: go('cancelling', 'transmit', 'retransmitDoubled'),
    timeout: go('terminated', 'reportTimeout'),
    provisional: go('cancelled', 'stopTimers', 'deliver', 'sendCancel', 'awaitEnd'),
    success: go('accepted', 'deliver', 'linger'),
    failure: go('completed', 'acknowledge', 'deliver', 'linger'),
    transportError: go('terminated', 'reportTransport'),
    connectionLost: go('terminated', 'reportTransport'),
  },
  proceeding: {
    provisional: go('proceeding', 'deliver'),
    success: go('accepted', 'deliver', 'linger'),
    failure: go('completed', 'acknowledge', 'deliver', 'linger'),
    transportError: go('terminated', 'reportTransport'),
    connectionLost: go('proceeding', 'transmitAnew'),
    cancel: go('cancelled', 'sendCancel', 'awaitEnd'),
  },
  cancelled: {
    provisional: go('cancelled', 'deliver'),
    success: go('accepted', 'deliver', 'linger'),
    failure: go('completed', 'acknowledge', 'deliver', 'linger'),
    timeout: go('terminated', 'reportTimeout'),
    transportError: go('terminated', 'reportTransport'),
    connectionLost: go('terminated', 'reportTransport'),
  },
  completed: {
    // The ACK could not be sent; the user has its response.
    transportError: go('terminated'),
    failure: go('completed', 'acknowledge'),
    lingered: go('terminated'),
  },
  accepted: {
    // RFC 6026 7.2: each 2xx, also from another branch of a fork, goes to the user, who acknowledges it.
    success: go('accepted', 'deliver'),
    lingered: go('terminated'),
  },
  terminated: {},
};

/** RFC 3261 17.1.2 figure 6. */
export const NON_INVITE_CLIENT: ClientMachine<Exclude<ClientState, 'calling' | 'cancelling' | 'cancelled' | 'accepted'>> = {
  trying: {
    retransmit: go('trying', 'transmit', 'retransmitDoubled'),
    timeout: go('terminated', 'reportTimeout'),
    provisional: go('proceeding', 'deliver'),
    success: go('completed', 'deliver', 'linger'),
    failure: go('completed', 'deliver', 'linger'),
    transportError: go('terminated', 'reportTransport'),
    connectionLost: go('trying', 'transmitAnew'),
  },
  proceeding: {
    retransmit: go('proceeding', 'transmit', 'retransmitAtT2'),
    timeout: go('terminated', 'reportTimeout'),
    provisional: go('proceeding', 'deliver'),
    success: go('completed', 'deliver', 'linger'),
    failure: go('completed', 'deliver', 'linger'),
    transportError: go('terminated', 'reportTransport'),
    connectionLost: go('proceeding', 'transmitAnew'),
  },
  completed: {
    lingered: go('terminated'),
  },
  terminated: {},
};
