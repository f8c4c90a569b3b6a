/** Width of a slot of the finest level. Short timers are late by less than this and what the event loop adds. */
const TICK_MS = 4;
const SLOTS = 256;
/** Spans: 1 s, 4.4 min, 18.6 h. A timer beyond waits in the last slot and is placed anew when that comes. */
const LEVELS = 3;
const MAX_TICKS = SLOTS ** LEVELS - 1;
const MAX_TIMEOUT_MS = 2 ** 31 - 1;
/** Milliseconds after which others have their turn, though more timers are due: thousands may have been set at once. */
const TURN_MS = 8;
/** Timers between two looks at the clock. */
const FIRED_AT_ONCE = 16;

/** One timer of a wheel; made by `TimerWheel.schedule`. */
export class Timer {
  /** @internal */
  callback: (argument: never) => void;
  /** @internal */
  argument: unknown;
  /** @internal Tick at which it fires. */
  due = 0;
  /** @internal Slot it waits in, -1 when it does not wait. */
  slot = -1;
  /** @internal */
  next: Timer | undefined;
  /** @internal */
  previous: Timer | undefined;

  constructor(callback: (argument: never) => void, argument: unknown) {
    this.callback = callback;
    this.argument = argument;
    this.next = undefined;
    this.previous = undefined;
  }

  /** Is it waiting to fire? */
  get active(): boolean {
    return this.slot >= 0;
  }
}

/**
 * All timers of the stack, from retransmissions to subscription expiries: a hierarchical wheel over one timeout of the runtime, which
 * is armed for the next occupied slot only. Never early; late by less than 10 ms unless the process is busy. Does not keep the
 * process alive.
 */
export class TimerWheel {
  /** Heads of the slots' lists: level 0, then 1, then 2. */
  private readonly slots: (Timer | undefined)[] = new Array(SLOTS * LEVELS).fill(undefined);
  private readonly counts: number[] = new Array(LEVELS).fill(0);
  private readonly onError: (error: unknown) => void;
  /** Last tick whose timers have been run. */
  private current = nowTick();
  private timeout: NodeJS.Timeout | undefined;
  private armedFor = Number.POSITIVE_INFINITY;
  private readonly wake = (): void => this.run();

  /** @param onError hears of callbacks that threw; by default a process warning. */
  constructor(onError: (error: unknown) => void = (error) => process.emitWarning(error instanceof Error ? error : String(error))) {
    this.onError = onError;
  }

  /** Number of waiting timers. */
  get size(): number {
    return this.counts.reduce((sum, count) => sum + count, 0);
  }

  /** Calls `callback` once, `delayMs` milliseconds from now at the earliest. */
  schedule(delayMs: number, callback: () => void): Timer;
  /** Same, without a closure: `callback(argument)`. */
  schedule<T>(delayMs: number, callback: (argument: T) => void, argument: T): Timer;
  schedule(delayMs: number, callback: (argument: never) => void, argument?: unknown): Timer {
    const timer = new Timer(callback, argument);
    this.start(timer, delayMs);
    return timer;
  }

  /** Does nothing when the timer has fired or was cancelled. */
  cancel(timer: Timer): void {
    const { slot, previous, next } = timer;
    if (slot < 0) return;
    if (previous === undefined) this.slots[slot] = next;
    else previous.next = next;
    if (next !== undefined) next.previous = previous;
    timer.previous = undefined;
    timer.next = undefined;
    timer.slot = -1;
    this.count(slot, -1);
  }

  /** Moves the timer to `delayMs` from now, also one that has fired or was cancelled. */
  reschedule(timer: Timer, delayMs: number): void {
    this.cancel(timer);
    this.start(timer, delayMs);
  }

  /** Cancels everything. */
  close(): void {
    for (let slot = 0; slot < this.slots.length; slot++) {
      for (let timer = this.slots[slot]; timer !== undefined; timer = this.slots[slot]) this.cancel(timer);
    }
    clearTimeout(this.timeout);
    this.timeout = undefined;
    this.armedFor = Number.POSITIVE_INFINITY;
  }

  private start(timer: Timer, delayMs: number): void {
    const now = performance.now();
    // After an idle time the wheel has stood still; with nothing in it, it may jump.
    if (this.armedFor === Number.POSITIVE_INFINITY && this.size === 0) this.current = Math.max(this.current, Math.floor(now / TICK_MS));
    timer.due = Math.max(Math.ceil((now + Math.max(0, delayMs)) / TICK_MS), this.current + 1);
    const event = this.place(timer);
    if (event < this.armedFor) this.arm(event, now);
  }

  /** Puts the timer into its slot; gives the tick at which that slot must be looked at. */
  private place(timer: Timer): number {
    const due = Math.min(timer.due, this.current + MAX_TICKS);
    const distance = due - this.current;
    const level = distance < SLOTS ? 0 : distance < SLOTS * SLOTS ? 1 : 2;
    const unit = SLOTS ** level;
    const position = Math.floor(due / unit);
    const slot = level * SLOTS + (position % SLOTS);
    const head = this.slots[slot];
    timer.slot = slot;
    timer.previous = undefined;
    timer.next = head;
    if (head !== undefined) head.previous = timer;
    this.slots[slot] = timer;
    this.count(slot, 1);
    return position * unit;
  }

  private count(slot: number, change: number): void {
    const level = slot < SLOTS ? 0 : slot < 2 * SLOTS ? 1 : 2;
    this.counts[level] = (this.counts[level] ?? 0) + change;
  }

  /** The next tick at which a slot is occupied or must be spread over the level below; infinite when all are empty. */
  private nextEvent(): number {
    let earliest = Number.POSITIVE_INFINITY;
    let unit = 1;
    for (let level = 0; level < LEVELS; level++, unit *= SLOTS) {
      if (this.counts[level] === 0) continue;
      const position = Math.floor(this.current / unit);
      for (let step = 1; step <= SLOTS; step++) {
        const event = (position + step) * unit;
        if (event >= earliest) break;
        if (this.slots[level * SLOTS + ((position + step) % SLOTS)] !== undefined) {
          earliest = event;
          break;
        }
      }
    }
    return earliest;
  }

  private run(): void {
    this.timeout = undefined;
    // Timers started by callbacks must not arm a timeout each; that is done once, below.
    this.armedFor = Number.NEGATIVE_INFINITY;
    const begun = performance.now();
    const target = nowTick();
    for (;;) {
      const event = this.nextEvent();
      if (event > target) break;
      this.current = event;
      if (event % (SLOTS * SLOTS) === 0) this.spread(2 * SLOTS + (Math.floor(event / (SLOTS * SLOTS)) % SLOTS));
      if (event % SLOTS === 0) this.spread(SLOTS + (Math.floor(event / SLOTS) % SLOTS));
      if (!this.fire(event % SLOTS, begun + TURN_MS)) {
        // The same slot again, as soon as may be.
        this.current = event - 1;
        break;
      }
    }
    if (this.nextEvent() > target) this.current = Math.max(this.current, target);
    this.armedFor = Number.POSITIVE_INFINITY;
    const next = this.nextEvent();
    if (next !== Number.POSITIVE_INFINITY) this.arm(next, performance.now());
  }

  private spread(slot: number): void {
    let timer = this.slots[slot];
    this.slots[slot] = undefined;
    while (timer !== undefined) {
      const next: Timer | undefined = timer.next;
      this.count(slot, -1);
      // One that is due at this very tick goes to the slot about to be fired.
      this.place(timer);
      timer = next;
    }
  }

  /** @returns whether all have fired before that time */
  private fire(slot: number, until: number): boolean {
    let fired = 0;
    for (let timer = this.slots[slot]; timer !== undefined; timer = this.slots[slot]) {
      if (++fired % FIRED_AT_ONCE === 0 && performance.now() > until) return false;
      this.cancel(timer);
      try {
        (timer.callback as (argument: unknown) => void)(timer.argument);
      } catch (error) {
        this.onError(error);
      }
    }
    return true;
  }

  private arm(event: number, now: number): void {
    clearTimeout(this.timeout);
    this.armedFor = event;
    this.timeout = setTimeout(this.wake, Math.min(Math.max(1, Math.ceil(event * TICK_MS - now)), MAX_TIMEOUT_MS)).unref();
  }
}

function nowTick(): number {
  return Math.floor(performance.now() / TICK_MS);
}
