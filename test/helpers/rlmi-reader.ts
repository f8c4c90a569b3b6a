import { type ReadPart, readMultipart } from './multipart-reader.ts';
import { type ReadPidf, readPidf } from './pidf-reader.ts';
import { header } from './sip-message.ts';
import type { Notification } from './sip-subscription.ts';
import { childrenNamed, expectElement, readXml, requiredAttribute, type XmlElement } from './xml-reader.ts';

const RLMI = 'urn:ietf:params:xml:ns:rlmi';
/** States of other packages than presence. */
const OTHER_TYPES = new Set(['application/dialog-info+xml', 'application/simple-message-summary']);
const LANGUAGE = '{http://www.w3.org/XML/1998/namespace}lang';

export interface ReadName {
  readonly text: string;
  /** Of `xml:lang`. */
  readonly language: string | undefined;
}

export interface ReadInstance {
  readonly id: string;
  readonly state: string;
  readonly reason: string | undefined;
  /** The part the instance names; of an active one it is always there. */
  readonly pidf: ReadPidf | undefined;
  /** The part as it is, of whatever type. */
  readonly part: ReadPart | undefined;
  /** Of a member that is a list itself (RFC 4662 5.5). */
  readonly list: ReadListState | undefined;
}

export interface ReadResource {
  readonly uri: string;
  readonly names: readonly ReadName[];
  readonly instances: readonly ReadInstance[];
}

export interface ReadListState {
  readonly uri: string;
  readonly version: number;
  readonly fullState: boolean;
  readonly names: readonly ReadName[];
  readonly resources: readonly ReadResource[];
  resource(uri: string): ReadResource | undefined;
}

/** Reads the list state that a NOTIFY carries (RFC 4662 5), its PIDF parts resolved; throws on anything the format forbids. */
export function readListState(notification: Notification): ReadListState {
  if (!/\beventlist\b/.test(header(notification.message, 'require') ?? ''))
    throw new Error('a list NOTIFY without Require: eventlist (RFC 4662 4.1)');
  return readList(header(notification.message, 'content-type') ?? '', notification.body, new Set());
}

/** `seen`: Content-IDs of the lists around this one, of which it may use none. */
function readList(contentType: string, body: string, seen: Set<string>): ReadListState {
  const { root, parts } = readMultipart(contentType, body);
  if (root.type !== 'application/rlmi+xml') throw new Error(`the root part is ${root.type}`);
  if (root !== parts[0]) throw new Error('the RLMI document is not the first part (RFC 4662 4.5)');
  for (const { contentId } of parts) {
    if (seen.has(contentId)) throw new Error(`Content-ID ${contentId} stands twice in one message (RFC 2045 7)`);
    seen.add(contentId);
  }
  const list = readXml(root.body);
  expectElement(list, RLMI, 'list');
  const version = requiredAttribute(list, 'version');
  if (!/^\d+$/.test(version) || Number(version) > 0xffff_ffff) throw new Error(`version is "${version}"`);
  const fullState = requiredAttribute(list, 'fullState');
  if (!['true', 'false', '1', '0'].includes(fullState)) throw new Error(`fullState is "${fullState}"`);
  const used = new Set<string>();
  const partOf = (cid: string): ReadPart => {
    if (/[<>]/.test(cid)) throw new Error(`cid in angle brackets: ${cid}`);
    const part = parts.find((candidate) => candidate.contentId === cid);
    if (!part || part === root) throw new Error(`cid ${cid} names no part`);
    used.add(cid);
    return part;
  };
  const contentOf = (part: ReadPart): Pick<ReadInstance, 'pidf' | 'list'> => {
    const pidf = part.type === 'application/pidf+xml' ? readPidf(part.body) : undefined;
    const nested = part.type === 'multipart/related' ? readList(part.headers.get('content-type') ?? '', part.body, seen) : undefined;
    if (!pidf && !nested && !OTHER_TYPES.has(part.type)) throw new Error(`part ${part.contentId} is ${part.type}`);
    return { pidf, list: nested };
  };
  const resources = childrenNamed(list, RLMI, 'resource').map((resource) => readResource(resource, partOf, contentOf));
  const unused = parts.filter((part) => part !== root && !used.has(part.contentId));
  if (unused.length > 0) throw new Error(`parts that no instance names: ${unused.map((part) => part.contentId).join(', ')}`);
  const uris = resources.map((resource) => resource.uri);
  if (new Set(uris).size !== uris.length) throw new Error(`a resource stands twice: ${uris.join(', ')}`);
  return {
    uri: requiredAttribute(list, 'uri'),
    version: Number(version),
    fullState: fullState === 'true' || fullState === '1',
    names: readNames(list),
    resources,
    resource: (uri) => resources.find((resource) => resource.uri === uri),
  };
}

function readNames(element: XmlElement): ReadName[] {
  return childrenNamed(element, RLMI, 'name').map((name) => {
    if (name.attributes.has('language') || name.attributes.has('lang')) throw new Error('the language of a <name> is xml:lang');
    return { text: name.text, language: name.attributes.get(LANGUAGE) };
  });
}

type ContentOf = (part: ReadPart) => Pick<ReadInstance, 'pidf' | 'list'>;

function readResource(resource: XmlElement, partOf: (cid: string) => ReadPart, contentOf: ContentOf): ReadResource {
  const instances = childrenNamed(resource, RLMI, 'instance').map((instance) => {
    const state = requiredAttribute(instance, 'state');
    if (state !== 'active' && state !== 'pending' && state !== 'terminated') throw new Error(`instance state is "${state}"`);
    const reason = instance.attributes.get('reason');
    if (state === 'terminated' && reason === undefined) throw new Error('a terminated instance without reason (RFC 4662 5.5)');
    const cid = instance.attributes.get('cid');
    if (state === 'active' && cid === undefined) throw new Error('an active instance without cid (RFC 4662 5.5)');
    const part = cid === undefined ? undefined : partOf(cid);
    const { pidf, list } = part ? contentOf(part) : {};
    return { id: requiredAttribute(instance, 'id'), state, reason, part, pidf, list };
  });
  const ids = instances.map(({ id }) => id);
  if (new Set(ids).size !== ids.length) throw new Error('an instance id stands twice in a resource (RFC 4662 5.5)');
  return { uri: requiredAttribute(resource, 'uri'), names: readNames(resource), instances };
}
