/**
 * Long work in short pieces: everything else that the process has to do comes between them. All who work so take turns, one
 * piece in each round of the event loop, so that many of them at once hold it up no longer than one.
 */

/** Characters of a text from which on the work on it is done in pieces. What is shorter takes a few milliseconds at most. */
export const LARGE = 64 * 1024;

let last: Promise<void> = Promise.resolve();

/** Resolves when it is the caller's turn to do a piece. */
export function turn(): Promise<void> {
  last = last.then(() => new Promise((resolve) => setImmediate(resolve)));
  return last;
}

/** Characters of which the work is done at once in one round of the event loop, all who ask together. */
const AT_ONCE = LARGE;

let doneInRound = 0;

/**
 * Whether the work on so many characters may be done at once: not when it is long, nor when there was much already in this round of the
 * event loop. A hundred requests that come together would hold it up as one long document would. Whoever is told no waits for `turn`.
 */
export function fitsInRound(characters: number): boolean {
  if (doneInRound + characters > AT_ONCE) return false;
  if (doneInRound === 0) setImmediate(endRound);
  doneInRound += characters;
  return true;
}

function endRound(): void {
  doneInRound = 0;
}

/** Work that waits only where it must: what it yields is waited for, and comes back to it. */
export type Steps<T> = Generator<Promise<unknown>, T, unknown>;

/** Does the work: all of it at once where nothing has to be waited for, otherwise as a promise. Throws, or rejects with, what the work throws. */
export function doSteps<T>(steps: Steps<T>): T | Promise<T> {
  const first = steps.next();
  return first.done ? first.value : goOn(steps, first.value);
}

async function goOn<T>(steps: Steps<T>, first: Promise<unknown>): Promise<T> {
  let waiting = first;
  for (;;) {
    const result = await waiting.then(
      (value) => steps.next(value),
      (error) => steps.throw(error),
    );
    if (result.done) return result.value;
    waiting = result.value;
  }
}

/** A step: the value, waited for where it is a promise. */
export function* settled<T>(value: T | Promise<T>): Steps<T> {
  return value instanceof Promise ? ((yield value) as T) : value;
}
