// Writes without end and acknowledges each durable write on stdout: the process that the crash tests kill.
import { join } from 'node:path';
import { pino } from 'pino';
import { SqliteDocumentStore } from '../../server/storage/sqlite/documents.ts';
import { SqliteStateStore } from '../../server/storage/sqlite/state.ts';

const [, , kind = '', directory = '', run = ''] = process.argv;
const log = pino({ level: 'silent' });

async function writeDocuments(): Promise<never> {
  const store = new SqliteDocumentStore(join(directory, 'documents.db'), log);
  const etags = new Map<string, string | undefined>();
  for (let round = 0; ; round++) {
    // Several writes in one turn, so that the kill also falls into the middle of a group.
    await Promise.all(
      ['a', 'b', 'c'].map(async (name) => {
        const key = { auid: 'resource-lists', xui: `sip:run${run}@example.com`, name };
        const change = await store.write({ key, expected: etags.get(name), text: `<n>${round}</n>` });
        if (change === 'stale') throw new Error('stale');
        etags.set(name, change.newEtag);
        process.stdout.write(`${name} ${round} ${change.newEtag}\n`);
      }),
    );
  }
}

async function writeState(): Promise<never> {
  const store = new SqliteStateStore(join(directory, 'state.db'), log);
  const table = store.table<{ round: number }>(`run${run}`);
  for (let round = 0; ; round++) {
    for (const name of ['a', 'b', 'c']) {
      table.put(name, { round });
      store.afterCommit(() => process.stdout.write(`${name} ${round}\n`));
    }
    await new Promise<void>((resolve) => store.afterCommit(resolve));
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

await (kind === 'documents' ? writeDocuments() : writeState());
