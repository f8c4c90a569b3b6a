/** What runs in the thread of `validate-apart.ts`: answers one question after the other. */
import { parentPort, workerData } from 'node:worker_threads';
import { registerSchema, type SchemaSource, type SchemaViolation, schemaViolations } from './validate.ts';
import type { Answer, Question } from './validate-apart.ts';

for (const source of workerData as readonly SchemaSource[]) registerSchema(source);

parentPort?.on('message', ({ id, namespace, text }: Question) => {
  let violations: SchemaViolation[] | undefined;
  try {
    violations = schemaViolations(namespace, text);
  } catch {
    // Such as memory that is used up: nothing that would be said of the document.
  }
  parentPort?.postMessage({ id, violations } satisfies Answer);
});
