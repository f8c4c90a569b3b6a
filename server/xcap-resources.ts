import { lookupNamespace, type XmlDocument, type XmlElement } from '../schemas/xml/tree.ts';
import { usedPrefixes } from '../schemas/xml/used-prefixes.ts';
import type { NodeContent, NodeResource, XcapCollection, XcapResource, XcapResources } from '../sip/packages/xcap-resources.ts';
import type { Requester, XuiDirectory } from '../xcap/access.ts';
import { type ApplicationUsage, defaultAuthorization } from '../xcap/application-usage.ts';
import { documentPath } from '../xcap/document-selector.ts';
import type { DocumentService } from '../xcap/document-service.ts';
import type { DocumentKey, DocumentStore } from '../xcap/document-store.ts';
import { percentDecode, XcapRefusal } from '../xcap/errors.ts';
import { selectNode } from '../xcap/node-operations.ts';
import type { NodeSelector } from '../xcap/node-selector.ts';

export interface XcapResourcesOptions {
  readonly service: DocumentService;
  readonly usages: readonly ApplicationUsage[];
  readonly documents: DocumentStore;
  readonly directory: XuiDirectory;
  /** The path that relative URIs are relative to. */
  readonly root: string;
  readonly rootUri: () => string;
  readonly requester: (address: string) => Requester;
}

/** No user has this address. */
const NOBODY = '';

/** The XCAP documents and nodes as the xcap-diff event package sees them: the same URIs and the same rights as over HTTP. */
export function xcapResources(options: XcapResourcesOptions): XcapResources {
  const { service, documents, directory, rootUri, requester } = options;
  const usages = new Map(options.usages.map((usage) => [usage.auid, usage]));
  const root = options.root.endsWith('/') ? options.root : `${options.root}/`;
  const isStored = (key: DocumentKey): boolean => usages.get(key.auid)?.isStored?.(key) ?? true;

  const collection = (path: string): XcapCollection | undefined => {
    const [auid = '', tree, ...rest] = path.slice(0, -1).split('/').map(percentDecode);
    if (!usages.has(auid) || rest.some((segment) => segment === '' || segment.includes('/'))) return undefined;
    if (tree === undefined) return { kind: 'collection', auid, tree: undefined, xui: undefined, prefix: '' };
    const directoryOf = (segments: readonly string[]): string => segments.map((segment) => `${segment}/`).join('');
    if (tree === 'global') return { kind: 'collection', auid, tree, xui: undefined, prefix: directoryOf(rest) };
    if (tree !== 'users') return undefined;
    const [user] = rest;
    const xui = user === undefined ? undefined : directory.resolveXui(user);
    if (user !== undefined && xui === undefined) return undefined;
    return { kind: 'collection', auid, tree, xui, prefix: directoryOf(rest.slice(1)) };
  };

  const find = (uri: string): XcapResource | undefined => {
    const target = /^https?:\/\//i.test(uri) || uri.startsWith(root) ? uri : root + uri.replace(/^\//, '');
    if (target.endsWith('/') && !/\/(?:~|%7e){2}\//i.test(target)) {
      if (target.startsWith(rootUri())) return collection(target.slice(rootUri().length));
      const path = target.replace(/^https?:\/\/[^/]*/i, '');
      return path.startsWith(root) ? collection(path.slice(root.length)) : undefined;
    }
    const { key, node, usage } = service.locate(target);
    if (!node) return { kind: 'document', key };
    const selector = node.bind(usage.defaultNamespace);
    // RFC 5875 4.1: namespaces are not subscribed to.
    return selector.terminal?.kind === 'namespaces' ? undefined : nodeResource(key, selector);
  };

  return {
    rootUri,
    locate(uri) {
      try {
        return find(uri);
      } catch (error) {
        // RFC 5875 4.7: what cannot be located is no error.
        if (error instanceof XcapRefusal) return undefined;
        throw error;
      }
    },
    mayRead(watcher, key) {
      const usage = usages.get(key.auid);
      const who = requester(watcher);
      const authorize = usage?.authorize ?? defaultAuthorization;
      return authorize(who, key, 'read') || (usage?.shares?.(who, key) ?? false);
    },
    isShared: ({ auid, xui }) => xui !== undefined && usages.get(auid)?.shares !== undefined,
    readsOthers(watcher, auid) {
      const usage = usages.get(auid);
      const who = requester(watcher);
      return usage?.shares !== undefined || (usage?.authorize ?? defaultAuthorization)(who, { auid, xui: NOBODY, name: '' }, 'read');
    },
    get: (key) => (isStored(key) ? documents.get(key) : usages.get(key.auid)?.generated?.(key)),
    isStored,
    // The texts may be many megabytes.
    list: (auid, xui) => (xui !== undefined && documents.entries ? documents.entries(auid, xui) : documents.list(auid, xui)),
    listAll(auid, most) {
      if (documents.keys) return documents.keys(auid, most).map((key) => ({ key }));
      const all = documents.listAll(auid);
      return all instanceof Promise ? all.then((list) => list.slice(0, most)) : all.slice(0, most);
    },
    pathOf: documentPath,
  };
}

/** Those of the bindings in scope of an element's children that a text of one of them may use (RFC 5874 3). */
function bindingsFor(text: string, parent: XmlElement | undefined): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const prefix of parent ? usedPrefixes(text).add('') : []) {
    const uri = parent && prefix !== 'xml' ? lookupNamespace(parent, prefix) : undefined;
    if (uri !== undefined) found.set(prefix, uri);
  }
  return found;
}

function nodeResource(key: DocumentKey, selector: NodeSelector): NodeResource {
  const select = (document: XmlDocument): NodeContent | undefined => {
    const selected = selectNode(document, selector);
    if (selected?.kind === 'attribute') return { text: selected.attribute.value, node: selected.attribute, namespaces: () => new Map() };
    if (selected?.kind !== 'element') return undefined;
    const { parent, start, end } = selected.element;
    const text = document.source.slice(start, end);
    return { text, node: selected.element, namespaces: () => bindingsFor(text, parent) };
  };
  return { kind: selector.terminal ? 'attribute' : 'element', key, select };
}
