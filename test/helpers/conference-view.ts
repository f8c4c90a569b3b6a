/** A subscriber's copy of a conference, kept by the rules of RFC 4575 4.6, on another reader than the server's. */
import { readXml, type XmlElement } from './xml-reader.ts';

const NS = 'urn:ietf:params:xml:ns:conference-info';

/** RFC 4575 4.4: what may be told in part. */
const PARTIAL = new Set(['users', 'user', 'endpoint', 'sidebars-by-val', 'sidebars-by-ref']);

interface Row {
  readonly element: XmlElement;
  children: Row[];
}

function isOurs({ namespace }: XmlElement): boolean {
  return namespace === NS;
}

/** RFC 4575 4.5. */
function keyOf(parent: XmlElement, element: XmlElement): string {
  const name = `{${element.namespace}}${element.name}`;
  if (!isOurs(element)) return name;
  if (element.name === 'user' || element.name === 'endpoint') return `${name} ${element.attributes.get('entity')}`;
  if (element.name === 'media') return `${name} ${element.attributes.get('id')}`;
  if (element.name !== 'entry') return name;
  if (parent.name === 'sidebars-by-val') return `${name} ${element.attributes.get('entity')}`;
  return `${name} ${element.children.find((child) => child.name === 'uri')?.text}`;
}

function stateOf(parent: XmlElement, element: XmlElement): string | undefined {
  const mayBe = isOurs(element) && (PARTIAL.has(element.name) || (element.name === 'entry' && parent.name === 'sidebars-by-val'));
  const state = element.attributes.get('state');
  if (!mayBe) return undefined;
  return state ?? 'full';
}

function rowOf(element: XmlElement): Row {
  return { element, children: element.children.map(rowOf) };
}

export class ConferenceView {
  version = -1;
  /** As the documents that have come said of themselves. */
  readonly states: string[] = [];
  private root: Row | undefined;

  /** Takes in the document of a NOTIFY. Throws where a subscriber would have to ask for full state, or where parts contradict what they are in. */
  take(text: string): void {
    const element = readXml(text);
    const version = Number(element.attributes.get('version'));
    const state = element.attributes.get('state') ?? 'full';
    if (!Number.isInteger(version) || version <= this.version) throw new Error(`version ${version} after ${this.version}`);
    this.states.push(state);
    if (state === 'full') {
      expectFull(element);
      this.root = rowOf(element);
    } else {
      if (!this.root || version !== this.version + 1) throw new Error(`partial version ${version} after ${this.version}`);
      this.update(this.root, element);
    }
    this.version = version;
  }

  private update(row: Row, change: XmlElement): void {
    for (const element of change.children) {
      const key = keyOf(change, element);
      const at = row.children.findIndex((each) => keyOf(row.element, each.element) === key);
      const before = row.children[at];
      const state = stateOf(change, element);
      if (state === 'deleted') {
        if (!before) throw new Error(`${key} is deleted, and was not there`);
        row.children.splice(at, 1);
      } else if (state === 'partial' && before) this.update(before, element);
      else {
        if (state === 'full') expectFull(element);
        row.children.splice(at < 0 ? row.children.length : at, at < 0 ? 0 : 1, rowOf(element));
      }
    }
  }

  /** User parts of those in the roster. */
  get users(): string[] {
    const rosters = this.root?.children.filter(({ element }) => isOurs(element) && element.name === 'users') ?? [];
    return rosters.flatMap(({ children }) =>
      children.map(({ element }) => /^sip:([^@]*)@/.exec(element.attributes.get('entity') ?? '')?.[1] ?? ''),
    );
  }

  /** What is known, one way to say it for each conference: siblings in order of their text. */
  get known(): string {
    return this.root ? textOf(this.root) : '';
  }
}

/** RFC 4575 4.4: below what is full all is full. */
function expectFull(element: XmlElement): void {
  for (const child of element.children) {
    if ((stateOf(element, child) ?? 'full') !== 'full')
      throw new Error(`<${child.name}> is ${child.attributes.get('state')} in a full element`);
    expectFull(child);
  }
}

function textOf({ element, children }: Row): string {
  const attributes = [...element.attributes]
    .filter(([name]) => name !== 'state' && name !== 'version')
    .map(([name, value]) => `${name}=${value}`);
  return `{${element.namespace}}${element.name}[${attributes.sort().join()}]${element.text}(${children.map(textOf).sort().join()})`;
}
