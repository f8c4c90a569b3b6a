/** Partial notification (RFC 5263): a watcher is told the whole once, and then what has changed in what it may see. */
import { hash } from 'node:crypto';
import { type PartialDocument, PIDF_DIFF_TYPE, partialDocument, pidfDiff, type Versioned } from '../../schemas/pidf-diff.ts';
import type { Body, RenderRequest, Watch } from '../events/event-package.ts';

/** What a watcher has been told, kept as the package's note on it. */
interface Told {
  readonly version: number;
  /** Undefined when it is not known what the watcher has. */
  readonly whole: WholePresence | undefined;
}

/**
 * The body that tells the watch what it does not know of the whole document (application/pidf+xml) that it may see: the changes since it
 * was last told, or all of it; undefined when it knows all.
 */
export function partialBody(body: Body, { watch, full, version }: RenderRequest): Body | undefined {
  const told = watch.memo as Told | undefined;
  const whole = wholePresence(body);
  const known = full ? undefined : told?.whole;
  if (told && known?.body.bytes.equals(body.bytes)) {
    watch.memo = { version: told.version, whole } satisfies Told;
    return undefined;
  }
  // RFC 5263 4.4: from 1 on; who was told in an earlier run knows some number below this.
  const next = told ? told.version + 1 : watch.restored ? version + 1 : 1;
  watch.memo = { version: next, whole } satisfies Told;
  return whole.since(known).at(next);
}

/** What the watcher has is not known any more: the next it is told is the whole. */
export function forgetTold(watch: Watch): void {
  const told = watch.memo as Told | undefined;
  if (told) watch.memo = { version: told.version, whole: undefined } satisfies Told;
}

/** One for all watchers that are shown the same. */
const wholes = new WeakMap<Body, WholePresence>();

function wholePresence(body: Body): WholePresence {
  let whole = wholes.get(body);
  if (!whole) wholes.set(body, (whole = new WholePresence(body)));
  return whole;
}

class WholePresence {
  readonly body: Body;
  private readonly document: PartialDocument;
  private readonly entityTag: string;
  private readonly full: VersionedBodies;
  /** How it differs from what watchers were told before. */
  private readonly diffs = new WeakMap<WholePresence, VersionedBodies>();

  constructor(body: Body) {
    this.body = body;
    this.document = partialDocument(body.bytes.toString('utf8'));
    this.entityTag = hash('sha256', body.bytes, 'base64url').slice(0, 22);
    this.full = new VersionedBodies(this.document.full, this.entityTag);
  }

  /** All of it for who knows nothing, or would be told more otherwise. */
  since(known: WholePresence | undefined): VersionedBodies {
    if (!known) return this.full;
    let bodies = this.diffs.get(known);
    if (!bodies) {
      const diff = pidfDiff(known.document, this.document);
      bodies = diff ? new VersionedBodies(diff, this.entityTag) : this.full;
      this.diffs.set(known, bodies);
    }
    return bodies;
  }
}

/** Bodies that are kept: subscriptions of one age are at one version. */
const VERSIONS_KEPT = 100;

/** One document with whatever version each subscription is at. */
class VersionedBodies {
  private readonly text: Versioned;
  /** Of the whole state (RFC 5839 6.1): that of application/pidf+xml. */
  private readonly entityTag: string;
  private readonly bodies = new Map<number, Body>();

  constructor(text: Versioned, entityTag: string) {
    this.text = text;
    this.entityTag = entityTag;
  }

  at(version: number): Body {
    let body = this.bodies.get(version);
    if (!body) {
      const bytes = Buffer.from(`${this.text[0]}${version}${this.text[1]}`, 'utf8');
      body = { contentType: PIDF_DIFF_TYPE, bytes, entityTag: this.entityTag };
      if (this.bodies.size >= VERSIONS_KEPT) this.bodies.clear();
      this.bodies.set(version, body);
    }
    return body;
  }
}
