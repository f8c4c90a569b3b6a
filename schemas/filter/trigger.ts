/** Whether what a filter waits for has come about between two versions of a document (RFC 4661 3.6). */
import type { Attr, Element, Node } from '@xmldom/xmldom';
import { type Change, isDecimal, type Trigger } from './filter-set.ts';
import { type CompiledExpression, compileExpression, type FilteredDocument, isElement, TooMuchWork, Work } from './filtered-document.ts';

interface CompiledTrigger {
  readonly changed: readonly (Change & { readonly compiled: CompiledExpression })[];
  readonly added: readonly CompiledExpression[];
  readonly removed: readonly CompiledExpression[];
}

export class TriggerFilter {
  private readonly triggers: readonly CompiledTrigger[];

  constructor(triggers: readonly Trigger[], bindings: Readonly<Record<string, string>>) {
    const compile = (text: string): CompiledExpression => compileExpression(text, bindings);
    this.triggers = triggers.map(({ changed, added, removed }) => ({
      changed: changed.map((change) => ({ ...change, compiled: compile(change.expression) })),
      added: added.map(compile),
      removed: removed.map(compile),
    }));
  }

  /** Any of the triggers, of which all parts must be given. What would take too long to find out counts as come about. */
  fires(before: FilteredDocument, after: FilteredDocument): boolean {
    const work = new Work();
    const old = (expression: CompiledExpression): Instances => instances(before, expression, work);
    const now = (expression: CompiledExpression): Instances => instances(after, expression, work);
    try {
      return this.triggers.some(
        ({ changed, added, removed }) =>
          changed.every((change) => hasChanged(change, old(change.compiled), now(change.compiled))) &&
          added.every((expression) => hasNew(old(expression), now(expression))) &&
          removed.every((expression) => hasNew(now(expression), old(expression))),
      );
    } catch (error) {
      if (error instanceof TooMuchWork) return true;
      throw error;
    }
  }
}

/** Values by what makes each the same one in both versions. */
type Instances = ReadonlyMap<string, Node>;

function instances(document: FilteredDocument, expression: CompiledExpression, work: Work): Instances {
  return new Map([...document.select(expression, work)].map((node) => [document.keyOf(node), node]));
}

function hasNew(before: Instances, after: Instances): boolean {
  for (const key of after.keys()) if (!before.has(key)) return true;
  return false;
}

function hasChanged(change: Change, before: Instances, after: Instances): boolean {
  const came: Node[] = [];
  for (const [key, node] of after) {
    const old = before.get(key);
    if (!old) came.push(node);
    else if (isChange(change, valueAt(old), valueAt(node))) return true;
  }
  // What stands in the place of something that is gone has taken over its part: the tuple of an agent that of no agent at all.
  const gone = [...before].filter(([key]) => !after.has(key)).map(([, node]) => node);
  return came.some((node, i) => {
    const old = gone[i];
    if (old) return isChange(change, valueAt(old), valueAt(node));
    // RFC 4661 6.3: a watcher comes up as pending, and had no other status before.
    return change.to !== undefined && change.from === undefined && change.by === undefined && equals(valueAt(node), change.to);
  });
}

function isChange({ from, to, by }: Change, before: string, after: string): boolean {
  if (before === after) return false;
  if (from !== undefined && !equals(before, from)) return false;
  if (to !== undefined && !equals(after, to)) return false;
  if (by === undefined) return true;
  return isDecimal(before) && isDecimal(after) && Math.abs(Number(after) - Number(before)) >= by;
}

/** As the RFC's own example has it, "OPEN" is PIDF's "open" (RFC 4661 6.2); numbers are equal whatever their spelling. */
function equals(value: string, wanted: string): boolean {
  if (isDecimal(value) && isDecimal(wanted)) return Number(value) === Number(wanted);
  return value.toLowerCase() === wanted.toLowerCase();
}

function valueAt(node: Node): string {
  const { nodeValue } = node;
  if (!isElement(node)) return (nodeValue ?? '').trim();
  return contentOf(node).trim();
}

/** What is in the element, so that equal texts are equal contents. */
function contentOf(element: Element): string {
  let out = '';
  for (let node = element.firstChild; node; node = node.nextSibling) {
    if (!isElement(node)) {
      if (node.nodeType === 3 || node.nodeType === 4) out += node.nodeValue ?? '';
      continue;
    }
    out += `<${node.namespaceURI ?? ''} ${node.localName}${attributesOf(node)}>${contentOf(node)}</>`;
  }
  return out;
}

function attributesOf(element: Element): string {
  const named = (attribute: Attr): string => `${attribute.namespaceURI ?? ''} ${attribute.localName}="${attribute.value}"`;
  return [...element.attributes]
    .filter(({ namespaceURI }) => namespaceURI !== 'http://www.w3.org/2000/xmlns/')
    .map(named)
    .sort()
    .join();
}
