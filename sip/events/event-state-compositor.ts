/**
 * PUBLISH (RFC 3903 6): keeps each user's publications by entity-tag until they expire, and says when their sum has changed.
 */
import { canonicalAddress } from '../../schemas/address.ts';
import { MalformedDocument } from '../../schemas/malformed-document.ts';
import type { HeaderField } from '../core/respond.ts';
import type { RequestContext } from '../core/router.ts';
import type { StateStore } from '../core/state-store.ts';
import { decodedBody } from '../message/content-coding.ts';
import { randomHex } from '../message/identifiers.ts';
import type { SipRequest } from '../message/message.ts';
import { SipError } from '../message/sip-error.ts';
import type { Timer, TimerWheel } from '../transport/timer-wheel.ts';
import { eventName } from './event-header.ts';
import { PublicationRecords } from './publication-records.ts';

/** What a package lets be published (RFC 3903 6.1). */
export interface PublicationFormat<Document> {
  readonly eventName: string;
  readonly contentTypes: readonly string[];
  /** Throws MalformedDocument when the body is not such a document. */
  parse(body: Buffer, contentType: string): Document;
  /**
   * What a modification makes of what was published, for documents that may hold the changed parts alone: the whole document, its text to keep,
   * and the media type of that if it is another than the modification's. Without it the new document takes the place of the old one. Throws MalformedDocument.
   */
  modify?(
    before: Document,
    change: Buffer,
    contentType: string,
  ): { readonly document: Document; readonly text: string; readonly contentType?: string };
  /** Whether trusted peers may publish for every user, as messaging systems do. */
  readonly byPeers?: boolean;
}

export interface CompositorOptions {
  readonly state: StateStore;
  readonly wheel: TimerWheel;
  readonly now: () => number;
  /** Is the canonical address a user here? */
  hasUser(address: string): boolean;
  /** Seconds. */
  readonly minExpires: number;
  readonly defaultExpires: number;
  readonly maxExpires: number;
  /** Publications that one user may have at a time. */
  readonly maxPerUser: number;
}

/** Bytes of one body: what is published is sent to every watcher. */
const MAX_BODY = 65_536;
/** Bytes of all that one user has published: it is put together for each change of it. */
const MAX_BODIES = 65_536;

/** A token (RFC 3903 12). */
const ENTITY_TAG = /^[\w\-.!%*+`'~]+$/;

interface Publication<Document> {
  /** Names it for as long as it lasts, in what is stored. */
  readonly id: string;
  etag: string;
  readonly resource: string;
  contentType: string;
  body: Buffer;
  document: Document;
  /** Rises with every publication made or modified: the higher, the newer. */
  order: number;
  /** When it was made or modified last, in milliseconds since the epoch. */
  publishedAt: number;
  expiresAt: number;
  timer: Timer | undefined;
  /** Lasts until it is released, and no PUBLISH can name it. */
  readonly held: boolean;
}

interface ReadPublication<Document> {
  readonly contentType: string;
  /** Decoded, and whole. */
  readonly body: Buffer;
  readonly document: Document;
}

export class EventStateCompositor<Document> {
  /** Each user's own, in no order; no user has many. */
  private readonly publications = new Map<string, Publication<Document>[]>();
  private readonly format: PublicationFormat<Document>;
  private readonly options: CompositorOptions;
  private readonly records: PublicationRecords;
  private order = 0;
  private listener: (resource: string) => void = () => {};

  constructor(format: PublicationFormat<Document>, options: CompositorOptions) {
    this.format = format;
    this.options = options;
    this.records = new PublicationRecords(options.state, format.eventName);
  }

  /** Told after every change of what a user has published, expiry included; not for a refresh. */
  onChange(listener: (resource: string) => void): void {
    this.listener = listener;
  }

  /** What a user (canonical address) has published, newest first, and when it was said so: made or modified last. */
  published(resource: string): readonly { readonly document: Document; readonly publishedAt: number }[] {
    const own = this.publications.get(resource);
    if (!own) return [];
    return [...own].sort((a, b) => b.order - a.order);
  }

  /** The documents of `published`. */
  documents(resource: string): Document[] {
    return this.published(resource).map(({ document }) => document);
  }

  /** The event whose state this is. */
  get eventName(): string {
    return this.format.eventName;
  }

  get contentTypes(): readonly string[] {
    return this.format.contentTypes;
  }

  /** What is held for the resource. */
  held(resource: string): Document | undefined {
    return this.heldPublication(resource)?.document;
  }

  /** Keeps a document of the resource (canonical address) beside what is published, as the newest, in place of the one held before; it does not expire. */
  hold(resource: string, contentType: string, body: Buffer): void {
    const document = this.format.parse(body, contentType);
    const before = this.heldPublication(resource);
    if (before) this.drop(before);
    const publication = this.made(resource, { contentType, body, document }, 0, true);
    this.keep(publication);
    this.save(publication);
    this.listener(resource);
  }

  /** Ends what is held for the resource; false when nothing is. */
  release(resource: string): boolean {
    const held = this.heldPublication(resource);
    if (!held) return false;
    this.drop(held);
    this.listener(resource);
    return true;
  }

  private heldPublication(resource: string): Publication<Document> | undefined {
    return this.publications.get(resource)?.find(({ held }) => held);
  }

  hasPublications(resource: string): boolean {
    return this.publications.has(resource);
  }

  /** Of all that the resource's user has published. */
  bytesOf(resource: string): number {
    let bytes = 0;
    for (const { body } of this.publications.get(resource) ?? []) bytes += body.length;
    return bytes;
  }

  /** Brings back the publications of an earlier run. */
  restore(): void {
    const now = this.options.now();
    for (const [id, stored] of this.records.load()) {
      const { contentType, body, order, expiresAt, held } = stored;
      if (expiresAt <= now && !held) {
        this.records.delete(id);
        continue;
      }
      const bytes = Buffer.from(body, 'utf8');
      let document: Document;
      try {
        document = this.format.parse(bytes, contentType);
      } catch (error) {
        if (!(error instanceof MalformedDocument)) throw error;
        // What an earlier version took and this one does not must not keep the server from starting.
        this.records.delete(id);
        continue;
      }
      this.order = Math.max(this.order, order);
      this.keep({ ...stored, id, body: bytes, document, timer: undefined });
    }
  }

  /** For the PUBLISH method, once the Event header field is known to be this format's. */
  publish(context: RequestContext): void {
    const { request } = context;
    const resource = canonicalAddress(request.uri);
    if (!this.options.hasUser(resource)) throw new SipError(404, 'No such user');
    const isPeer = this.format.byPeers === true && context.identitySource === 'peer';
    if (context.identity !== resource && !context.isAdmin && !isPeer) throw new SipError(403, 'Only the user may publish for this address');
    const [etag, ...others] = request.headers.all('SIP-If-Match');
    if (others.length > 0 || (etag !== undefined && !ENTITY_TAG.test(etag)))
      throw new SipError(400, 'SIP-If-Match must have one entity-tag');
    // RFC 3903 6: what the condition is on comes before how long it is to last.
    const found = etag === undefined ? undefined : this.found(resource, etag);
    const expires = this.grantedExpires(request);
    if (found) this.update(context, found, expires);
    else this.create(context, resource, expires);
  }

  private create(context: RequestContext, resource: string, expires: number): void {
    const { request } = context;
    if (request.body.length === 0) throw new SipError(400, 'A first PUBLISH needs a body');
    const read = this.read(request);
    this.makeRoom(resource, read.body.length);
    const publication = this.made(resource, read, this.options.now() + expires * 1000, false);
    // RFC 3903 6: an expiry of 0 publishes nothing that would last.
    if (expires > 0) {
      this.keep(publication);
      this.save(publication);
      this.listener(resource);
    }
    this.accept(context, publication.etag, expires);
  }

  private made(resource: string, read: ReadPublication<Document>, expiresAt: number, held: boolean): Publication<Document> {
    const etag = newEntityTag();
    const [order, publishedAt] = [++this.order, this.options.now()];
    return { id: etag, etag, resource, ...read, order, publishedAt, expiresAt, timer: undefined, held };
  }

  /** An agent that starts over and over publishes anew each time: what it left behind the longest ago gives way. */
  private makeRoom(resource: string, bytes: number, change?: Publication<Document>): void {
    const others = this.publications.get(resource)?.filter((one) => one !== change) ?? [];
    let total = others.reduce((sum, { body }) => sum + body.length, bytes);
    let count = others.length;
    const oldestFirst = others.filter(({ held }) => !held).sort((a, b) => a.order - b.order);
    for (const publication of oldestFirst) {
      if (count < this.options.maxPerUser && total <= MAX_BODIES) return;
      total -= publication.body.length;
      count--;
      this.drop(publication);
    }
  }

  private update(context: RequestContext, publication: Publication<Document>, expires: number): void {
    const { request } = context;
    const read = request.body.length > 0 && expires > 0 ? this.readChange(request, publication.document) : undefined;
    publication.etag = newEntityTag();
    if (expires === 0) this.drop(publication);
    else {
      const now = this.options.now();
      publication.expiresAt = now + expires * 1000;
      this.awaitExpiry(publication, now);
      if (read) {
        this.makeRoom(publication.resource, read.body.length, publication);
        publication.contentType = read.contentType;
        publication.body = read.body;
        publication.document = read.document;
        publication.order = ++this.order;
        publication.publishedAt = now;
        this.save(publication);
      } else this.records.refresh(publication.id, publication);
    }
    if (read || expires === 0) this.listener(publication.resource);
    this.accept(context, publication.etag, expires);
  }

  private accept(context: RequestContext, etag: string, expires: number): void {
    const headers: HeaderField[] = [
      ['SIP-ETag', etag],
      ['Expires', String(expires)],
    ];
    this.options.state.afterCommit(() => context.respond(200, { headers }));
  }

  private found(resource: string, etag: string): Publication<Document> {
    const publication = this.publications.get(resource)?.find((one) => one.etag === etag);
    if (!publication || publication.held) throw new SipError(412);
    return publication;
  }

  private readChange(request: SipRequest, before: Document): ReadPublication<Document> {
    const { modify } = this.format;
    if (!modify) return this.read(request);
    return this.readAs(request, (change, type) => {
      const { document, text, contentType = type } = modify(before, change, type);
      const body = Buffer.from(text, 'utf8');
      if (body.length > MAX_BODY) throw new SipError(413, `A publication may have ${MAX_BODY} bytes at most`);
      return { contentType, document, body };
    });
  }

  private read(request: SipRequest): ReadPublication<Document> {
    return this.readAs(request, (body, type) => ({ document: this.format.parse(body, type), body }));
  }

  private readAs(
    request: SipRequest,
    parse: (body: Buffer, type: string) => { contentType?: string; document: Document; body: Buffer },
  ): ReadPublication<Document> {
    const contentType = request.contentType?.type;
    if (contentType === undefined) throw new SipError(400, 'A body without a Content-Type');
    if (!this.format.contentTypes.includes(contentType))
      throw new SipError(415, undefined, [['Accept', this.format.contentTypes.join(', ')]]);
    const decoded = decodedBody(request, MAX_BODY, this.format.contentTypes);
    try {
      return { contentType, ...parse(decoded, contentType) };
    } catch (error) {
      if (error instanceof MalformedDocument) throw new SipError(400, `Bad ${contentType}: ${error.message}`);
      throw error;
    }
  }

  private grantedExpires(request: SipRequest): number {
    const { minExpires, defaultExpires, maxExpires } = this.options;
    const asked = request.expires ?? defaultExpires;
    if (asked > 0 && asked < minExpires) throw new SipError(423, undefined, [['Min-Expires', String(minExpires)]]);
    return Math.min(asked, maxExpires);
  }

  private keep(publication: Publication<Document>): void {
    const own = this.publications.get(publication.resource);
    if (own) own.push(publication);
    else this.publications.set(publication.resource, [publication]);
    if (!publication.held) this.awaitExpiry(publication, this.options.now());
  }

  /** Number of publications. */
  get size(): number {
    let size = 0;
    for (const own of this.publications.values()) size += own.length;
    return size;
  }

  private awaitExpiry(publication: Publication<Document>, now: number): void {
    const { wheel } = this.options;
    const delay = publication.expiresAt - now;
    if (publication.timer) wheel.reschedule(publication.timer, delay);
    else publication.timer = wheel.schedule(delay, (p) => this.expire(p), publication);
  }

  private save({ id, etag, resource, contentType, body, order, publishedAt, expiresAt, held }: Publication<Document>): void {
    this.records.put(id, { resource, contentType, body: body.toString('utf8'), order, publishedAt, etag, expiresAt, held });
  }

  private drop(publication: Publication<Document>): void {
    const { id, resource, timer } = publication;
    const others = this.publications.get(resource)?.filter((one) => one !== publication) ?? [];
    if (others.length > 0) this.publications.set(resource, others);
    else this.publications.delete(resource);
    if (timer) this.options.wheel.cancel(timer);
    this.records.delete(id);
  }

  /** Accounts have come or gone: drops what is published by who is no user any more. */
  usersChanged(): void {
    for (const [resource, own] of [...this.publications]) {
      if (this.options.hasUser(resource)) continue;
      for (const publication of own) this.drop(publication);
      this.listener(resource);
    }
  }

  private expire(publication: Publication<Document>): void {
    this.drop(publication);
    this.listener(publication.resource);
  }
}

function newEntityTag(): string {
  return randomHex(8);
}

/** For `router.handle('PUBLISH', ...)`: hands each request to the compositor of its event package. */
export function publishHandler(
  compositors: ReadonlyMap<string, { publish(context: RequestContext): void }>,
): (context: RequestContext) => void {
  return (context) => {
    const compositor = compositors.get(eventName(context.request.headers.get('Event') ?? ''));
    if (!compositor) throw new SipError(489, undefined, [['Allow-Events', [...compositors.keys()].join(', ')]]);
    compositor.publish(context);
  };
}
