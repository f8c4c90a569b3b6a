/**
 * Validation of large documents, in a thread of its own: libxml2 does a document in one go, which takes a tenth of a second for
 * a megabyte. Small ones are validated at once, which costs less than the way to a thread and back.
 */
import { Worker } from 'node:worker_threads';
import { LARGE, turn } from '../turns.ts';
import { hasSchema, registeredSchemas, type SchemaViolation, schemaViolations } from './validate.ts';

/** What the thread is asked. */
export interface Question {
  readonly id: number;
  readonly namespace: string;
  readonly text: string;
}

/** Its answer; without violations if the validator itself failed. */
export interface Answer {
  readonly id: number;
  readonly violations: SchemaViolation[] | undefined;
}

/** Milliseconds that one document may take. */
const TIME_LIMIT = 10_000;
const TOO_MUCH: SchemaViolation = { line: 1, message: 'the document takes too much to validate' };

/** As `schemaViolations`: at once for a small text, as a promise that never rejects for a large one. */
export function violationsOf(namespace: string, text: string): SchemaViolation[] | Promise<SchemaViolation[]> {
  if (text.length <= LARGE) return schemaViolations(namespace, text);
  // Run from the sources, as the tests do, there is no file that a thread could load.
  if (import.meta.url.endsWith('.ts') || !hasSchema(namespace)) return turn().then(() => schemaViolations(namespace, text));
  return new Promise((resolve) => currentThread().ask(namespace, text, resolve));
}

let thread: ValidationThread | undefined;

function currentThread(): ValidationThread {
  if (!thread || thread.ended || thread.schemas !== registeredSchemas().length) thread = new ValidationThread();
  return thread;
}

interface Waiting extends Question {
  readonly resolve: (violations: SchemaViolation[]) => void;
}

/** One worker thread with its queue. It has the schemas that were registered when it began, and does not keep the process alive. */
class ValidationThread {
  readonly schemas = registeredSchemas().length;
  ended = false;
  private readonly worker = new Worker(new URL('./validation-thread.js', import.meta.url), { workerData: registeredSchemas() });
  private readonly queue: Waiting[] = [];
  private timer: NodeJS.Timeout | undefined;
  private asked = 0;

  constructor() {
    this.worker.unref();
    this.worker.on('message', (answer: Answer) => this.answered(answer));
    this.worker.on('error', () => this.end());
    this.worker.on('exit', () => this.end());
  }

  ask(namespace: string, text: string, resolve: Waiting['resolve']): void {
    this.queue.push({ id: ++this.asked, namespace, text, resolve });
    if (this.queue.length === 1) this.next();
  }

  private next(): void {
    clearTimeout(this.timer);
    const [first] = this.queue;
    if (!first) {
      this.worker.unref();
      return;
    }
    // While somebody waits for the answer, the process does.
    this.worker.ref();
    this.timer = setTimeout(() => this.giveUp(), TIME_LIMIT);
    const { id, namespace, text } = first;
    this.worker.postMessage({ id, namespace, text } satisfies Question);
  }

  private answered({ id, violations }: Answer): void {
    const [first] = this.queue;
    if (!first || first.id !== id) return;
    this.queue.shift();
    first.resolve(violations ?? [TOO_MUCH]);
    this.next();
  }

  private giveUp(): void {
    this.end();
    void this.worker.terminate();
  }

  /** Whoever comes first in the queue is the reason, as far as anyone can tell; the others are asked of another thread. */
  private end(): void {
    if (this.ended) return;
    this.ended = true;
    clearTimeout(this.timer);
    this.queue.shift()?.resolve([TOO_MUCH]);
    for (const { namespace, text, resolve } of this.queue.splice(0)) currentThread().ask(namespace, text, resolve);
  }
}
