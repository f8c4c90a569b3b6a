import type { SipRequest, SipResponse } from '../message/message.ts';

/** Is told of the calls that the proxy forwards; changes nothing about them. */
export interface CallObserver {
  /**
   * An INVITE that begins a call is sent on: to a user of ours, or elsewhere. Told again for each user that it is diverted to.
   * @param caller canonical address of the sender, where it is known to be a user of ours
   */
  inviteForwarded(invite: SipRequest, caller: string | undefined, callee: string | undefined): void;
  /** A 1xx or 2xx response to it is passed on. */
  inviteAnswered(invite: SipRequest, response: SipResponse): void;
  /** It has its final response, whose status this is: what has not been accepted never will be. */
  inviteEnded(invite: SipRequest, status: number): void;
  /** A BYE passes. */
  byeForwarded(bye: SipRequest): void;
}
