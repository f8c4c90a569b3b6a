/**
 * Validation in threads of its own: libxml2 does a document in one go, which takes a tenth of a second for a megabyte, and very much
 * longer by a schema whose patterns or content models have many ways to match. Small documents of the server's own schemas are
 * validated at once, which costs less than the way to a thread and back. Other schemas have another thread, so that what they take
 * keeps nobody waiting who has nothing to do with them.
 */
import { Worker } from 'node:worker_threads';
import { LARGE, turn } from '../turns.ts';
import { hasSchema, isOwnSchema, registeredSchemas, type SchemaViolation, schemaViolations } from './validate.ts';

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

/** Milliseconds that one document may take, by the server's own schemas and by others. */
const TIME_LIMITS = { own: 10_000, other: 3000 } as const;
type Kind = keyof typeof TIME_LIMITS;
const TOO_MUCH: SchemaViolation = { line: 1, message: 'the document takes too much to validate' };

/** As `schemaViolations`: at once for a small text and a schema of the server's own, else as a promise that never rejects. */
export function violationsOf(namespace: string, text: string): SchemaViolation[] | Promise<SchemaViolation[]> {
  const kind = isOwnSchema(namespace) ? 'own' : 'other';
  if (text.length <= LARGE && (kind === 'own' || !hasSchema(namespace))) return schemaViolations(namespace, text);
  // Run from the sources, as the tests do, there is no file that a thread could load.
  if (import.meta.url.endsWith('.ts') || !hasSchema(namespace)) return turn().then(() => schemaViolations(namespace, text));
  return new Promise((resolve) => currentThread(kind).ask(namespace, text, resolve));
}

const threads = new Map<Kind, ValidationThread>();

function currentThread(kind: Kind): ValidationThread {
  let thread = threads.get(kind);
  if (!thread || thread.ended || thread.schemas !== registeredSchemas().length) threads.set(kind, (thread = new ValidationThread(kind)));
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
  private readonly kind: Kind;

  constructor(kind: Kind) {
    this.kind = kind;
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
    this.timer = setTimeout(() => this.giveUp(), TIME_LIMITS[this.kind]);
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
    for (const { namespace, text, resolve } of this.queue.splice(0)) currentThread(this.kind).ask(namespace, text, resolve);
  }
}
