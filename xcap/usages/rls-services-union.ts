/** The document of RFC 4826 4.4.7: the union of all users' `index` documents, each service as it stands in its source. */
import { createHash } from 'node:crypto';
import { RLS_SERVICES, type Service } from '../../schemas/rls-services.ts';
import { LARGE, turn } from '../../schemas/turns.ts';
import type { XmlDocument } from '../../schemas/xml/tree.ts';
import type { MaybePromise, StoredDocument } from '../document-store.ts';
import { standaloneServices } from './standalone-services.ts';

/** What the union has of one document. */
export interface UnionPart {
  /** Canonical address of the user whose document it is. */
  readonly owner: string;
  readonly etag: string;
  /** Milliseconds since the epoch. */
  readonly modified: number;
  readonly document: XmlDocument;
  readonly services: readonly Service[];
}

/** A part, and its services once they were made to stand alone. */
interface Member {
  readonly part: UnionPart;
  text: MaybePromise<string> | undefined;
}

/** In the entity tag: another one when the same documents give another union. */
const FORM = '1';
const HEAD = `<?xml version="1.0" encoding="UTF-8"?>\n<rls-services xmlns="${RLS_SERVICES}">\n`;
const TAIL = '</rls-services>\n';

/** Follows one document per user; what it made of those that have not changed is used again. */
export class ServiceUnion {
  /** Ordered by owner. */
  private readonly members: Member[] = [];
  /** Characters of all sources. */
  private characters = 0;
  private current: MaybePromise<StoredDocument> | undefined;

  /** Takes the user's document in, or in the place of the one before. */
  put(part: UnionPart): void {
    this.remove(part.owner);
    this.members.splice(this.place(part.owner), 0, { part, text: undefined });
    this.characters += part.document.source.length;
  }

  remove(owner: string): void {
    this.current = undefined;
    const place = this.place(owner);
    const found = this.members[place];
    if (found?.part.owner !== owner) return;
    this.members.splice(place, 1);
    this.characters -= found.part.document.source.length;
  }

  /** As it is now. Gives a promise, kept in turns with everything else, when much has to be done for it. */
  document(): MaybePromise<StoredDocument> {
    if (this.current) return this.current;
    const pieces = this.make(this.members.slice());
    if (this.characters > LARGE) {
      const made = inTurns(pieces).then((document) => {
        if (this.current === made) this.current = document;
        return document;
      });
      // It is made of what there is now, so that whoever asks before the next change may share it.
      this.current = made;
      made.catch(() => {
        if (this.current === made) this.current = undefined;
      });
      return made;
    }
    let piece = pieces.next();
    while (piece.done !== true) piece = pieces.next();
    this.current = piece.value;
    return piece.value;
  }

  /** Where the owner's document is, or would be. */
  private place(owner: string): number {
    const { members } = this;
    const last = members.at(-1);
    if (last === undefined || last.part.owner < owner) return members.length;
    let [from, to] = [0, members.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if ((members[middle]?.part.owner ?? '') < owner) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  /** Yields after each piece of the work, with what has to be waited for. */
  private *make(members: readonly Member[]): Generator<Promise<string> | undefined, StoredDocument> {
    const texts = [HEAD];
    const versions = createHash('sha256').update(FORM);
    let modified = 0;
    let done = 0;
    for (const member of members) {
      const { document, services, owner, etag, modified: when } = member.part;
      member.text ??= standaloneServices(document, services);
      if (typeof member.text !== 'string') {
        const waited = member;
        waited.text = member.text.then((text) => (waited.text = text));
        yield waited.text;
      }
      if (typeof member.text !== 'string') throw new Error('the services of a document are not ready');
      texts.push(member.text);
      versions.update(`\n${owner} ${etag}`);
      modified = Math.max(modified, when);
      done += document.source.length + PART;
      if (done > PIECE) {
        yield undefined;
        done = 0;
      }
    }
    yield undefined;
    texts.push(TAIL);
    const text = texts.join('');
    const tag = versions.digest('base64url').slice(0, 22);
    return { key: { auid: 'rls-services', xui: undefined, name: 'index' }, etag: tag, text, modified };
  }
}

/** Characters after which the others get their turn, and how many of them a part costs besides its own. */
const PIECE = 4 * LARGE;
const PART = 500;

async function inTurns(pieces: Generator<Promise<string> | undefined, StoredDocument>): Promise<StoredDocument> {
  await turn();
  let piece = pieces.next();
  while (piece.done !== true) {
    await (piece.value ?? turn());
    piece = pieces.next();
  }
  return piece.value;
}
