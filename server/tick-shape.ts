import { executionAsyncResource } from 'node:async_hooks';

/** One of the objects in which Node keeps what process.nextTick() was given. */
let kept: object | undefined;

/**
 * Keeps process.nextTick(), which runs several times for every request, as fast as it is in a young process. V8 describes what it is
 * given in objects of one shape, and drops a shape when a garbage collection finds no object of it; nextTick() was compiled for the
 * one that is gone then and takes five times as long ever after. So one object is held for good. To be called early, and once.
 */
export function holdTickShape(): void {
  process.nextTick(() => {
    kept ??= executionAsyncResource();
  });
}
