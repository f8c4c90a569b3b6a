import { executionAsyncResource } from 'node:async_hooks';

/**
 * Keeps process.nextTick(), which runs several times for every request, as fast as it is in a young process. V8 describes what it is
 * given in objects of one shape, and drops the shape when a garbage collection finds no object of it; nextTick() was compiled for the
 * one that is gone then and takes five times as long ever after. So one object is held for good. To be called early, and once.
 */
export function holdTickShape(): void {
  process.nextTick(() => held.push(executionAsyncResource()));
}

const held: object[] = [];
