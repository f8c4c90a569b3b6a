import { RESOURCE_LISTS } from '../../schemas/resource-lists.ts';
import type { NotUnique } from '../../schemas/xcap-error.ts';
import { attribute, type XmlElement } from '../../schemas/xml/tree.ts';
import { notUnique, XcapConflict } from '../errors.ts';
import { selectorOf } from '../node-selector.ts';

/** The attribute by which each kind of child is known within its parent (RFC 4826 3.4.5). */
const KEYS = new Map([
  ['list', 'name'],
  ['entry', 'uri'],
  ['entry-ref', 'ref'],
  ['external', 'anchor'],
]);

/** Whether an element is an entry: a list takes any number of them, each valid by itself (RFC 4826 3.2). */
export function isEntry({ local, uri }: XmlElement): boolean {
  return local === 'entry' && uri === RESOURCE_LISTS;
}

/** A report names this many duplicates at most. */
const REPORTED = 20;

/**
 * Checks the constraints on lists (RFC 4826 3.4.5) at and below an element: keys are unique among the siblings of one kind,
 * compared as strings; an entry-ref is a relative path; an external's anchor is an absolute HTTP URI.
 * Throws XcapConflict. `defaultNamespace` is that of the document's usage.
 */
export function checkLists(parent: XmlElement, defaultNamespace: string): void {
  const duplicates: NotUnique[] = [];
  collect(parent, defaultNamespace, duplicates);
  if (duplicates.length > 0) throw notUnique(duplicates, 'names and URIs must be unique among the siblings of their kind (RFC 4826 3.4.5)');
}

function collect(parent: XmlElement, defaultNamespace: string, duplicates: NotUnique[]): void {
  const seen = new Map<string, Set<string>>();
  let names: ReadonlySet<string> | undefined;
  for (const element of parent.elements) {
    if (element.uri !== RESOURCE_LISTS) continue;
    const name = KEYS.get(element.local);
    if (name === undefined) continue;
    const value = attribute(element, name);
    if (value !== undefined) {
      checkReference(element.local, value);
      let values = seen.get(element.local);
      if (!values) seen.set(element.local, (values = new Set()));
      const { size } = values;
      if (values.add(value).size === size && duplicates.length < REPORTED) {
        names ??= new Set(parent.elements.map((e) => attribute(e, 'name') ?? ''));
        const altValues = name === 'name' ? freeNames(value, names) : undefined;
        duplicates.push({ field: selectorOf(element, defaultNamespace, name), altValues });
      }
    }
    if (element.local === 'list') collect(element, defaultNamespace, duplicates);
  }
}

function checkReference(kind: string, value: string): void {
  if (kind === 'entry-ref' && !RELATIVE_PATH.test(value)) {
    throw new XcapConflict('constraint-failure', `an entry-ref must be a path relative to the XCAP root, not ${shown(value)}`);
  }
  if (kind === 'external' && !ABSOLUTE_HTTP.test(value)) {
    throw new XcapConflict('constraint-failure', `an external's anchor must be an absolute http or https URI, not ${shown(value)}`);
  }
}

/** RFC 3986 4.2: neither a scheme nor a slash begins a relative-path reference, nor is it empty. */
const RELATIVE_PATH = /^[^/:?#\s][^/:?#]*(?:[/?#]|$)/;
const ABSOLUTE_HTTP = /^https?:\/\/[^/?#\s]/i;

/** Names that are not taken, as far as a few tries find them (RFC 4825 8.2.5: values that would do at this time). */
function freeNames(name: string, taken: ReadonlySet<string>): string[] {
  const free: string[] = [];
  for (let n = 2; n < 100 && free.length < 2; n++) if (!taken.has(`${name}-${n}`)) free.push(`${name}-${n}`);
  return free;
}

function shown(value: string): string {
  return value.slice(0, 200);
}
