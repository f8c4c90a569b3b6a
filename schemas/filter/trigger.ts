/** Whether what a filter waits for has come about between two versions of a document (RFC 4661 3.6). */
import type { Attr, Element, Node } from '@xmldom/xmldom';
import { type Change, isDecimal, type Trigger } from './filter-set.ts';
import { type CompiledExpression, compileExpression, type FilteredDocument, isElement } from './filtered-document.ts';

interface CompiledTrigger {
  readonly changed: readonly (Change & { readonly compiled: CompiledExpression })[];
  readonly added: readonly CompiledExpression[];
  readonly removed: readonly CompiledExpression[];
}

export class TriggerFilter {
  private readonly triggers: readonly CompiledTrigger[];
  private readonly expressions: readonly CompiledExpression[];

  constructor(triggers: readonly Trigger[], bindings: Readonly<Record<string, string>>) {
    const compile = (text: string): CompiledExpression => compileExpression(text, bindings);
    this.triggers = triggers.map(({ changed, added, removed }) => ({
      changed: changed.map((change) => ({ ...change, compiled: compile(change.expression) })),
      added: added.map(compile),
      removed: removed.map(compile),
    }));
    this.expressions = this.triggers.flatMap(({ changed, added, removed }) => [
      ...changed.map(({ compiled }) => compiled),
      ...added,
      ...removed,
    ]);
  }

  /** Any of the triggers, of which all parts must be given. What would take too long to find out counts as come about. */
  fires(before: FilteredDocument, after: FilteredDocument): boolean {
    if (!before.bears(this.expressions) || !after.bears(this.expressions)) return true;
    return this.triggers.some(
      ({ changed, added, removed }) =>
        changed.every((change) => hasChanged(change, instances(before, change.compiled), instances(after, change.compiled))) &&
        added.every((expression) => hasNew(instances(before, expression), instances(after, expression))) &&
        removed.every((expression) => hasNew(instances(after, expression), instances(before, expression))),
    );
  }
}

/** Values by what makes each the same one in both versions. */
type Instances = ReadonlyMap<string, Node>;

function instances(document: FilteredDocument, expression: CompiledExpression): Instances {
  return new Map([...document.select(expression)].map((node) => [document.keyOf(node), node]));
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
