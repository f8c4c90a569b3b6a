/** One component of one publication, as composition weighs it against those of others. */
import { parseDateTime } from '../../schemas/date-time.ts';
import { DATA_MODEL, PIDF, type PresenceComponent, type PresenceDocument, RPID, summariseTuple } from '../../schemas/pidf.ts';
import { child, textContent } from '../../schemas/xml/tree.ts';

/** A document that presence is composed of. */
export interface PresenceSource {
  readonly document: PresenceDocument;
  /** When it was published, in milliseconds since the epoch; undefined for hard state, which is below all that is published. */
  readonly publishedAt: number | undefined;
}

export interface Occurrence {
  readonly component: PresenceComponent;
  /** Which source it is from: 0 for the newest. */
  readonly source: number;
  readonly isHard: boolean;
  /** When it was last said, in milliseconds since the epoch: its timestamp, or else when it was published. */
  readonly saidAt: number;
}

/** The component's timestamp, which cannot be later than its publication; without one, the time of that. */
export function saidAt({ kind, element }: PresenceComponent, publishedAt: number | undefined): number {
  const stamp = child(element, kind === 'tuple' ? PIDF : DATA_MODEL, 'timestamp');
  const time = stamp && parseDateTime(textContent(stamp));
  if (time === undefined) return publishedAt ?? Number.NEGATIVE_INFINITY;
  return publishedAt === undefined ? time : Math.min(time, publishedAt);
}

/** Which of two goes first: soft state before hard, then what was said last, then what was published last. */
export function byPrecedence(a: Occurrence, b: Occurrence): number {
  if (a.isHard !== b.isHard) return a.isHard ? 1 : -1;
  if (a.saidAt !== b.saidAt) return a.saidAt > b.saidAt ? -1 : 1;
  return a.source - b.source;
}

/** RFC 4480 3.3: users tell components apart by it, and may let watchers see those of one class alone. */
export function classOf({ element }: PresenceComponent): string {
  const label = child(element, RPID, 'class');
  return label ? textContent(label).trim() : '';
}

export function deviceIdOf({ element }: PresenceComponent): string | undefined {
  const id = child(element, DATA_MODEL, 'deviceID');
  return id && textContent(id).trim();
}

export function contactOf(tuple: PresenceComponent): string {
  return summariseTuple(tuple).contact?.trim() ?? '';
}

/** What has no id is nothing that an id could name: '' stands for it. */
export function occurrencesOf({ id, occurrences }: PresenceComponent): readonly string[] {
  return occurrences ?? [id ?? ''];
}
