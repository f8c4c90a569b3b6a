import { childrenNamed, expectElement, readXml, requiredAttribute, type XmlElement } from './xml-reader.ts';

const PIDF = 'urn:ietf:params:xml:ns:pidf';

export interface ReadTuple {
  readonly id: string;
  readonly basic: string | undefined;
  readonly contact: string | undefined;
  readonly priority: string | undefined;
  readonly notes: readonly string[];
  /** What stands in `<status>` besides `<basic>`, of whatever namespace. */
  readonly status: readonly XmlElement[];
}

export interface ReadPidf {
  readonly entity: string;
  readonly tuples: readonly ReadTuple[];
  readonly notes: readonly string[];
  /** Top-level elements of other namespaces: persons, devices. */
  readonly extensions: readonly XmlElement[];
}

/** Reads a presence document (RFC 3863 4.1), throwing on anything the format forbids. */
export function readPidf(text: string): ReadPidf {
  const root = readXml(text);
  expectElement(root, PIDF, 'presence');
  // RFC 3863 4.4: tuples, then notes, then what is foreign.
  const rank = (child: XmlElement): number => (child.namespace !== PIDF ? 2 : child.name === 'tuple' ? 0 : 1);
  root.children.reduce((highest, child) => {
    if (rank(child) < highest) throw new Error(`<${child.name}> stands too late in <presence>\n${text}`);
    return rank(child);
  }, 0);
  const tuples = childrenNamed(root, PIDF, 'tuple').map((tuple) => readTuple(tuple, text));
  const ids = tuples.map((tuple) => tuple.id);
  if (new Set(ids).size !== ids.length) throw new Error(`tuple ids are not unique: ${ids.join(', ')}`);
  return {
    entity: requiredAttribute(root, 'entity'),
    tuples,
    notes: childrenNamed(root, PIDF, 'note').map((note) => note.text),
    extensions: root.children.filter((child) => child.namespace !== PIDF),
  };
}

function readTuple(tuple: XmlElement, text: string): ReadTuple {
  const [status, ...more] = childrenNamed(tuple, PIDF, 'status');
  if (!status || more.length > 0) throw new Error(`a tuple needs one <status>\n${text}`);
  const [basic] = childrenNamed(status, PIDF, 'basic');
  if (basic && basic.text !== 'open' && basic.text !== 'closed') throw new Error(`<basic> is "${basic.text}"`);
  const [contact] = childrenNamed(tuple, PIDF, 'contact');
  const [timestamp] = childrenNamed(tuple, PIDF, 'timestamp');
  if (timestamp && Number.isNaN(Date.parse(timestamp.text))) throw new Error(`<timestamp> is "${timestamp.text}"`);
  return {
    id: requiredAttribute(tuple, 'id'),
    basic: basic?.text,
    contact: contact?.text,
    priority: contact?.attributes.get('priority'),
    notes: childrenNamed(tuple, PIDF, 'note').map((note) => note.text),
    status: status.children.filter((child) => child !== basic),
  };
}
