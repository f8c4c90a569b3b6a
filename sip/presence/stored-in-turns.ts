import { LARGE, type Steps, settled, turn } from '../../schemas/turns.ts';
import type { DocumentStore, StoredDocument } from '../../xcap/document-store.ts';

/** Documents of which nothing is to be had at once, however short they are. */
const PIECE = 50;

/**
 * All documents of a user for an AUID, in the order of their names, one after the other: a user may have very many, and very long ones.
 * Everything else gets its turn whenever there was much to read since the last time; a few short ones in memory are read at once. One that
 * has gone meanwhile is left out: the caller hears of that change and reads again.
 */
export function* storedInTurns(
  documents: DocumentStore,
  auid: string,
  user: string,
  read: (document: StoredDocument) => Steps<void>,
): Steps<void> {
  if (!documents.entries) {
    for (const document of yield* settled(documents.list(auid, user))) yield* read(document);
    return;
  }
  let characters = 0;
  let count = 0;
  for (const { key, size } of yield* settled(documents.entries(auid, user))) {
    characters += size;
    if (count > 0 && (characters > LARGE || count % PIECE === 0)) {
      yield turn();
      characters = size;
    }
    count++;
    const document = yield* settled(documents.get(key));
    if (document) yield* read(document);
  }
}
