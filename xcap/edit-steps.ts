import { LARGE, turn } from '../schemas/turns.ts';
import { decodeUtf8, readXml } from '../schemas/xml/parse.ts';
import type { XmlDocument } from '../schemas/xml/tree.ts';
import type { SchemaViolation } from '../schemas/xml/validate.ts';
import { violationsOf } from '../schemas/xml/validate-apart.ts';
import type { ValidationContext } from './application-usage.ts';
import { type Difference, differenceOf } from './document-difference.ts';
import { documentPath } from './document-selector.ts';
import { treeOf } from './document-steps.ts';
import type { MaybePromise, StoredDocument } from './document-store.ts';
import { noParent, XcapConflict, XcapRefusal } from './errors.ts';
import type { Environment, Exchange, PipelineStep, Target } from './exchange.ts';
import {
  checkNodes,
  checkPlaced,
  checkRemoved,
  type Placed,
  placeAttribute,
  placeElement,
  readFragment,
  removeNode,
  selectNode,
  walk,
  xmlConflict,
} from './node-operations.ts';
import type { NodeSelector } from './node-selector.ts';
import { type Range, schemaExcerpt } from './schema-excerpt.ts';
import { undeclaredName } from './undeclared-name.ts';

/** The steps that make the new text of a PUT or DELETE, check it and store it. */

/** RFC 4825 8.2.1 to 8.2.4: the document as it is after the PUT. */
export const applyPut: PipelineStep = (exchange, environment) => {
  const { selector, stored, request } = exchange;
  if (!selector) return putDocument(exchange, environment);
  if (!stored) throw noParent(homeUri(request.target, environment), `there is no document ${documentPath(request.target.key)}`);
  const document = treeOf(stored, environment, () => noParent(homeUri(request.target, environment), 'the stored document cannot be read'));
  if (!(document instanceof Promise) && stored.text.length <= LARGE && request.body.length <= LARGE) {
    return putNode(exchange, environment, selector, document, request.body);
  }
  return putNodeInTurns(exchange, environment, selector, document);
};

function putDocument(exchange: Exchange, environment: Environment): void | Promise<void> {
  const { stored, request } = exchange;
  const keep = (document: XmlDocument) => {
    exchange.edited = document;
    exchange.created = !stored;
    if (!stored) return checkDirectory(request.target, environment);
  };
  const fail = (error: unknown) => {
    throw xmlConflict(error, 'not-well-formed');
  };
  let document: MaybePromise<XmlDocument>;
  try {
    const text = decodeUtf8(request.body);
    // What is stored has been looked at: clients put their documents as they are whenever they start.
    if (text === stored?.text) {
      exchange.answer = { status: 200, etag: stored.etag, content: undefined };
      return;
    }
    const difference = stored && differenceFrom(stored, text, environment);
    if (difference) {
      exchange.edited = difference.document;
      exchange.changed = difference.changed;
      return;
    }
    document = readXml(text, { maxDepth: environment.limits.depth, maxNodes: environment.limits.nodes });
  } catch (error) {
    return fail(error);
  }
  return document instanceof Promise ? document.catch(fail).then(keep) : keep(document);
}

/** Looks for the difference where that is less work than to read the whole text: not in a large one, nor from one that would have to be read. */
function differenceFrom(stored: StoredDocument, text: string, { trees, limits }: Environment): Difference | undefined {
  if (text.length > LARGE || stored.text.length > LARGE) return undefined;
  const document = trees.get(stored);
  return document && differenceOf(document, text, limits);
}

/** The node's tree, the place and the new tree each in a turn of its own. */
async function putNodeInTurns(
  exchange: Exchange,
  environment: Environment,
  selector: NodeSelector,
  stored: MaybePromise<XmlDocument>,
): Promise<void> {
  const document = await stored;
  const { body } = exchange.request;
  let fragment: Uint8Array | XmlDocument = body;
  if (!selector.terminal && body.length > LARGE) {
    const parent = walk(document, selector.steps)[selector.steps.length - 2];
    fragment = await readFragment(body, parent, environment.limits);
  }
  await turn();
  putNode(exchange, environment, selector, document, fragment);
}

function putNode(
  exchange: Exchange,
  environment: Environment,
  selector: NodeSelector,
  document: XmlDocument,
  body: Uint8Array | XmlDocument,
): void {
  const placed = placeNode(exchange.request.target, environment, selector, document, body);
  exchange.created = placed.created;
  exchange.edited = placed.document;
  if (!selector.terminal) exchange.changed = { start: placed.start, end: placed.end };
  if (!placed.isSelected) checkPlaced(placed, selector);
}

function placeNode(
  target: Target,
  environment: Environment,
  { steps, terminal }: NodeSelector,
  document: XmlDocument,
  body: Uint8Array | XmlDocument,
): Placed {
  const chosen = walk(document, steps);
  if (chosen.length < (terminal ? steps.length : steps.length - 1)) {
    const phrase = `step ${chosen.length + 1} of the node selector does not select exactly one element`;
    throw noParent(nodeUri(target, environment, chosen.length), phrase);
  }
  const element = chosen[steps.length - 1];
  const placed =
    terminal?.kind === 'attribute' && element && body instanceof Uint8Array
      ? placeAttribute(document, element, terminal, body)
      : placeElement(document, { parent: chosen[steps.length - 2], element, step: steps.at(-1) }, body, environment.limits);
  checkNodes(placed.document, document, environment.limits.nodes);
  return placed;
}

/**
 * RFC 4825 8.2.1: the directory must exist. XCAP cannot make one, so the only ones below a home directory (or the global
 * one) are those that hold a document already, and those that the usage has from the start. And 6.2: no document has the name
 * of a directory.
 */
function checkDirectory(target: Target, environment: Environment): void | Promise<void> {
  const { auid, xui, name } = target.key;
  const slash = name.lastIndexOf('/');
  const check = (documents: readonly { key: { name: string } }[]) => {
    const exists = (directory: string) => documents.some(({ key }) => key.name.startsWith(directory));
    const isGiven = xui !== undefined && target.usage.directories?.includes(name.slice(0, slash));
    if (slash >= 0 && !isGiven && !exists(name.slice(0, slash + 1))) {
      throw noParent(homeUri(target, environment), `there is no directory ${name.slice(0, slash)}`);
    }
    if (exists(`${name}/`) || (xui !== undefined && target.usage.directories?.includes(name)))
      throw new XcapConflict('constraint-failure', `there is a directory ${name} already`);
  };
  const { store } = environment;
  const documents = xui !== undefined && store.entries ? store.entries(auid, xui) : store.list(auid, xui);
  return documents instanceof Promise ? documents.then(check) : check(documents);
}

/** RFC 4825 8.4: the document as it is after the DELETE. */
export const applyDelete: PipelineStep = (exchange, environment) => {
  const { selector, stored } = exchange;
  if (!selector || !stored) return;
  const remove = (document: XmlDocument) => removeSelected(exchange, selector, document);
  const document = treeOf(stored, environment);
  if (document instanceof Promise || stored.text.length > LARGE) return Promise.all([document, turn()]).then(([tree]) => remove(tree));
  return remove(document);
};

function removeSelected(exchange: Exchange, selector: NodeSelector, document: XmlDocument): void {
  const selected = selectNode(document, selector);
  if (!selected) throw new XcapRefusal(404, 'the node selector does not select exactly one node of the document');
  exchange.edited = removeNode(document, selected);
  if (selected.kind === 'element') exchange.changed = { start: selected.element.start, end: selected.element.start };
  checkRemoved(exchange.edited, selector);
}

/** RFC 4825 8.2.5: size, then schema, then the usage's own constraints. */
export const validate: PipelineStep = ({ request, stored, edited, changed }, environment) => {
  if (!edited || edited.source === stored?.text) return;
  const { documentBytes } = environment;
  const { source } = edited;
  if (source.length * 3 > documentBytes && Buffer.byteLength(source) > documentBytes) {
    throw new XcapRefusal(413, `the document would be longer than ${documentBytes} bytes`);
  }
  const { usage } = request.target;
  const schema = () => {
    const repeatable = changed && usage.repeatable?.(edited);
    const excerpt = repeatable ? schemaExcerpt(edited, changed, repeatable) : source;
    return checkSchema(usage.schema, excerpt, source);
  };
  const constraints = () => {
    checkNames(edited, changed, environment.namespaces);
    return usage.validate?.(edited, validationContext(request.target, environment));
  };
  if (source.length > LARGE) return turn().then(schema).then(turn).then(constraints);
  const checked = schema();
  return checked ? checked.then(constraints) : constraints();
};

/** Characters of a violation in the report: it may repeat a value that is as long as the document. */
const PHRASE = 1000;

/** What is wrong with an excerpt is wrong with the whole, which knows the line. Gives a promise only for a large text or a schema that others have made. */
function checkSchema(schema: string, excerpt: string, whole: string): void | Promise<void> {
  const judge = ([violation]: SchemaViolation[]): void | Promise<void> => {
    if (!violation) return;
    if (excerpt !== whole) return checkSchema(schema, whole, whole);
    throw new XcapConflict('schema-validation-error', `line ${violation.line}: ${violation.message.slice(0, PHRASE)}`);
  };
  const violations = violationsOf(schema, excerpt);
  return violations instanceof Promise ? violations.then(judge) : judge(violations);
}

/** RFC 4825 8.2.5: what is in a namespace that the server has told to know must be in its schema. */
function checkNames({ root }: XmlDocument, changed: Range | undefined, namespaces: ReadonlySet<string>): void {
  const stranger = undeclaredName(root, namespaces, changed);
  if (stranger !== undefined) throw new XcapConflict('schema-validation-error', `no schema of this server has ${stranger}`);
}

/**
 * Stores the new text on condition that the document is still the one that was read. Leaves no answer when it is not:
 * then the edit is to be made again from `load` on.
 */
export const store: PipelineStep = async (exchange, environment) => {
  const { request, stored, edited, created } = exchange;
  const { target } = request;
  const status = created ? 201 : 200;
  if (stored && edited?.source === stored.text) {
    exchange.answer = { status, etag: stored.etag, content: undefined };
    return;
  }
  const room = edited && !stored ? await environment.quota.take(target.key) : undefined;
  try {
    await write(exchange, environment, status);
  } finally {
    room?.release();
  }
};

async function write(exchange: Exchange, environment: Environment, status: 200 | 201): Promise<void> {
  const { request, stored, edited } = exchange;
  const { target } = request;
  const reservation = edited && target.usage.reserve?.(edited, validationContext(target, environment));
  try {
    const change = await environment.store.write({ key: target.key, expected: stored?.etag, text: edited?.source, tree: edited });
    if (change === 'stale') return;
    const etag = change.newEtag;
    if (edited && etag !== undefined) environment.trees.set({ key: target.key, etag }, edited);
    else environment.trees.delete(target);
    exchange.answer = { status, etag, content: undefined };
  } finally {
    await reservation?.release();
  }
}

function validationContext({ key }: Target, { roots, directory }: Environment): ValidationContext {
  return { key, roots, resolveXui: (xui) => directory.resolveXui(xui) };
}

function homeUri({ uri, key }: Target, { publicRoot }: Environment): string {
  return `${publicRoot || uri.root}/${documentPath({ ...key, name: '' })}`;
}

/** The URI of the element that the first `steps` steps of the target's node selector select; the document's for none. */
function nodeUri({ uri, key, node }: Target, { publicRoot }: Environment, steps: number): string {
  const document = `${publicRoot || uri.root}/${documentPath(key)}`;
  if (!node || steps === 0) return document;
  return `${document}/~~/${node.encodedSteps(steps)}`;
}
