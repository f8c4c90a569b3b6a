/** RLS services (RFC 4826 4): the URIs behind which a resource list can be subscribed to. */
import { canonicalAddress } from './address.ts';
import { parseList, type ResourceList } from './resource-lists.ts';
import { turn } from './turns.ts';
import { XmlError } from './xml/parse.ts';
import { attribute, child, childrenNamed, textContent, type XmlDocument, type XmlElement } from './xml/tree.ts';

export const RLS_SERVICES = 'urn:ietf:params:xml:ns:rls-services';
export const RLS_SERVICES_TYPE = 'application/rls-services+xml';

export interface Service {
  /** As written, trimmed. */
  readonly uri: string;
  /** `canonicalAddress` of the uri. */
  readonly canonical: string;
  /** The list that the service holds itself; otherwise `resourceList` says where it is. */
  readonly list: ResourceList | undefined;
  /** The `<resource-list>` URI without the white space that folding put into it (a URI has none). */
  readonly resourceList: string | undefined;
  /** Event packages it serves; none named: any (RFC 4826 4.1). */
  readonly packages: readonly string[];
  readonly element: XmlElement;
}

/** The services of an rls-services document, in document order. Throws XmlError if its root is not `<rls-services>`. */
export function parseRlsServices(document: XmlDocument): Service[] {
  return serviceElements(document).map(parseService);
}

/** As `parseRlsServices`: at once where there are few services, and in turns with everything else where there are many. */
export function readRlsServices(document: XmlDocument): Service[] | Promise<Service[]> {
  const elements = serviceElements(document);
  return elements.length <= PIECE ? elements.map(parseService) : parseInTurns(elements);
}

async function parseInTurns(elements: readonly XmlElement[]): Promise<Service[]> {
  const services: Service[] = [];
  for (const [n, element] of elements.entries()) {
    if (n % PIECE === 0) await turn();
    services.push(parseService(element));
  }
  return services;
}

/** Services that are worked on in one go. */
const PIECE = 500;

function serviceElements({ root }: XmlDocument): XmlElement[] {
  if (root.local !== 'rls-services' || root.uri !== RLS_SERVICES) {
    throw new XmlError(`the root element is {${root.uri}}${root.local}, not {${RLS_SERVICES}}rls-services`);
  }
  return childrenNamed(root, RLS_SERVICES, 'service');
}

function parseService(element: XmlElement): Service {
  const uri = (attribute(element, 'uri') ?? '').trim();
  const list = child(element, RLS_SERVICES, 'list');
  const anchor = child(element, RLS_SERVICES, 'resource-list');
  const packages = child(element, RLS_SERVICES, 'packages');
  return {
    uri,
    canonical: canonicalAddress(uri),
    list: list && parseList(list),
    resourceList: anchor && textContent(anchor).replace(/\s+/g, ''),
    packages: packages ? childrenNamed(packages, RLS_SERVICES, 'package').map((p) => textContent(p).trim()) : [],
    element,
  };
}
