export declare class Timer {
  readonly active: boolean;
}

/** All timers of the stack. Never early; late by less than 10 ms unless the process is busy. Nothing ticks while nothing is due. */
export declare class TimerWheel {
  /** Calls `callback` once, `delayMs` milliseconds from now at the earliest. */
  schedule(delayMs: number, callback: () => void): Timer;
  /** Same, without a closure: `callback(argument)`. */
  schedule<T>(delayMs: number, callback: (argument: T) => void, argument: T): Timer;
  /** Does nothing when the timer has fired or was cancelled. */
  cancel(timer: Timer): void;
  /** Moves the timer to `delayMs` from now, also one that has fired or was cancelled. */
  reschedule(timer: Timer, delayMs: number): void;
  /** Cancels everything. */
  close(): void;
}
