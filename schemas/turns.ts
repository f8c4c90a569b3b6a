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
