/** Counts the turns of this process's event loop. */
export class TurnCounter {
  count = 0;
  private stopped = false;

  constructor() {
    const turn = (): void => {
      if (this.stopped) return;
      this.count++;
      setImmediate(turn);
    };
    setImmediate(turn);
  }

  stop(): void {
    this.stopped = true;
  }
}

/** Holds the loop, as work does, for so many milliseconds. */
export function work(milliseconds: number): void {
  const until = performance.now() + milliseconds;
  while (performance.now() < until);
}
