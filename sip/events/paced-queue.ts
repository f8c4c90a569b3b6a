/** Milliseconds after which a slice ends. */
const SLICE_TIME = 10;

/**
 * Work done in slices: the first slice at the end of the current task, each further one after the event loop had its turn,
 * so that a fan-out to thousands neither starts late nor holds up everything else. A slice ends early when its items take long.
 */
export class PacedQueue<T> {
  private items: T[] = [];
  private next = 0;
  private scheduled = false;
  private readonly handle: (item: T) => void;
  private readonly paused: () => void;
  private readonly sliceSize: number;

  /** `handle` must not throw, nor `paused`, which is called behind each slice. */
  constructor(handle: (item: T) => void, paused: () => void = () => {}, sliceSize = 64) {
    this.handle = handle;
    this.paused = paused;
    this.sliceSize = sliceSize;
  }

  push(item: T): void {
    this.items.push(item);
    if (this.scheduled) return;
    this.scheduled = true;
    queueMicrotask(this.drain);
  }

  private readonly drain = (): void => {
    const until = performance.now() + SLICE_TIME;
    for (let done = 0; done < this.sliceSize && this.next < this.items.length && (done === 0 || performance.now() < until); done++) {
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
