import type { DocumentKey, MaybePromise } from '../../xcap/document-store.ts';
import type { TrackedDocument } from './xcap-diff-document.ts';

/** Whether one watcher may read documents, by the rules of a GET (RFC 5875 4.7), which may have to be read themselves. */
export class ReadAccess {
  private readonly asking = new Map<TrackedDocument, Promise<void>>();
  private readonly mayRead: (key: DocumentKey) => MaybePromise<boolean>;
  private readonly onKnown: () => void;

  /** `onKnown` is called when something can be told that could not when it was asked. */
  constructor(mayRead: (key: DocumentKey) => MaybePromise<boolean>, onKnown: () => void) {
    this.mayRead = mayRead;
    this.onKnown = onKnown;
  }

  /** As it is now; undefined while it is being found out. */
  of(tracked: TrackedDocument): boolean | undefined {
    const answer = this.mayRead(tracked.key);
    if (!(answer instanceof Promise)) return answer;
    if (!this.asking.has(tracked)) {
      const done = (): void => void this.asking.delete(tracked);
      // What cannot be found out is not told; the next change asks again.
      this.asking.set(tracked, answer.then(done).then(this.onKnown, done));
    }
    return undefined;
  }

  /** Settles once `of` knows; undefined when it does. */
  wait(tracked: TrackedDocument): Promise<void> | undefined {
    return this.of(tracked) === undefined ? this.asking.get(tracked) : undefined;
  }
}
