import { canonicalAddress } from '../../schemas/address.ts';
import { RESOURCE_LISTS } from '../../schemas/resource-lists.ts';
import { parseRlsServices, RLS_SERVICES, RLS_SERVICES_TYPE, readRlsServices, type Service } from '../../schemas/rls-services.ts';
import type { NotUnique } from '../../schemas/xcap-error.ts';
import { childrenNamed, type XmlDocument } from '../../schemas/xml/tree.ts';
import { type ApplicationUsage, defaultAuthorization, type ValidationContext } from '../application-usage.ts';
import { parseDocumentSelector } from '../document-selector.ts';
import type { DocumentKey } from '../document-store.ts';
import { notUnique, XcapConflict, XcapRefusal } from '../errors.ts';
import { selectorOf } from '../node-selector.ts';
import { splitXcapUri } from '../uri.ts';
import { checkLists, isEntry } from './list-constraints.ts';
import { ProbeBrake } from './probe-brake.ts';
import type { ServiceIndex } from './rls-services-index.ts';

/**
 * RLS services (RFC 4826 4.4): the URIs under which a user's lists can be subscribed to. A service URI belongs to one document of all;
 * `global/index` is the union of all users' services.
 */
export function rlsServices(index: ServiceIndex, isUser: (address: string) => boolean = () => false): ApplicationUsage {
  /** RFC 4826 4.4.5: a service URI names nothing else: no service of another document, no user. */
  const isTaken = (uri: string, key: DocumentKey) => index.isTaken(uri, key) || isUser(uri);

  const brake = new ProbeBrake();
  /** Of documents that were validated, for what is reserved for them then. */
  const known = new WeakMap<XmlDocument, readonly Service[]>();

  return {
    auid: 'rls-services',
    defaultNamespace: RLS_SERVICES,
    contentType: RLS_SERVICES_TYPE,
    schema: RLS_SERVICES,
    repeatable: () => isEntry,
    namespaces: [RLS_SERVICES, RESOURCE_LISTS],
    isStored: ({ xui }) => xui !== undefined,
    generated: ({ name }) => (name === 'index' ? index.globalIndex() : undefined),
    // RFC 4826 4.4.9: the union tells of all users, so that only trusted ones may read it.
    authorize: (requester, key, access) => requester.admin || (key.xui !== undefined && defaultAuthorization(requester, key, access)),
    validate(document, context) {
      if (document.root.elements.length > MAX_SERVICES) {
        throw new XcapConflict('constraint-failure', `a document cannot have more than ${MAX_SERVICES} services`);
      }
      const check = (services: readonly Service[]): void => {
        for (const service of services) checkService(service, context);
        known.set(document, services);
      };
      const services = readRlsServices(document);
      return services instanceof Promise ? services.then(check) : check(services);
    },
    reserve(document, context) {
      const services = known.get(document) ?? parseRlsServices(document);
      const { key } = context;
      const user = key.xui ?? '';
      // What the document has already tells nothing new.
      const asked = services.filter(({ canonical }) => !index.has(canonical, key));
      const held = asked.length > 0 ? brake.heldFor(user, asked.length) : undefined;
      if (held !== undefined) {
        const headers = { 'retry-after': String(held) };
        throw new XcapRefusal(429, 'too many service URIs have been asked for, or too many that are in use', headers);
      }
      if (asked.length > 0) brake.asked(user, asked.length, asked.filter(({ canonical }) => isTaken(canonical, key)).length);
      checkUnique(services, (uri) => isTaken(uri, key));
      return index.reserve(document, services, context.key);
    },
  };
}

/** Each is looked up among all users' services and addresses, at once. */
const MAX_SERVICES = 5000;

function checkService({ uri, resourceList, element }: Service, context: ValidationContext): void {
  if (!SUBSCRIBABLE.test(uri)) throw new XcapConflict('constraint-failure', 'the uri of a <service> must be a sip:, sips: or pres: URI');
  if (resourceList !== undefined) checkResourceList(resourceList, context);
  for (const list of childrenNamed(element, RLS_SERVICES, 'list')) checkLists(list, RLS_SERVICES);
}

/** RFC 4826 4.1, 4.4.5: an element of a resource-lists document of the same user, under one of this server's roots. */
function checkResourceList(uri: string, { key, roots, resolveXui }: ValidationContext): void {
  const problem = resourceListProblem(uri, key.xui, roots, resolveXui);
  if (problem !== undefined) throw new XcapConflict('constraint-failure', `<resource-list> ${problem}: ${uri.slice(0, 200)}`);
}

function resourceListProblem(
  uri: string,
  owner: string | undefined,
  roots: readonly string[],
  resolveXui: ValidationContext['resolveXui'],
): string | undefined {
  if (!/^https?:\/\/[^/?#]+\//i.test(uri)) return 'must be an absolute http or https URI';
  const parts = splitXcapUri(uri, roots);
  if (!parts) return 'must lie under an XCAP root of this server';
  let selector: ReturnType<typeof parseDocumentSelector>;
  try {
    selector = parseDocumentSelector(parts.document);
  } catch (error) {
    return error instanceof Error ? error.message : 'is no XCAP URI';
  }
  if (selector.auid !== 'resource-lists') return 'must name a resource-lists document';
  if (selector.xui === undefined || resolveXui(selector.xui) !== owner) return "must name one of the same user's documents";
  return parts.node === undefined || parts.node === '' ? 'must name a list in the document, behind ~~' : undefined;
}

/** RFC 4826 4.4.5: no service URI twice, neither in this document nor in any other. */
function checkUnique(services: readonly Service[], isTaken: (uri: string) => boolean): void {
  const seen = new Set<string>();
  const duplicates: NotUnique[] = [];
  for (const { canonical, element } of services) {
    if ((seen.has(canonical) || isTaken(canonical)) && duplicates.length < REPORTED) {
      const altValues = alternatives(canonical, (uri) => !seen.has(uri) && !isTaken(uri));
      duplicates.push({ field: selectorOf(element, RLS_SERVICES, 'uri'), altValues });
    }
    seen.add(canonical);
  }
  if (duplicates.length > 0) throw notUnique(duplicates, 'the service URI is in use on this server');
}

/** RFC 4826 4.1: a service is what a SUBSCRIBE can be sent to. */
const SUBSCRIBABLE = /^(?:sips?|pres):[^\s]+$/i;
/** RFC 4825 11.1: a uniqueness-failure needs one; each tells of somebody else's address. */
const REPORTED = 5;

/** Two URIs like the one given that are free, as far as a few tries find them. */
function alternatives(uri: string, isFree: (uri: string) => boolean): string[] {
  const at = uri.lastIndexOf('@');
  const [start, end] = at < 0 ? [uri, ''] : [uri.slice(0, at), uri.slice(at)];
  const free: string[] = [];
  for (let n = 2; n < 100 && free.length < 2; n++) {
    const candidate = canonicalAddress(`${start}-${n}${end}`);
    if (isFree(candidate)) free.push(candidate);
  }
  return free;
}
