import { attributeOf, decode, expand, type RawNode, readRaw } from './raw-xml.ts';

/**
 * Applies the operations in a patch element to a text as RFC 5261 4 tells it, by its own reading. Content moves unaltered (RFC 5261 3), so that
 * names in it must mean the same in both documents.
 *
 * @param patch the element that holds the operations, in the text `diff`
 */
export function applyPatch(text: string, diff: string, patch: RawNode): string {
  let patched = text;
  for (const operation of patch.children) {
    if (operation.kind === 'element') patched = applyOperation(patched, diff, operation);
    else if (operation.kind === 'text' && diff.slice(operation.start, operation.end).trim() !== '')
      throw new Error('text between operations');
  }
  return patched;
}

function applyOperation(text: string, diff: string, operation: RawNode): string {
  const document = readRaw(text);
  const sel = attributeOf(operation, 'sel');
  if (sel === undefined) throw new Error('an operation without sel');
  const [nodePath, attribute] = splitAttribute(sel);
  const target = locate(document, nodePath, text, operation.scope);
  const content = diff.slice(operation.contentStart, operation.contentEnd);
  const name = operation.name.slice(operation.name.indexOf(':') + 1);
  const splice = (start: number, end: number, fresh: string): string => text.slice(0, start) + fresh + text.slice(end);
  const patched = (() => {
    if (attribute !== undefined) return changeAttribute(text, target, attribute, name, content);
    switch (name) {
      case 'add':
        return add(splice, target, operation, content);
      case 'replace':
        if (content !== '' || target.kind !== 'text') checkKind(operation, target);
        return splice(target.start, target.end, content);
      case 'remove':
        return splice(...rangeToRemove(text, target, attributeOf(operation, 'ws')), '');
      default:
        throw new Error(`unknown operation ${name}`);
    }
  })();
  checkNames(operation, document, patched, target);
  return patched;
}

type Splice = (start: number, end: number, fresh: string) => string;

function add(splice: Splice, target: RawNode, operation: RawNode, content: string): string {
  const type = attributeOf(operation, 'type');
  const pos = attributeOf(operation, 'pos');
  if (pos === 'before') return splice(target.start, target.start, content);
  if (pos === 'after') return splice(target.end, target.end, content);
  if (target.kind !== 'element') throw new Error('only an element has children');
  if (type !== undefined) {
    if (!type.startsWith('@') || /[<"]/.test(content)) throw new Error(`cannot add ${type}`);
    if (target.attributes.some((attribute) => attribute.name === type.slice(1))) throw new Error(`there is ${type} already`);
    const last = target.attributes.at(-1)?.end ?? target.start + 1 + target.name.length;
    return splice(last, last, ` ${type.slice(1)}="${encodeAttribute(decode(content))}"`);
  }
  if (target.selfClosing) throw new Error('how an empty-element tag is opened is not said');
  const at = pos === 'prepend' ? target.contentStart : target.contentEnd;
  return splice(at, at, content);
}

function changeAttribute(text: string, target: RawNode, attribute: string, name: string, content: string): string {
  const found = target.attributes.find((candidate) => candidate.name === attribute);
  if (!found) throw new Error(`there is no ${attribute}`);
  if (name === 'replace') return text.slice(0, found.valueStart) + encodeAttribute(decode(content)) + text.slice(found.valueEnd);
  let { start } = found;
  while (/\s/.test(text.charAt(start - 1))) start--;
  return text.slice(0, start) + text.slice(found.end);
}

function encodeAttribute(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}

function checkKind(operation: RawNode, target: RawNode): void {
  const kinds = operation.children.map(({ kind }) => kind);
  if (kinds.length !== 1 || kinds[0] !== target.kind)
    throw new Error(`a ${target.kind} cannot be replaced by ${kinds.join(', ') || 'nothing'}`);
}

/** RFC 5261 4.5: white space that `ws` names must be there. */
function rangeToRemove(text: string, target: RawNode, ws: string | undefined): [number, number] {
  const siblings = target.parent?.children ?? [];
  const index = siblings.indexOf(target);
  const blank = (sibling: RawNode | undefined): RawNode => {
    if (sibling?.kind !== 'text' || /[^ \t\r\n]/.test(text.slice(sibling.start, sibling.end))) throw new Error('there is no white space');
    return sibling;
  };
  if (ws !== undefined && target.kind === 'text') throw new Error('ws is not for text');
  const start = ws === 'before' || ws === 'both' ? blank(siblings[index - 1]).start : target.start;
  const end = ws === 'after' || ws === 'both' ? blank(siblings[index + 1]).end : target.end;
  return [start, end];
}

function splitAttribute(sel: string): [string, string | undefined] {
  const match = /^(.*)\/@([^/]+)$/.exec(sel);
  return match ? [match[1] ?? '', match[2]] : [sel, undefined];
}

/** RFC 5261 4.1: exactly one node. */
function locate(document: RawNode, sel: string, text: string, scope: ReadonlyMap<string, string>): RawNode {
  let found: RawNode[] = [document];
  for (const step of sel.replace(/^\//, '').split('/')) {
    const match = /^(text\(\)|comment\(\)|processing-instruction\(\)|\*|[^[\]()]+)(?:\[(\d+)\])?$/.exec(step);
    if (!match) throw new Error(`not understood: ${sel}`);
    const [, test = '', position] = match;
    found = found.flatMap(({ children }) => {
      const matching = children.filter((child) => matches(child, test, scope));
      return position === undefined ? matching : matching.slice(Number(position) - 1, Number(position));
    });
  }
  const [target] = found;
  if (!target || found.length !== 1) throw new Error(`${sel} locates ${found.length} nodes in\n${text}`);
  return target;
}

function matches(node: RawNode, test: string, scope: ReadonlyMap<string, string>): boolean {
  if (test === 'text()') return node.kind === 'text';
  if (test === 'comment()') return node.kind === 'comment';
  if (test === 'processing-instruction()') return node.kind === 'pi';
  if (node.kind !== 'element') return false;
  return test === '*' || expand(node.name, node.scope) === expand(test, scope);
}

/** RFC 5261 4.2.3: the content's names are those of the patch; moved unaltered, they must be the same in the document. */
function checkNames(operation: RawNode, before: RawNode, patched: string, target: RawNode): void {
  const inPatch = names(operation).slice(1);
  if (inPatch.length === 0) return;
  const pos = attributeOf(operation, 'pos') ?? 'append';
  const isInside = operation.name.endsWith('add') && (pos === 'append' || pos === 'prepend');
  const context = isInside ? target : target.parent;
  const inDocument = new Set(names(readRaw(patched)));
  for (const name of inPatch) if (!inDocument.has(name)) throw new Error(`${name} is not in the document that was patched`);
  for (const child of operation.children) {
    if (child.kind !== 'element' || child.name.includes(':')) continue;
    if (attributeOf(child, 'xmlns') !== undefined) continue;
    const scope = (context ?? before).scope;
    if ((scope.get('') ?? '') !== (operation.scope.get('') ?? '')) throw new Error(`<${child.name}> is in another namespace there`);
  }
}

function names(node: RawNode): string[] {
  const own = node.kind === 'element' && node.parent ? [expand(node.name, node.scope)] : [];
  return [...own, ...node.children.flatMap(names)];
}
