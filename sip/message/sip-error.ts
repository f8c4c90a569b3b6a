import { reasonPhrase } from './status.ts';

/** A failure that knows the response it becomes. The one mapper for it is `sip/core/router`. */
export class SipError extends Error {
  readonly status: number;
  /** The reason phrase of the response, text an admin understands. */
  readonly reason: string;
  /** Header fields the response carries besides the copied ones. */
  readonly headers: [name: string, value: string][];

  constructor(status: number, reason: string = reasonPhrase(status), headers: [string, string][] = []) {
    // It is an answer, not a fault of ours: nobody reads where it was made, and a trace costs more than the rest of a refused request.
    const depth = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    super(`${status} ${reason}`);
    Error.stackTraceLimit = depth;
    this.name = 'SipError';
    this.status = status;
    this.reason = reason;
    this.headers = headers;
  }
}
