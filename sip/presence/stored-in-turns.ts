import { LARGE, turn } from '../../schemas/turns.ts';
import type { DocumentStore, StoredDocument } from '../../xcap/document-store.ts';

/** Documents of which nothing is to be had at once, however short they are. */
const PIECE = 50;

/**
 * All documents of a user for an AUID, in the order of their names, one after the other: a user may have very many, and very long ones.
 * Everything else gets its turn whenever there was much to read since the last time. One that has gone meanwhile is left out: the caller
 * hears of that change and reads again.
 */
export async function* storedInTurns(documents: DocumentStore, auid: string, user: string): AsyncGenerator<StoredDocument> {
  if (!documents.entries) {
    yield* await documents.list(auid, user);
    return;
  }
  let characters = 0;
  let count = 0;
  for (const { key, size } of await documents.entries(auid, user)) {
    characters += size;
    if (count > 0 && (characters > LARGE || count % PIECE === 0)) {
      await turn();
      characters = size;
    }
    count++;
    const document = await documents.get(key);
    if (document) yield document;
  }
}
