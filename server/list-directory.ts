import { parseList, RESOURCE_LISTS } from '../schemas/resource-lists.ts';
import { AS_STORED, readXml } from '../schemas/xml/parse.ts';
import type { ListDirectory } from '../sip/rls/resolved-list.ts';
import type { DocumentService } from '../xcap/document-service.ts';
import type { DocumentStore } from '../xcap/document-store.ts';
import { XcapRefusal } from '../xcap/errors.ts';
import { selectNode } from '../xcap/node-operations.ts';
import type { ServiceIndex } from '../xcap/usages/rls-services-index.ts';

/** What the resource list server asks of the XCAP documents: which URIs are services, and what lists they refer to (RFC 4826 4.1). */
export function listDirectory(services: ServiceIndex, service: DocumentService, documents: DocumentStore): ListDirectory {
  return {
    find: (uri) => services.find(uri),
    async resolve(anchor, owner) {
      const target = locate(service, anchor);
      if (target?.usage.auid !== 'resource-lists' || target.key.xui !== owner || !target.node) return undefined;
      const { key, node, usage } = target;
      const stored = await documents.get(key);
      if (!stored) return { key, list: undefined };
      const selected = selectNode(await readXml(stored.text, AS_STORED), node.bind(usage.defaultNamespace));
      const isList = selected?.kind === 'element' && selected.element.uri === RESOURCE_LISTS && selected.element.local === 'list';
      return { key, list: isList ? parseList(selected.element) : undefined };
    },
  };
}

function locate(service: DocumentService, anchor: string): ReturnType<DocumentService['locate']> | undefined {
  try {
    return service.locate(anchor);
  } catch (error) {
    // It was sound when it was stored; a root or a user may be gone since.
    if (error instanceof XcapRefusal) return undefined;
    throw error;
  }
}
