/** Resource list meta-information (RFC 4662 5): the root part of a list notification. */
import { type DisplayName, readDisplayName, writeDisplayName } from './display-name.ts';
import { oneOf, required, requiredNumber } from './xml/attributes.ts';
import { escapeAttribute } from './xml/escape.ts';
import { XmlError } from './xml/parse.ts';
import { attribute, childrenNamed, type XmlDocument, type XmlElement } from './xml/tree.ts';

export const RLMI = 'urn:ietf:params:xml:ns:rlmi';
export const RLMI_TYPE = 'application/rlmi+xml';

export interface Rlmi {
  /** The list's URI. */
  readonly uri: string;
  /** 0 in the first notification of a subscription, then one more each time (RFC 4662 5.2). */
  readonly version: number;
  readonly fullState: boolean;
  readonly names: readonly DisplayName[];
  /** Content-ID, without angle brackets, of the part with aggregate state. */
  readonly cid?: string | undefined;
  readonly resources: readonly RlmiResource[];
}

export interface RlmiResource {
  readonly uri: string;
  readonly names: readonly DisplayName[];
  readonly instances: readonly RlmiInstance[];
}

/** One notifier of a resource (RFC 4662 5.5). */
export interface RlmiInstance {
  /** Unique within the resource. */
  readonly id: string;
  readonly state: InstanceState;
  /** Must be there when terminated; values of the Subscription-State header's reason parameter. */
  readonly reason?: string | undefined;
  /** Content-ID, without angle brackets, of the part with the resource's state; must be there when active. */
  readonly cid?: string | undefined;
}

const STATES = ['active', 'pending', 'terminated'] as const;
export type InstanceState = (typeof STATES)[number];

/** Writes the document (RFC 4662 5.1). */
export function writeRlmi({ uri, version, fullState, names, cid, resources }: Rlmi): string {
  let out = '<?xml version="1.0" encoding="UTF-8"?>\n';
  out += `<list xmlns="${RLMI}" uri="${escapeAttribute(uri)}" version="${version}" fullState="${fullState}"`;
  if (cid !== undefined) out += ` cid="${escapeAttribute(cid)}"`;
  out += '>\n';
  for (const name of names) out += `${writeDisplayName('name', name)}\n`;
  for (const resource of resources) out += writeResource(resource);
  return `${out}</list>\n`;
}

function writeResource({ uri, names, instances }: RlmiResource): string {
  let out = `<resource uri="${escapeAttribute(uri)}"`;
  // Of thousands most may have nothing else to tell, and all are to find room in one message.
  if (names.length === 0 && instances.length === 0) return `${out}/>\n`;
  out += '>';
  for (const name of names) out += writeDisplayName('name', name);
  for (const { id, state, reason, cid } of instances) {
    out += `<instance id="${escapeAttribute(id)}" state="${state}"`;
    if (reason !== undefined) out += ` reason="${escapeAttribute(reason)}"`;
    if (cid !== undefined) out += ` cid="${escapeAttribute(cid)}"`;
    out += '/>';
  }
  return `${out}</resource>\n`;
}

/** Reads the document. Throws XmlError for what is no resource list meta-information. */
export function parseRlmi({ root }: XmlDocument): Rlmi {
  if (root.local !== 'list' || root.uri !== RLMI) {
    throw new XmlError(`the root element is {${root.uri}}${root.local}, not {${RLMI}}list`);
  }
  const fullState = required(root, 'fullState').trim();
  return {
    uri: required(root, 'uri'),
    version: requiredNumber(root, 'version'),
    fullState: fullState === 'true' || fullState === '1',
    names: names(root),
    cid: attribute(root, 'cid'),
    resources: childrenNamed(root, RLMI, 'resource').map((resource) => ({
      uri: required(resource, 'uri'),
      names: names(resource),
      instances: childrenNamed(resource, RLMI, 'instance').map(parseInstance),
    })),
  };
}

function parseInstance(element: XmlElement): RlmiInstance {
  const state = oneOf(STATES, element, 'state');
  return { id: required(element, 'id'), state, reason: attribute(element, 'reason'), cid: attribute(element, 'cid') };
}

function names(element: XmlElement): DisplayName[] {
  return childrenNamed(element, RLMI, 'name').map(readDisplayName);
}
