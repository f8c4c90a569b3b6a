/** Filters of event notifications as they come in a SUBSCRIBE (RFC 4661). */
import { parseXml } from '../xml/parse.ts';
import { attribute, childrenNamed, textContent, type XmlElement } from '../xml/tree.ts';
import { schemaViolations } from '../xml/validate.ts';
import { FilterError, parseExpression } from './expression.ts';

export const SIMPLE_FILTER_TYPE = 'application/simple-filter+xml';
export const SIMPLE_FILTER = 'urn:ietf:params:xml:ns:simple-filter';

export interface Choice {
  readonly type: 'xpath' | 'namespace';
  /** An expression, or a namespace name. */
  readonly value: string;
}

export interface What {
  readonly include: readonly Choice[];
  readonly exclude: readonly Choice[];
}

export interface Change {
  readonly expression: string;
  readonly from?: string;
  readonly to?: string;
  /** A number. */
  readonly by?: number;
}

/** All of them must have come about. */
export interface Trigger {
  readonly changed: readonly Change[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/** What a filter does. Plain JSON. */
export interface FilterContents {
  /** Undefined: all. */
  readonly what?: What;
  /** One of them must have come about; none at all: every change is told. */
  readonly triggers: readonly Trigger[];
  /** Prefix to namespace name. */
  readonly bindings: Readonly<Record<string, string>>;
}

export interface FilterElement {
  readonly id: string;
  readonly uri?: string;
  readonly domain?: string;
  readonly remove: boolean;
  readonly enabled: boolean;
  /** Undefined where the element has neither a <what> nor a <trigger>. */
  readonly contents?: FilterContents;
}

export interface FilterSetDocument {
  readonly package: string | undefined;
  readonly filters: readonly FilterElement[];
}

/** Nodes of a filter document; one that reaches any other bound has fewer. */
const MOST_NODES = 2000;

/** Throws XmlError for what is no XML, FilterError for what is no filter set that could be used. */
export function parseFilterSet(text: string): FilterSetDocument {
  const { root } = parseXml(text, { maxDepth: 20, maxNodes: MOST_NODES });
  const [violation] = schemaViolations(SIMPLE_FILTER, text);
  if (violation) throw new FilterError(`line ${violation.line}: ${violation.message}`);
  const bindings = readBindings(root);
  const filters = named(root, 'filter').map((element) => readFilter(element, bindings));
  if (new Set(filters.map(({ id }) => id)).size < filters.length) throw new FilterError('two filters have the same id');
  return { package: attribute(root, 'package'), filters };
}

function named(parent: XmlElement, local: string): XmlElement[] {
  return childrenNamed(parent, SIMPLE_FILTER, local);
}

function readBindings(root: XmlElement): Record<string, string> {
  const bindings: Record<string, string> = {};
  for (const list of named(root, 'ns-bindings')) {
    for (const binding of named(list, 'ns-binding')) {
      const prefix = (attribute(binding, 'prefix') ?? '').trim();
      if (Object.hasOwn(bindings, prefix)) throw new FilterError(`two ns-bindings have the prefix ${prefix}`);
      bindings[prefix] = (attribute(binding, 'urn') ?? '').trim();
    }
  }
  return bindings;
}

function readFilter(element: XmlElement, bindings: Readonly<Record<string, string>>): FilterElement {
  const id = attribute(element, 'id') ?? '';
  const uri = attribute(element, 'uri')?.trim();
  const domain = attribute(element, 'domain')?.trim().toLowerCase();
  if (uri !== undefined && domain !== undefined) throw new FilterError(`the filter ${id} has a uri and a domain`);
  const [what] = named(element, 'what');
  const triggers = named(element, 'trigger');
  const contents: FilterContents | undefined =
    what || triggers.length > 0
      ? {
          ...(what && named(what, 'include').length + named(what, 'exclude').length > 0 ? { what: readWhat(what) } : {}),
          // RFC 4660 5.4: an empty one is as good as none.
          triggers: triggers.map(readTrigger).filter(({ changed, added, removed }) => changed.length + added.length + removed.length > 0),
          bindings,
        }
      : undefined;
  if (contents) checkExpressions(contents);
  return {
    id,
    ...(uri === undefined ? {} : { uri }),
    ...(domain === undefined ? {} : { domain }),
    remove: isTrue(attribute(element, 'remove') ?? 'false'),
    enabled: isTrue(attribute(element, 'enabled') ?? 'true'),
    ...(contents ? { contents } : {}),
  };
}

function isTrue(value: string): boolean {
  return /^\s*(true|1)\s*$/.test(value);
}

function readWhat(what: XmlElement): What {
  const choices = (local: string): Choice[] =>
    named(what, local).map((element) => ({
      type: attribute(element, 'type')?.trim() === 'namespace' ? 'namespace' : 'xpath',
      value: textContent(element).trim(),
    }));
  return { include: choices('include'), exclude: choices('exclude') };
}

function readTrigger(trigger: XmlElement): Trigger {
  const texts = (local: string): string[] => named(trigger, local).map((element) => textContent(element).trim());
  return { changed: named(trigger, 'changed').map(readChange), added: texts('added'), removed: texts('removed') };
}

function readChange(element: XmlElement): Change {
  const [from, to, by] = ['from', 'to', 'by'].map((name) => attribute(element, name)?.trim());
  // RFC 4661 3.6.1.4: beside by, all are numbers.
  if (by !== undefined && [from, to].some((value) => value !== undefined && !isDecimal(value))) {
    throw new FilterError('beside by, from and to must be numbers');
  }
  return {
    expression: textContent(element).trim(),
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    ...(by === undefined ? {} : { by: Number(by) }),
  };
}

/** An xs:decimal. */
export function isDecimal(text: string): boolean {
  return /^[+-]?(\d+(\.\d*)?|\.\d+)$/.test(text);
}

function checkExpressions({ what, triggers, bindings }: FilterContents): void {
  for (const { type, value } of [...(what?.include ?? []), ...(what?.exclude ?? [])]) {
    if (value === '') throw new FilterError('an include or exclude is empty');
    if (type === 'xpath') parseExpression(value, bindings, 'selection');
  }
  for (const { changed, added, removed } of triggers) {
    for (const text of [...changed.map(({ expression }) => expression), ...added, ...removed]) parseExpression(text, bindings, 'reference');
  }
}
