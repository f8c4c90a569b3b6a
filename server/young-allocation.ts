import { setFlagsFromString } from 'node:v8';

/**
 * Lets every object begin in the young generation. V8 would watch, for each place in the code, how many of the objects made there
 * survive, and have those of some places begin in the old generation, for good. While documents are being read into memory nearly all
 * survive; what the same code makes for a request afterwards dies with the answer, but then in the old generation, where it keeps all
 * that it refers to, such as the tree of the edited document, alive until the next full collection: the requests that changed one
 * element of one of a few hundred documents took half as long again. To be called before anything is read, and once.
 */
export function allocateYoung(): void {
  setFlagsFromString('--no-allocation-site-pretenuring');
}
