/**
 * What an event package is to the notifier (RFC 6665 5.4): a constant description and a handful of pure questions.
 * A package knows nothing of dialogs, timers or sockets. Its resources are canonical addresses (`schemas/address`).
 */
import type { DocumentChange } from '../../xcap/document-store.ts';
import type { SipRequest } from '../message/message.ts';
import type { Explanation } from './explanation.ts';

export type SubHandling = 'block' | 'confirm' | 'polite-block' | 'allow';

/** Whether a watcher may see a resource, and how much of it. */
export interface Decision {
  readonly handling: SubHandling;
  /** Equal strings mean that two watchers see exactly the same: bodies are rendered once per view and state. */
  readonly view: string;
  /** The documents, rules and conditions that made the decision, for the log and for whoever asks why. */
  readonly because: string;
  /** Milliseconds since the epoch at which the decision may become another one by itself. */
  readonly validUntil?: number;
}

/** A NOTIFY body, shared as it is by all subscriptions that see the same. */
export interface Body {
  /** The whole Content-Type value. */
  readonly contentType: string;
  readonly bytes: Buffer;
  /** Of the whole state that a watcher knows who has been told this, and all before (RFC 5839 6.1). */
  readonly entityTag?: string | undefined;
  /** Equal in bodies between which nothing worth telling has changed, where that is not for the bytes to say. */
  readonly essence?: string | undefined;
}

/** A subscription as packages see it. */
export interface Watch {
  /** Unique among all watches of this server, and stable while the subscription lives. */
  readonly id: string;
  /** Canonical address of the watcher. */
  readonly watcher: string;
  /** What else was asserted to be the watcher in its last SUBSCRIBE, as canonical addresses (RFC 5025 3.1.1.2). */
  readonly aliases?: readonly string[] | undefined;
  readonly displayName: string | undefined;
  /** Textual address that it came from, with authentication off. */
  readonly source?: string | undefined;
  readonly resource: string;
  /** Media type chosen for its bodies from those that the watcher accepts. */
  readonly contentType: string;
  /** What `readTerms` made of its SUBSCRIBE. */
  readonly terms: unknown;
  /** It began in an earlier run: what it was told then is not known. */
  readonly restored?: boolean;
  /** Its NOTIFYs may have to go in datagrams, of which each ends at 64 KB. */
  readonly overDatagrams?: boolean;
  /** The package's own notes about the subscription, e.g. the version that it last sent. Not kept across a restart. */
  memo: unknown;
}

export interface RenderRequest {
  readonly watch: Watch;
  /** The whole state must be told: the first NOTIFY, and the first after a refresh or a restart. */
  readonly full: boolean;
  /** The body is to be filtered: it must be a document that stands for itself, with what is new and what is gone (RFC 4660 5.3.1). */
  readonly filtered?: boolean;
  /** How many NOTIFYs came before in this subscription; skips ahead over a restart, never back. */
  readonly version: number;
}

export interface EventPackage<State = unknown, D extends Decision = Decision> {
  /** As in the Event header field. */
  readonly name: string;
  /** Tells packages of one name apart: `presence` for one resource, `presence;list` for lists of them. */
  readonly key: string;
  /** Media types of its bodies, preferred first; the first is assumed when SUBSCRIBE has no Accept. */
  readonly contentTypes: readonly string[];
  /** Media type of bodies that tell changes alone, for watchers that name it and like none of `contentTypes` better. */
  readonly partialContentType?: string;
  /** Seconds (RFC 6665 5.4.4). */
  readonly expires: { readonly min: number; readonly default: number; readonly max: number };
  /** Extensions that its responses and notifications require (RFC 4662 4.2: eventlist). */
  readonly require?: string;
  /** Least time between two NOTIFYs of changes in one subscription, in milliseconds; without it each change is told at once. */
  readonly interval?: number;
  /** Whether this package's watchers are told to those who watch the watchers (RFC 3857). */
  readonly watcherinfo: boolean;
  /**
   * What this subscription alone asks for, in the body or the Event parameters of its SUBSCRIBE, as plain JSON that is kept with it, also across a
   * restart; `previous` in a refresh. Throws SipError.
   */
  readTerms?(request: SipRequest, previous: unknown): unknown;
  /** Brings into memory what `authorize` and `state` need; undefined when it is there already. */
  ready?(resource: string): Promise<void> | undefined;
  /**
   * Throws SipError when there is no such resource.
   * @param aliases as in `Watch`
   */
  authorize(watcher: string, resource: string, now: number, aliases?: readonly string[]): D;
  /** Throws SipError when the resource takes no new subscriptions, whoever asks. */
  admit?(resource: string): void;
  /** Why `authorize` decides as it does: which rules hold, which do not, and for what reason. As it, throws SipError. */
  explain?(watcher: string, resource: string, now: number, aliases?: readonly string[]): Explanation;
  state(resource: string): State;
  /** Undefined: nothing worth telling this watch has changed. Never called for a blocked or unconfirmed watch. */
  render(state: State, decision: D, request: RenderRequest): Body | undefined;
  /**
   * For subscriptions, not for members of lists: what `render` gave, as this watch is told it, e.g. as changes since what it was told last.
   * Undefined: nothing of it is news.
   */
  encode?(body: Body, request: RenderRequest): Body | undefined;
  /** A watch begins or ends, or has begun again after a restart. */
  opened?(watch: Watch): void | Promise<void>;
  closed?(watch: Watch): void;
  /** A refresh came, which may have changed the terms; it is answered and told once this is done. */
  refreshed?(watch: Watch): void | Promise<void>;
  /**
   * Its bodies are XML that filters may be applied to (RFC 4660). `volatile` matches what changes in them by itself, e.g. counters: with
   * nothing else new there is nothing to tell.
   */
  readonly filtering?: { readonly volatile?: RegExp };
  /** What `render` gives tells the whole state, so that its digest can be the state's entity tag (RFC 5839 6.1). */
  readonly bodiesAreWhole?: true;
  /** Where bodies are not whole: the entity tag of what there is to tell the watch now, all of it; undefined while that is not known. */
  entityTag?(watch: Watch): string | undefined;
  /** The watcher has the state that there is now, or does not want it (RFC 5839 6.2): nothing of it is news any more. */
  settled?(watch: Watch): void;
  /** The state of a resource has changed, whether anybody watches it or not. */
  changed?(resource: string): void;
  /** The resources that a committed document change may concern. */
  affectedBy?(change: DocumentChange): Iterable<string>;
}
