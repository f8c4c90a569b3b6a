/** Milliseconds after which a slice ends. */
const SLICE_TIME = 10;
/** Items of a slice at the most. */
const SLICE_SIZE = 64;

export interface PacedQueueOptions {
  /** Called behind each slice; must not throw. */
  readonly paused?: () => void;
  /** When the first slice is done: at the end of the current task, or with setImmediate in the next turn of the event loop. */
  readonly begin?: (work: () => void) => void;
}

/**
 * Work done in slices, each after the first one when the event loop had its turn, so that a fan-out to thousands neither starts late nor
 * holds up everything else. A slice ends early when its items take long.
 */
export class PacedQueue<T> {
  private items: T[] = [];
  private next = 0;
  private scheduled = false;
  private readonly handle: (item: T) => void;
  private readonly paused: () => void;
  private readonly begin: (work: () => void) => void;

  /** `handle` must not throw. */
  constructor(handle: (item: T) => void, { paused = () => {}, begin = queueMicrotask }: PacedQueueOptions = {}) {
    this.handle = handle;
    this.paused = paused;
    this.begin = begin;
  }

  /** How many wait. */
  get length(): number {
    return this.items.length - this.next;
  }

  push(item: T): void {
    this.items.push(item);
    if (this.scheduled) return;
    this.scheduled = true;
    this.begin(this.drain);
  }

  private readonly drain = (): void => {
    const until = performance.now() + SLICE_TIME;
    for (let done = 0; done < SLICE_SIZE && this.next < this.items.length && (done === 0 || performance.now() < until); done++) {
      const item = this.items[this.next++] as T;
      this.handle(item);
    }
    this.paused();
    if (this.next < this.items.length) {
      // A queue that never runs empty must not keep what is done.
      if (this.next > this.items.length / 2) {
        this.items = this.items.slice(this.next);
        this.next = 0;
      }
      setImmediate(this.drain);
      return;
    }
    this.items = [];
    this.next = 0;
    this.scheduled = false;
  };
}
