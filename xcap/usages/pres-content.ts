import { child, textContent, type XmlDocument } from '../../schemas/xml/tree.ts';
import type { ApplicationUsage } from '../application-usage.ts';
import { XcapConflict } from '../errors.ts';

const PRES_CONTENT = 'urn:oma:xml:prs:pres-content';

/** Bytes of the content itself, before it is encoded. */
const LARGEST_CONTENT = 256 * 1024;

/** Whether a user's presence rules let a watcher (both canonical addresses) see the user's presence. */
export type MayWatch = (watcher: string, presentity: string) => boolean | Promise<boolean>;

/**
 * Content that a user's presence refers to, above all the status icon (OMA Presence Content XDM). Whoever may see the presence may read it.
 * Clients put icons into the directory `oma_status-icon`.
 */
export function presContent(mayWatch: MayWatch): ApplicationUsage {
  return contentUsage('org.openmobilealliance.pres-content', mayWatch);
}

/** The same documents under the AUID by which Jitsi and the icon tools of OpenXCAP look for them. */
export function statusIcon(mayWatch: MayWatch): ApplicationUsage {
  return contentUsage('oma_status-icon', mayWatch);
}

function contentUsage(auid: string, mayWatch: MayWatch): ApplicationUsage {
  return {
    auid,
    defaultNamespace: PRES_CONTENT,
    contentType: 'application/vnd.oma.pres-content+xml',
    schema: PRES_CONTENT,
    namespaces: [PRES_CONTENT],
    directories: ['oma_status-icon'],
    shares: ({ address }, { xui }) => address !== undefined && xui !== undefined && mayWatch(address, xui),
    validate: checkContent,
  };
}

function checkContent({ root }: XmlDocument): void {
  const type = part(root, 'mime-type');
  if (type === undefined) throw fault('the content needs a mime-type');
  if (!MEDIA_TYPE.test(type)) throw fault(`"${type.slice(0, 100)}" is no media type`);
  const encoding = part(root, 'encoding') ?? 'base64';
  if (encoding.toLowerCase() !== 'base64') throw fault(`the encoding must be base64, not "${encoding.slice(0, 100)}"`);
  const size = base64Bytes(part(root, 'data') ?? '');
  if (size === undefined) throw fault('the data is not in base64');
  if (size === 0) throw fault('there is no data');
  if (size > LARGEST_CONTENT) throw fault(`the content has ${size} bytes; ${LARGEST_CONTENT} are allowed`);
}

/** RFC 6838 4.2, with parameters or without. */
const MEDIA_TYPE = /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}(?:\s*;.*)?$/;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** How many bytes the text stands for, or undefined when it is not base64 (RFC 4648 4); white space is nothing, as MIME has it. */
function base64Bytes(text: string): number | undefined {
  const characters = text.replace(/\s+/g, '');
  if (characters.length % 4 !== 0 || !BASE64.test(characters)) return undefined;
  return (characters.length / 4) * 3 - (characters.endsWith('==') ? 2 : characters.endsWith('=') ? 1 : 0);
}

function part(root: XmlDocument['root'], local: string): string | undefined {
  const found = child(root, PRES_CONTENT, local);
  return found && textContent(found).trim();
}

function fault(phrase: string): XcapConflict {
  return new XcapConflict('constraint-failure', phrase);
}
