import { XcapRefusal } from './errors.ts';

/**
 * Lets the edits of one document follow each other, so that none is made to a text that is about to change.
 * Edits of different documents go side by side.
 */
export class EditQueue {
  private readonly tails = new Map<string, { last: Promise<unknown>; length: number }>();

  /** Runs the edit once those before it have ended, at once if there are none. Throws XcapRefusal 503 when too many wait. */
  run<T>(document: string, edit: () => Promise<T>): Promise<T> {
    const tail = this.tails.get(document);
    if (tail && tail.length >= LONGEST_QUEUE) {
      throw new XcapRefusal(503, 'too many changes of this document are under way', { 'retry-after': '1' });
    }
    const run = tail ? tail.last.then(edit, edit) : edit();
    const next = tail ?? { last: run, length: 0 };
    next.last = run;
    next.length++;
    if (!tail) this.tails.set(document, next);
    const done = () => {
      if (--next.length === 0) this.tails.delete(document);
    };
    run.then(done, done);
    return run;
  }
}

const LONGEST_QUEUE = 1000;
