import { interned } from '../schemas/xml/names.ts';
import type { XmlElement } from '../schemas/xml/tree.ts';
import { encodeSegment } from './document-selector.ts';
import { percentDecode, XcapRefusal } from './errors.ts';
import { NCNAME, parseNamespaceBindings } from './namespace-bindings.ts';

/** An expanded name: namespace name ('' for none) and local part. */
export interface ExpandedName {
  readonly uri: string;
  readonly local: string;
}

/** Chooses one child element (RFC 4825 6.3). */
export interface Step {
  /** Undefined for `*`. */
  readonly name: ExpandedName | undefined;
  /** 1-based. */
  readonly position: number | undefined;
  readonly test: (ExpandedName & { readonly value: string }) | undefined;
}

export type Terminal = ({ readonly kind: 'attribute'; readonly prefix: string } & ExpandedName) | { readonly kind: 'namespaces' };

export interface NodeSelector {
  readonly steps: readonly Step[];
  /** Undefined where the selector names an element. */
  readonly terminal: Terminal | undefined;
}

/** A node selector whose grammar is known to be right and whose prefixes are not yet looked up. */
export interface ParsedNodeSelector {
  /** Whether it ends with `namespace::*`: what it names is only read (RFC 4825 10). */
  readonly selectsNamespaces: boolean;
  /** Looks the prefixes up. Throws XcapRefusal 400 for a prefix that no xmlns() part binds (RFC 4825 8). */
  bind(defaultNamespace: string): NodeSelector;
  /** The first `count` steps as they stand in the URI, with its query component, fit to stand in another. */
  encodedSteps(count: number): string;
}

const ATTRIBUTE_VALUE = `"[^"<]*"|'[^'<]*'`;
const NAME = `(?:(${NCNAME}):)?(${NCNAME})`;
const STEP = new RegExp(`^(?:\\*|${NAME})(?:\\[(\\d+)\\])?(?:\\[@${NAME}=(${ATTRIBUTE_VALUE})\\])?$`, 'u');
const ATTRIBUTE = new RegExp(`^@${NAME}$`, 'u');
/** What begins as a step of the grammar, and so is no extension but a mistake. */
const BEGINS_AS_STEP = new RegExp(`^(?:\\*|(?:${NCNAME}:)?${NCNAME})\\[`, 'u');

interface RawStep {
  readonly match: RegExpExecArray;
  readonly position: number | undefined;
  readonly value: string | undefined;
}

/**
 * Parses a percent-encoded node selector with its query component.
 * Throws XcapRefusal: 404 for extension selectors, which this server has none of (RFC 4825 8); 400 for anything else outside the grammar.
 */
export function parseNodeSelector(encoded: string, query: string | undefined): ParsedNodeSelector {
  const encodedSteps = splitSteps(encoded);
  const decoded = encodedSteps.map(percentDecode);
  const last = decoded.at(-1) ?? '';
  const attribute = ATTRIBUTE.exec(last);
  const terminal = attribute !== null || last === 'namespace::*';
  const steps = (terminal ? decoded.slice(0, -1) : decoded).map(parseStep);
  if (steps.length === 0) throw new XcapRefusal(400, 'the node selector names no element');
  const bindings = parseNamespaceBindings(query);
  const bindAll = (defaultNamespace: string): NodeSelector => {
    const bound = steps.map((step) => bindStep(step, bindings, defaultNamespace));
    if (!terminal) return { steps: bound, terminal: undefined };
    if (!attribute) return { steps: bound, terminal: { kind: 'namespaces' } };
    const [, prefix = '', local = ''] = attribute;
    return { steps: bound, terminal: { kind: 'attribute', prefix, uri: namespaceOf(prefix, bindings), local } };
  };
  let bound: { readonly defaultNamespace: string; readonly selector: NodeSelector } | undefined;

  return {
    selectsNamespaces: terminal && !attribute,
    encodedSteps: (count) => escapeExcluded(encodedSteps.slice(0, count).join('/') + (query === undefined ? '' : `?${query}`)),
    bind(defaultNamespace) {
      if (bound?.defaultNamespace !== defaultNamespace) bound = { defaultNamespace, selector: bindAll(defaultNamespace) };
      return bound.selector;
    },
  };
}

/** Escapes what a request line is known to hold though no URI can (RFC 3986 2). */
function escapeExcluded(text: string): string {
  return text.replace(/[^!-~]|["<>[\]\\^`{|}]/g, encodeURIComponent);
}

/** Splits at the slashes that stand outside of quotes: inside, a slash belongs to an attribute's value whether it is escaped or not. */
function splitSteps(encoded: string): string[] {
  const steps: string[] = [];
  let start = 0;
  let quote = '';
  for (let i = 0; i < encoded.length; i++) {
    let c = encoded.charAt(i);
    if (c === '%') {
      const escaped = encoded.slice(i, i + 3);
      c = escaped === '%22' ? '"' : escaped === '%27' ? "'" : c;
    }
    if (c === '"' || c === "'") {
      if (quote === '') quote = c;
      else if (quote === c) quote = '';
    } else if (c === '/' && quote === '') {
      steps.push(encoded.slice(start, i));
      start = i + 1;
    }
  }
  steps.push(encoded.slice(start));
  return steps;
}

function parseStep(step: string): RawStep {
  const match = STEP.exec(step);
  if (!match) {
    const shown = step.slice(0, 200);
    if (step === '') throw new XcapRefusal(400, 'the node selector has an empty step');
    if (step.startsWith('@') || step.startsWith('namespace::')) throw new XcapRefusal(400, `${shown} can only be a selector's last step`);
    if (BEGINS_AS_STEP.test(step)) throw new XcapRefusal(400, `not a step of a node selector: ${shown} (RFC 4825 6.3)`);
    throw new XcapRefusal(404, `unknown extension selector: ${shown}`);
  }
  const [, , , position, , , value] = match;
  return {
    match,
    position: position === undefined ? undefined : Number(position),
    value: value === undefined ? undefined : resolveReferences(value.slice(1, -1)),
  };
}

const PREDEFINED = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
]);

/** The value that an AttValue literal stands for (XML 1.0 2.3). A bare `&`, which many clients send, stands for itself. */
function resolveReferences(literal: string): string {
  if (!literal.includes('&')) return literal;
  return literal.replace(
    /&(?:#x([0-9a-fA-F]{1,6})|#(\d{1,7})|(amp|lt|gt|quot|apos));/g,
    (whole, hex?: string, decimal?: string, name?: string) => {
      if (name !== undefined) return PREDEFINED.get(name) ?? whole;
      const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
      return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
    },
  );
}

function bindStep({ match, position, value }: RawStep, bindings: ReadonlyMap<string, string>, defaultNamespace: string): Step {
  const [, prefix, local, , testPrefix, testLocal] = match;
  return {
    // RFC 4825 6.3: an unprefixed element name is in the usage's default namespace, an unprefixed attribute name in none.
    name:
      local === undefined
        ? undefined
        : { uri: interned(prefix === undefined ? defaultNamespace : namespaceOf(prefix, bindings)), local: interned(local) },
    position,
    test:
      testLocal === undefined || value === undefined
        ? undefined
        : { uri: interned(namespaceOf(testPrefix ?? '', bindings)), local: interned(testLocal), value },
  };
}

function namespaceOf(prefix: string, bindings: ReadonlyMap<string, string>): string {
  if (prefix === '') return '';
  const uri = bindings.get(prefix);
  if (uri === undefined) throw new XcapRefusal(400, `the prefix ${prefix} has no xmlns(${prefix}=...) in the query component`);
  return uri;
}

/**
 * A percent-encoded node selector that names the element, or its attribute `attribute`, by positions from the root on (RFC 4825 11.1 `field`).
 * Elements outside of the default namespace are counted among all their siblings, which spares the reader a query component.
 */
export function selectorOf(element: XmlElement, defaultNamespace: string, attribute?: string): string {
  const steps: string[] = [];
  for (let e: XmlElement | undefined = element; e; e = e.parent) steps.unshift(encodeSegment(positionalStep(e, defaultNamespace)));
  if (attribute !== undefined) steps.push(encodeSegment(`@${attribute}`));
  return steps.join('/');
}

function positionalStep(element: XmlElement, defaultNamespace: string): string {
  const byName = element.uri === defaultNamespace;
  if (!element.parent) return byName ? element.local : '*';
  let position = 0;
  for (const e of element.parent.elements) {
    if (!byName || (e.local === element.local && e.uri === element.uri)) position++;
    if (e === element) break;
  }
  return `${byName ? element.local : '*'}[${position}]`;
}
