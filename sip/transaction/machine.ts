/** What follows an input: the next state, and what to do on the way there, in order. */
export interface Transition<State extends string, Action extends string> {
  readonly next: State;
  readonly actions: readonly Action[];
}

/** A machine: per state, the inputs that mean something in it. */
export type Machine<State extends string, Input extends string, Action extends string> = Readonly<
  Record<State, Readonly<Partial<Record<Input, Transition<State, Action>>>>>
>;

/** A table row, short to write. */
export function go<State extends string, Action extends string>(next: State, ...actions: Action[]): Transition<State, Action> {
  return { next, actions };
}

/** Durations in milliseconds (RFC 3261 17.1.1.1, table 4). */
export interface TimerValues {
  readonly t1: number;
  readonly t2: number;
  readonly t4: number;
}

export const DEFAULT_TIMER_VALUES: TimerValues = { t1: 500, t2: 4000, t4: 5000 };
