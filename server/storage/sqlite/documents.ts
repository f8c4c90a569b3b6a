import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import { GenerationCache } from '../../../schemas/generation-cache.ts';
import {
  type DocumentChange,
  type DocumentEntry,
  type DocumentKey,
  type DocumentStore,
  type DocumentWrite,
  documentId,
  type StoredDocument,
} from '../../../xcap/document-store.ts';
import { type Database, openDatabase, StorageError } from './database.ts';

/** The newest changes that the feed keeps. */
const FEED_LIMIT = 100_000;
/** The feed is cut once per so many changes. */
const FEED_SLACK = 1000;
/** Writes of one transaction; the rest waits for the next turn, so that a flood does not hold up everything else. */
const BATCH_LIMIT = 1000;
/** Characters of document text held in memory. */
const CACHED_CHARACTERS = 64 * 1024 * 1024;
/** Characters of the documents in the lists held in memory. */
const CACHED_LIST_CHARACTERS = 64 * 1024 * 1024;
/** Documents in the listings held in memory, by name alone. */
const CACHED_ENTRIES = 50_000;
/** Longer listings are made anew rather than copied for each change. */
const FEW = 50;
/** What a document takes in memory besides its text, in characters, about. */
const OVERHEAD = 256;

/** The global tree is the user '' of the tables: no user has an empty address. */
const MIGRATIONS = [
  `CREATE TABLE documents (
     auid TEXT NOT NULL, xui TEXT NOT NULL, name TEXT NOT NULL,
     etag TEXT NOT NULL, modified INTEGER NOT NULL, text TEXT NOT NULL,
     PRIMARY KEY (auid, xui, name)
   );
   CREATE TABLE changes (
     seq INTEGER PRIMARY KEY AUTOINCREMENT,
     auid TEXT NOT NULL, xui TEXT NOT NULL, name TEXT NOT NULL,
     previous_etag TEXT, new_etag TEXT, at INTEGER NOT NULL
   );`,
];

interface Row {
  readonly xui: string;
  readonly name: string;
  readonly etag: string;
  readonly modified: number;
  readonly text: string;
}

interface PendingWrite {
  readonly write: DocumentWrite;
  readonly resolve: (outcome: DocumentChange | 'stale') => void;
  readonly reject: (error: Error) => void;
}

/**
 * Documents in one SQLite file. A write is durable (synchronous=FULL) before its promise resolves; all writes asked for in one turn
 * of the event loop share one transaction. What is hot is answered from memory: the file belongs to this process alone.
 */
export class SqliteDocumentStore implements DocumentStore {
  private readonly database: Database;
  private readonly statements: Statements;
  private readonly log: Logger;
  private readonly documents = new GenerationCache<StoredDocument>(CACHED_CHARACTERS, weightOf);
  private readonly lists = new GenerationCache<readonly StoredDocument[]>(CACHED_LIST_CHARACTERS, (list) =>
    list.reduce((weight, document) => weight + weightOf(document), OVERHEAD),
  );
  private readonly directories = new GenerationCache<readonly DocumentEntry[]>(CACHED_ENTRIES, (entries) => entries.length + 1);
  private readonly listeners = new Set<(change: DocumentChange) => void>();
  private pending: PendingWrite[] = [];
  private lastSeq: number;

  /** Opens (or makes) the database; throws StorageError when that cannot be done. */
  constructor(file: string, log: Logger) {
    this.log = log;
    this.database = openDatabase({ file, synchronous: 'FULL', migrations: MIGRATIONS });
    this.statements = prepare(this.database);
    this.lastSeq = this.statements.lastSeq.get() ?? 0;
  }

  get(key: DocumentKey): StoredDocument | undefined {
    const id = documentId(key);
    const cached = this.documents.get(id);
    if (cached) return cached;
    const row = this.statements.get.get(key.auid, key.xui ?? '', key.name);
    return row ? this.remember(id, row, key.auid) : undefined;
  }

  list(auid: string, xui: string | undefined): readonly StoredDocument[] {
    const id = `${auid}/${xui ?? ''}`;
    let list = this.lists.get(id);
    if (!list) {
      list = Object.freeze(this.statements.list.all(auid, xui ?? '').map((row) => this.fromRow(row, auid)));
      this.lists.set(id, list);
    }
    return list;
  }

  entries(auid: string, xui: string): readonly DocumentEntry[] {
    const id = `${auid}/${xui}`;
    let entries = this.directories.get(id);
    if (!entries) {
      const rows = this.statements.entries.all(auid, xui);
      entries = Object.freeze(rows.map(({ name, etag, modified, size }) => ({ key: { auid, xui, name }, etag, modified, size })));
      this.directories.set(id, entries);
    }
    return entries;
  }

  count(auid: string, xui: string): number {
    return this.statements.count.get(auid, xui) ?? 0;
  }

  listAll(auid: string): readonly StoredDocument[] {
    return this.statements.listAll.all(auid).map((row) => this.fromRow(row, auid));
  }

  keys(auid: string, most: number): readonly DocumentKey[] {
    return this.statements.keys.all(auid, most).map(({ xui, name }) => ({ auid, xui: xui === '' ? undefined : xui, name }));
  }

  write(write: DocumentWrite): Promise<DocumentChange | 'stale'> {
    if (!this.database.open) return Promise.reject(new StorageError('the document store is closed'));
    return new Promise((resolve, reject) => {
      if (this.pending.push({ write, resolve, reject }) === 1) setImmediate(() => this.commitPending());
    });
  }

  onChange(listener: (change: DocumentChange) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Commits what is outstanding and closes the file. */
  close(): void {
    while (this.pending.length > 0) this.commitPending();
    this.database.close();
  }

  private commitPending(): void {
    const batch = this.pending;
    if (batch.length === 0) return;
    this.pending = batch.splice(BATCH_LIMIT);
    if (this.pending.length > 0) setImmediate(() => this.commitPending());

    const before = this.lastSeq;
    let outcomes: (DocumentChange | 'stale')[];
    const now = Date.now();
    try {
      this.statements.begin.run();
      outcomes = batch.map(({ write }) => this.apply(write, now));
      if (Math.floor(before / FEED_SLACK) < Math.floor(this.lastSeq / FEED_SLACK)) this.statements.prune.run(this.lastSeq - FEED_LIMIT);
      this.statements.commit.run();
    } catch (error) {
      this.lastSeq = before;
      this.fail(batch, error);
      return;
    }
    outcomes.forEach((outcome, index) => {
      if (outcome !== 'stale') this.refresh(outcome, batch[index]?.write.text, now);
    });
    for (const outcome of outcomes) if (outcome !== 'stale') this.announce(outcome);
    batch.forEach(({ resolve }, index) => {
      resolve(outcomes[index] ?? 'stale');
    });
  }

  /** Applies one write within the open transaction: its condition is met by the state that the writes before it have left. */
  private apply({ key, expected, text, tree }: DocumentWrite, now: number): DocumentChange | 'stale' {
    const { create, replace, remove, feed } = this.statements;
    const xui = key.xui ?? '';
    const seq = this.lastSeq + 1;
    const etag = text === undefined ? undefined : newEtag(seq);
    let changes = 0;
    if (expected === undefined) {
      // Deleting what must not exist changes nothing, and there is no change to tell of.
      if (text !== undefined && etag !== undefined) changes = create.run(key.auid, xui, key.name, etag, now, text).changes;
    } else if (text !== undefined && etag !== undefined) changes = replace.run(etag, now, text, key.auid, xui, key.name, expected).changes;
    else changes = remove.run(key.auid, xui, key.name, expected).changes;
    if (changes === 0) return 'stale';
    feed.run(seq, key.auid, xui, key.name, expected ?? null, etag ?? null, now);
    this.lastSeq = seq;
    return {
      seq,
      key: { auid: key.auid, xui: key.xui, name: key.name },
      ...(expected !== undefined && { previousEtag: expected }),
      ...(etag !== undefined && { newEtag: etag }),
      ...(etag !== undefined && tree !== undefined && { tree }),
    };
  }

  private fail(batch: readonly PendingWrite[], error: unknown): void {
    try {
      if (this.database.inTransaction) this.statements.rollback.run();
    } catch (again) {
      this.log.error({ err: again }, 'documents: the failed transaction could not be rolled back');
    }
    const reason = new StorageError(`documents could not be stored: ${error instanceof Error ? error.message : String(error)}`);
    this.log.error({ writes: batch.length }, reason.message);
    for (const { reject } of batch) reject(reason);
  }

  /** Makes the memory say what the commit said. */
  private refresh({ key, newEtag: etag }: DocumentChange, text: string | undefined, modified: number): void {
    const id = documentId(key);
    const directory = `${key.auid}/${key.xui ?? ''}`;
    this.lists.delete(directory);
    if (etag === undefined || text === undefined) {
      this.documents.delete(id);
      this.directories.delete(directory);
      return;
    }
    this.documents.set(id, Object.freeze({ key, etag, text, modified }));
    const entries = this.directories.get(directory);
    const at = !entries || entries.length > FEW ? -1 : entries.findIndex((entry) => entry.key.name === key.name);
    if (!entries || at < 0) this.directories.delete(directory);
    else this.directories.set(directory, entries.with(at, { key, etag, modified, size: Buffer.byteLength(text) }));
  }

  private announce(change: DocumentChange): void {
    for (const listener of this.listeners) {
      try {
        listener(change);
      } catch (error) {
        this.log.error({ err: error, seq: change.seq, key: change.key }, 'documents: a follower of the change feed failed');
      }
    }
  }

  private fromRow(row: Row, auid: string): StoredDocument {
    const id = documentId({ auid, xui: row.xui === '' ? undefined : row.xui, name: row.name });
    return this.documents.get(id) ?? this.remember(id, row, auid);
  }

  private remember(id: string, { xui, name, etag, text, modified }: Row, auid: string): StoredDocument {
    const key = { auid, xui: xui === '' ? undefined : xui, name };
    const document = Object.freeze({ key, etag, text, modified });
    this.documents.set(id, document);
    return document;
  }
}

function weightOf({ text }: StoredDocument): number {
  return text.length + OVERHEAD;
}

let entropy = Buffer.alloc(0);
let entropyUsed = 0;

/** Never given twice: the sequence number rises, and where a failed commit gives one back, 48 random bits differ. */
function newEtag(seq: number): string {
  if (entropyUsed + 6 > entropy.length) {
    entropy = randomBytes(6 * 512);
    entropyUsed = 0;
  }
  entropyUsed += 6;
  return `${seq.toString(36)}-${entropy.toString('base64url', entropyUsed - 6, entropyUsed)}`;
}

type Statements = ReturnType<typeof prepare>;

function prepare(database: Database) {
  const columns = 'xui, name, etag, modified, text';
  const one = 'auid = ? AND xui = ? AND name = ?';
  return {
    begin: database.prepare('BEGIN IMMEDIATE'),
    commit: database.prepare('COMMIT'),
    rollback: database.prepare('ROLLBACK'),
    get: database.prepare<[string, string, string], Row>(`SELECT ${columns} FROM documents WHERE ${one}`),
    list: database.prepare<[string, string], Row>(`SELECT ${columns} FROM documents WHERE auid = ? AND xui = ? ORDER BY name`),
    // octet_length takes the size from the row's head: no text is read.
    entries: database.prepare<[string, string], Omit<Row, 'xui' | 'text'> & { readonly size: number }>(
      'SELECT name, etag, modified, octet_length(text) AS size FROM documents WHERE auid = ? AND xui = ? ORDER BY name',
    ),
    count: database.prepare<[string, string], number>('SELECT count(*) FROM documents WHERE auid = ? AND xui = ?').pluck(),
    listAll: database.prepare<[string], Row>(`SELECT ${columns} FROM documents WHERE auid = ? ORDER BY xui, name`),
    keys: database.prepare<[string, number], Pick<Row, 'xui' | 'name'>>(
      'SELECT xui, name FROM documents WHERE auid = ? ORDER BY xui, name LIMIT ?',
    ),
    create: database.prepare<[string, string, string, string, number, string]>(
      'INSERT INTO documents (auid, xui, name, etag, modified, text) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
    ),
    replace: database.prepare<[string, number, string, string, string, string, string]>(
      `UPDATE documents SET etag = ?, modified = ?, text = ? WHERE ${one} AND etag = ?`,
    ),
    remove: database.prepare<[string, string, string, string]>(`DELETE FROM documents WHERE ${one} AND etag = ?`),
    feed: database.prepare<[number, string, string, string, string | null, string | null, number]>(
      'INSERT INTO changes (seq, auid, xui, name, previous_etag, new_etag, at) VALUES (?, ?, ?, ?, ?, ?, ?)',
    ),
    prune: database.prepare<[number]>('DELETE FROM changes WHERE seq <= ?'),
    lastSeq: database.prepare<[], number>("SELECT seq FROM sqlite_sequence WHERE name = 'changes'").pluck(),
  };
}
