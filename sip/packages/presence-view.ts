/** What watchers of one view see of a user's presence at one moment, in the formats that they take. */
import { hash } from 'node:crypto';
import {
  CLOSED_TUPLE,
  CPIM_PIDF_TYPE,
  type PresenceComponent,
  readComponent,
  summariseTuple,
  type WrittenComponent,
  writeComponents,
  writeCpimPidf,
  writePidf,
} from '../../schemas/pidf.ts';
import { PIDF_DIFF_TYPE, pidfDiff, pidfFull, unversioned, type Versioned } from '../../schemas/pidf-diff.ts';
import type { Permissions } from '../../schemas/pres-rules.ts';
import { AS_STORED, parseXml } from '../../schemas/xml/parse.ts';
import { createPatch } from '../../schemas/xml/patch.ts';
import type { XmlDocument } from '../../schemas/xml/tree.ts';
import type { Body } from '../events/event-package.ts';
import type { PresenceDecision } from '../presence/policy.ts';
import { transformComponent } from '../presence/transformations.ts';

/** Bodies of partial presence that are kept, by version: subscriptions of one age share them. */
const VERSIONS_KEPT = 100;

export class PresenceView {
  private readonly entity: string;
  private readonly components: readonly PresenceComponent[];
  private readonly decision: PresenceDecision;
  private readonly bodies = new Map<string, Body>();
  private written: string | undefined;
  private tree: XmlDocument | undefined;
  private full: VersionedBodies | undefined;
  private tag: string | undefined;
  /** How it differs from the views that watchers were told before. */
  private readonly diffs = new WeakMap<PresenceView, VersionedBodies>();

  constructor(entity: string, components: readonly PresenceComponent[], decision: PresenceDecision) {
    this.entity = entity;
    this.components = components;
    this.decision = decision;
  }

  /** The whole of it, as application/pidf+xml or application/cpim-pidf+xml. */
  body(contentType: string): Body {
    let body = this.bodies.get(contentType);
    if (!body) {
      const text = contentType === CPIM_PIDF_TYPE ? this.cpim() : this.pidf();
      body = { contentType, bytes: Buffer.from(text, 'utf8') };
      this.bodies.set(contentType, body);
    }
    return body;
  }

  /** What stands inside the root element of the document. */
  get content(): string {
    return (this.written ??= writeComponents(this.visible()));
  }

  /** The tag of the state that the watcher knows (RFC 5839 6.1), whether told whole or in parts. */
  get entityTag(): string {
    return (this.tag ??= hash('sha256', this.content, 'base64url').slice(0, 22));
  }

  /**
   * As application/pidf-diff+xml (RFC 5263 4.4): the changes since the view that the watcher knows, or the whole where it knows none or
   * that is shorter.
   */
  partial(version: number, known: PresenceView | undefined): Body {
    if (known) {
      let diff = this.diffs.get(known);
      if (!diff) this.diffs.set(known, (diff = this.changesSince(known)));
      return diff.at(version);
    }
    return this.whole.at(version);
  }

  private get whole(): VersionedBodies {
    return (this.full ??= new VersionedBodies(pidfFull(this.entity, this.content), this.entityTag));
  }

  private changesSince(known: PresenceView): VersionedBodies {
    const patch = createPatch(known.document, this.document);
    const diff = patch && pidfDiff(this.entity, patch);
    const bodies = diff && new VersionedBodies(diff, this.entityTag);
    return bodies && bodies.length < this.whole.length ? bodies : this.whole;
  }

  private get document(): XmlDocument {
    return (this.tree ??= parseXml(unversioned(this.entity, this.content), AS_STORED));
  }

  private pidf(): string {
    return writePidf(this.entity, this.visible());
  }

  private *visible(): Generator<WrittenComponent> {
    const { handling, permissions } = this.decision;
    // RFC 5025 3.2.1: the politely blocked see somebody who is not there, always the same.
    if (handling !== 'allow') yield CLOSED_TUPLE;
    else {
      for (const component of this.components) {
        const text = transformComponent(component, permissions);
        if (text !== undefined) yield { kind: component.kind, text };
      }
    }
  }

  private cpim(): string {
    const { handling, permissions } = this.decision;
    if (handling !== 'allow') return writeCpimPidf(this.entity, [CLOSED_SUMMARY]);
    const tuples = this.components.filter((c) => c.kind === 'tuple' && transformComponent(c, permissions) !== undefined);
    return writeCpimPidf(this.entity, tuples.map(summariseTuple).map(seesNotes(permissions) ? (tuple) => tuple : withoutNotes));
  }
}

/** One document with whatever version each subscription is at. */
class VersionedBodies {
  private readonly text: Versioned;
  private readonly entityTag: string;
  private readonly bodies = new Map<number, Body>();

  constructor(text: Versioned, entityTag: string) {
    this.text = text;
    this.entityTag = entityTag;
  }

  get length(): number {
    return this.text[0].length + this.text[1].length;
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

const CLOSED_SUMMARY = summariseTuple(readComponent(CLOSED_TUPLE.text, []));

function seesNotes({ provideNote, provideAllAttributes }: Permissions): boolean {
  return provideNote || provideAllAttributes;
}

function withoutNotes(tuple: ReturnType<typeof summariseTuple>): ReturnType<typeof summariseTuple> {
  return { ...tuple, notes: [] };
}
