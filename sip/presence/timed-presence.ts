/**
 * What a component says at a moment: RPID elements that are valid no longer leave it (RFC 4480 3.1), and a timed status that has come
 * takes the place of the status that it was foretold beside (RFC 4481 3).
 */
import { parseDateTime } from '../../schemas/date-time.ts';
import { PIDF, type PresenceComponent, RPID, readComponent } from '../../schemas/pidf.ts';
import { escapeAttribute, escapeText } from '../../schemas/xml/escape.ts';
import { fragmentText, type Splice } from '../../schemas/xml/fragment.ts';
import { XmlError } from '../../schemas/xml/parse.ts';
import { attribute, child, textContent, type XmlElement } from '../../schemas/xml/tree.ts';

const TIMED_STATUS = 'urn:ietf:params:xml:ns:pidf:timed-status';

/** From when until when something holds, in milliseconds since the epoch. */
export interface Validity {
  readonly from: number;
  readonly until: number;
}

export interface TimedComponent {
  readonly component: PresenceComponent;
  /** When it will say something else by itself, in milliseconds since the epoch; infinity if never. */
  readonly changesAt: number;
}

/** The validity of an element by its `from` and `until`, where RPID gives it any; what cannot be read bounds nothing. */
export function validityOf(element: XmlElement): Validity {
  if (element.uri !== RPID && element.uri !== TIMED_STATUS) return ALWAYS;
  const [from, until] = [attribute(element, 'from'), attribute(element, 'until')];
  return {
    from: (from === undefined ? undefined : parseDateTime(from)) ?? Number.NEGATIVE_INFINITY,
    until: (until === undefined ? undefined : parseDateTime(until)) ?? Number.POSITIVE_INFINITY,
  };
}

const ALWAYS: Validity = { from: Number.NEGATIVE_INFINITY, until: Number.POSITIVE_INFINITY };

/**
 * The component at `now`. `saidAt` is when its status was said: a timed status that begins after that is the newer word, one that began
 * before it is not (RFC 4481 3 leaves open which is the more credible) and is left out while it would hold.
 */
export function componentAt(component: PresenceComponent, saidAt: number, now: number): TimedComponent {
  if (!mayChange(component)) return { component, changesAt: Number.POSITIVE_INFINITY };
  const splices: Splice[] = [];
  let changesAt = Number.POSITIVE_INFINITY;
  const current: XmlElement[] = [];
  for (const element of timedElements(component)) {
    const { from, until } = validityOf(element);
    for (const moment of [from, until]) if (moment > now) changesAt = Math.min(changesAt, moment);
    const isOver = until <= now;
    if (element.uri === RPID) {
      if (isOver) splices.push(cut(element));
    } else if (from <= now && !isOver) {
      splices.push(cut(element));
      if (from > saidAt) current.push(element);
    }
  }
  const status = component.kind === 'tuple' ? child(component.element, PIDF, 'status') : undefined;
  if (status && current.length > 0)
    splices.push(...takeOver(component, status, latest(current), new Set(splices.map(({ start }) => start))));
  if (splices.length === 0) return { component, changesAt };
  splices.sort((a, b) => a.start - b.start);
  try {
    const text = fragmentText(component.element, component.source, component.declarations, splices);
    return { component: readComponent(text, component.occurrences ?? (component.id === undefined ? [] : [component.id])), changesAt };
  } catch (error) {
    // It is told as it was published when it cannot be told otherwise.
    if (error instanceof XmlError) return { component, changesAt };
    throw error;
  }
}

/** False for the most components, which have nothing that begins or ends. */
export function mayChange({ text }: PresenceComponent): boolean {
  return text.includes('until') || text.includes('from');
}

function timedElements({ kind, element }: PresenceComponent): XmlElement[] {
  const found: XmlElement[] = [];
  for (const inner of element.elements) {
    if (inner.uri === RPID || (kind === 'tuple' && inner.uri === TIMED_STATUS && inner.local === 'timed-status')) found.push(inner);
    else if (kind === 'tuple' && inner.uri === PIDF && inner.local === 'status')
      found.push(...inner.elements.filter((e) => e.uri === RPID));
  }
  return found;
}

/** Of several that hold at once (calendars have such) the one that began last. */
function latest(elements: readonly XmlElement[]): XmlElement {
  return elements.reduce((a, b) => (validityOf(b).from > validityOf(a).from ? b : a));
}

/** Puts what a timed status says into the tuple's status: its basic status, its note, and whatever else it holds. */
function takeOver(
  { element, source }: PresenceComponent,
  status: XmlElement,
  timed: XmlElement,
  alreadyCut: ReadonlySet<number>,
): Splice[] {
  const splices: Splice[] = [];
  let fresh = '';
  let note: string | undefined;
  const replaced = new Set<string>();
  for (const inner of timed.elements) {
    if (inner.uri === TIMED_STATUS && inner.local === 'basic') {
      replaced.add(`${PIDF} basic`);
      fresh = `<basic xmlns="${PIDF}">${escapeText(textContent(inner).trim())}</basic>${fresh}`;
    } else if (inner.uri === TIMED_STATUS && inner.local === 'note') {
      const language = attribute(inner, 'lang', XML);
      const tag = language === undefined ? '' : ` xml:lang="${escapeAttribute(language)}"`;
      note = `<note xmlns="${PIDF}"${tag}>${escapeText(textContent(inner))}</note>`;
    } else {
      replaced.add(`${inner.uri} ${inner.local}`);
      fresh += fragmentText(inner, source, declarationsFor(inner, timed));
    }
  }
  if (status.selfClosing) splices.push({ ...cut(status), text: `<status xmlns="${PIDF}">${fresh}</status>` });
  else {
    splices.push({ start: status.contentStart, end: status.contentStart, text: fresh });
    for (const old of status.elements) if (replaced.has(`${old.uri} ${old.local}`) && !alreadyCut.has(old.start)) splices.push(cut(old));
  }
  if (note !== undefined) {
    // RFC 3863 4.1.2: notes come after the contact, and before the timestamp.
    const next = element.elements.find(({ uri, local }) => uri === PIDF && (local === 'note' || local === 'timestamp'));
    const at = next?.start ?? element.contentEnd;
    splices.push({ start: at, end: at, text: note });
  }
  return splices;
}

const XML = 'http://www.w3.org/XML/1998/namespace';

/** The declarations on the parent that the element does not have itself. */
function declarationsFor(element: XmlElement, parent: XmlElement): string {
  let out = '';
  for (const [prefix, uri] of parent.declarations ?? []) {
    if (!element.declarations?.has(prefix)) out += ` xmlns${prefix && ':'}${prefix}="${escapeAttribute(uri)}"`;
  }
  return out;
}

function cut({ start, end }: XmlElement): Splice {
  return { start, end, text: '' };
}
