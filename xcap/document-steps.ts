import { AS_STORED, readXml, XmlError } from '../schemas/xml/parse.ts';
import type { XmlDocument } from '../schemas/xml/tree.ts';
import type { Requester } from './access.ts';
import { type ApplicationUsage, defaultAuthorization } from './application-usage.ts';
import { documentPath } from './document-selector.ts';
import type { DocumentKey, MaybePromise, StoredDocument } from './document-store.ts';
import { XcapRefusal } from './errors.ts';
import type { Content, Environment, PipelineStep } from './exchange.ts';
import { namespaceElement, readNode, type Selection } from './node-operations.ts';
import type { NodeSelector } from './node-selector.ts';
import { checkPreconditions, isNotModified } from './preconditions.ts';

/** The steps that all methods share, and those that answer a GET. */

/** What can be done with a resource that is not stored. */
export const ALLOW_READ = { allow: 'GET, HEAD, OPTIONS' };
const ELEMENT = 'application/xcap-el+xml';
const ATTRIBUTE = 'application/xcap-att+xml';
const NAMESPACES = 'application/xcap-ns+xml';

/**
 * RFC 4825 8: who asks must be allowed to. Only owners and admins learn that there is no such user; to others a user who is not
 * there looks like one with no documents.
 */
export const authorise: PipelineStep = ({ request, access }) => {
  const { requester, target } = request;
  const { usage, key, unknownXui } = target;
  const allowed = usage.authorize ? usage.authorize(requester, key, access) : defaultAuthorization(requester, key, access);
  const conclude = (mayAccess: boolean): void => {
    if (!mayAccess) {
      const whose = key.xui === undefined ? 'the global documents' : 'the documents of this user';
      throw new XcapRefusal(403, `${requester.address} may not ${access} ${whose} of ${usage.auid}`);
    }
    if (unknownXui === undefined) return;
    throw mayKnowUsers(requester, key) ? unknownUser(unknownXui) : new XcapRefusal(404, NO_DOCUMENT);
  };
  const shared = !allowed && access === 'read' && (usage.shares?.(requester, key) ?? false);
  return shared instanceof Promise ? shared.then(conclude) : conclude(allowed || shared);
};

/** RFC 4825 6.2, 8. */
export function unknownUser(xui: string): XcapRefusal {
  return new XcapRefusal(404, `there is no user ${xui} here`);
}

function mayKnowUsers({ admin, address }: Requester, { xui }: DocumentKey): boolean {
  return admin || xui === undefined || xui === address;
}

const NO_DOCUMENT = 'there is no such document';

/** RFC 4825 8: every prefix in the node selector must be bound by the query component. */
export const bindPrefixes: PipelineStep = (exchange) => {
  const { node, usage } = exchange.request.target;
  if (node) exchange.selector = node.bind(usage.defaultNamespace);
};

/** RFC 4825 8.2, 8.4: namespace bindings are only read; and a document that the server makes itself is not for clients to change. */
export const checkChangeable: PipelineStep = ({ request, selector }) => {
  const { usage, key } = request.target;
  if (selector?.terminal?.kind === 'namespaces') throw new XcapRefusal(405, 'namespace bindings can only be read', ALLOW_READ);
  if (isWritable(usage, key)) return;
  throw new XcapRefusal(405, `documents of ${usage.auid} are not stored there: they can only be read`, ALLOW_READ);
};

/** Whether clients, if they may, can store a document there. */
export function isWritable(usage: ApplicationUsage, key: DocumentKey): boolean {
  return (usage.isStored?.(key) ?? true) && (key.xui !== undefined || usage.hasGlobalDocuments === true);
}

/** RFC 4825 8.2.2: the body's media type follows from what the URI names. */
export const checkContentType: PipelineStep = ({ request, selector }) => {
  const expected = selector ? (selector.terminal ? ATTRIBUTE : ELEMENT) : request.target.usage.contentType;
  const given = request.contentType?.split(';', 1)[0]?.trim().toLowerCase();
  if (given === expected) return;
  throw new XcapRefusal(415, `the Content-Type must be ${expected}, not ${given ?? 'absent'}`, { accept: expected });
};

export const load: PipelineStep = (exchange, { store }) => {
  const { usage, key } = exchange.request.target;
  const found = (usage.isStored?.(key) ?? true) ? store.get(key) : usage.generated?.(key);
  if (found instanceof Promise) {
    return found.then((stored) => {
      exchange.stored = stored;
    });
  }
  exchange.stored = found;
  return undefined;
};

/** RFC 4825 8.3, 8.4. */
export const requireDocument: PipelineStep = ({ request, stored }) => {
  if (stored) return;
  const { key } = request.target;
  throw new XcapRefusal(404, mayKnowUsers(request.requester, key) ? `there is no document ${documentPath(key)}` : NO_DOCUMENT);
};

/** RFC 4825 7.11: a client that has this version is told so, once it is known that there is something to have. */
export const answerNotModified: PipelineStep = (exchange) => {
  const { stored, request } = exchange;
  if (stored && isNotModified(request.conditions, stored)) exchange.answer = { status: 304, etag: stored.etag, content: undefined };
};

export const checkConditions: PipelineStep = ({ request, stored }) => checkPreconditions(request.conditions, stored);

/** RFC 4825 8.3: the document, or the selected node as it stands in its source. */
export const represent: PipelineStep = (exchange, environment) => {
  const { stored, selector, request } = exchange;
  if (!stored) return;
  const { etag } = stored;
  if (!selector) {
    exchange.answer = { status: 200, etag, content: documentContent(stored, request.target.usage, environment) };
    return;
  }
  const select = (document: XmlDocument) => {
    exchange.answer = { status: 200, etag, content: nodeContent(document, stored, selector) };
  };
  const document = treeOf(stored, environment);
  return document instanceof Promise ? document.then(select) : select(document);
};

function documentContent(stored: StoredDocument, { contentType }: ApplicationUsage, { contents }: Environment): Content {
  let content = contents.get(stored);
  if (!content) {
    const { text, modified } = stored;
    content = { type: contentType, body: text, bytes: Buffer.byteLength(text), lastModified: new Date(modified).toUTCString() };
    contents.set(stored, content);
  }
  return content;
}

function nodeContent(document: XmlDocument, stored: StoredDocument, selector: NodeSelector): Content {
  const selected = readNode(document, selector);
  if (!selected) throw new XcapRefusal(404, 'the node selector does not select exactly one node of the document');
  const [type, text] = nodeText(document, selected);
  return { type, body: text, bytes: Buffer.byteLength(text), lastModified: new Date(stored.modified).toUTCString() };
}

/** Media type and text of a node, an attribute without its quotes. */
function nodeText({ source }: XmlDocument, selected: Selection): [type: string, text: string] {
  switch (selected.kind) {
    case 'element':
      return [ELEMENT, source.slice(selected.element.start, selected.element.end)];
    case 'attribute':
      return [ATTRIBUTE, source.slice(selected.attribute.valueStart, selected.attribute.valueEnd)];
    case 'namespaces':
      return [NAMESPACES, namespaceElement(selected.element)];
  }
}

/** No client could have stored what is no XML: there are no nodes in it, until somebody writes it anew. */
const noNodes = (): Error => new XcapRefusal(404, 'the stored document cannot be read, so that there is no such node in it');

/**
 * The offset tree of a stored document: at once if it is small or was in use lately.
 * @param fault makes what is thrown, or rejected with, where the document cannot be read
 */
export function treeOf(stored: StoredDocument, { trees, reading }: Environment, fault = noNodes): MaybePromise<XmlDocument> {
  const { etag, text } = stored;
  const ready = trees.get(stored) ?? reading.get(etag);
  if (ready) return ready;
  const keep = (tree: XmlDocument) => {
    trees.set(stored, tree);
    return tree;
  };
  const fail = (error: unknown): never => {
    throw error instanceof XmlError ? fault() : error;
  };
  let tree: MaybePromise<XmlDocument>;
  try {
    tree = readXml(text, AS_STORED);
  } catch (error) {
    return fail(error);
  }
  if (!(tree instanceof Promise)) return keep(tree);
  const kept = tree.then(keep, fail).finally(() => reading.delete(etag));
  reading.set(etag, kept);
  return kept;
}
