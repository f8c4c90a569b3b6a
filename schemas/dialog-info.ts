/** Dialog information (RFC 4235 4): the dialogs of a user, each kept as its source text, so that what an agent says leaves as it came. */
import { escapeAttribute, escapeText } from './xml/escape.ts';
import { FragmentGrowth, fragmentBindings, fragmentText, missingDeclarations, type Splice } from './xml/fragment.ts';
import { parseXml, XmlError } from './xml/parse.ts';
import { attribute, child, childrenNamed, textContent, type XmlElement } from './xml/tree.ts';

export const DIALOG_INFO = 'urn:ietf:params:xml:ns:dialog-info';
export const DIALOG_INFO_TYPE = 'application/dialog-info+xml';

const STATES = ['trying', 'proceeding', 'early', 'confirmed', 'terminated'] as const;
/** RFC 4235 3.7.1. */
export type DialogState = (typeof STATES)[number];

const EVENTS = ['cancelled', 'rejected', 'replaced', 'local-bye', 'remote-bye', 'error', 'timeout'] as const;
/** What ended a dialog. */
export type DialogEvent = (typeof EVENTS)[number];

export interface DialogInfo {
  /** URI of the user whose dialogs they are. */
  readonly entity: string;
  readonly state: 'full' | 'partial';
  readonly dialogs: readonly DialogEntry[];
}

/** One dialog or half-dialog. */
export interface DialogEntry {
  /** Unique among the dialogs of one agent. */
  readonly id: string;
  readonly callId: string | undefined;
  readonly localTag: string | undefined;
  readonly remoteTag: string | undefined;
  readonly state: DialogState;
  /** URI of the remote target (the Contact of the other party). */
  readonly remoteTarget: string | undefined;
  /** The whole element as it stands below the root that `writeDialogInfo` writes. */
  readonly text: string;
  /** The same without session descriptions, which are told to nobody who has not asked (RFC 4235 4.1.6.3). */
  readonly textWithoutSessions: string;
  /** Where the value of `id` stands in both. */
  readonly idStart: number;
  readonly idEnd: number;
}

/** Dialogs of one document. */
const DIALOG_LIMIT = 200;
const AMBIENT = new Map([['', DIALOG_INFO]]);

/** Reads a document. Elements that are not known are kept in the text. Throws XmlError for what is not dialog information. */
export function parseDialogInfo(text: string): DialogInfo {
  const { root } = parseXml(text);
  if (root.local !== 'dialog-info' || root.uri !== DIALOG_INFO) {
    throw new XmlError(`the root element is {${root.uri}}${root.local}, not {${DIALOG_INFO}}dialog-info`);
  }
  const elements = childrenNamed(root, DIALOG_INFO, 'dialog');
  if (elements.length > DIALOG_LIMIT) throw new XmlError(`there are more than ${DIALOG_LIMIT} dialogs`);
  const bindings = fragmentBindings(root);
  const growth = new FragmentGrowth();
  const seen = new Set<string>();
  const dialogs = elements.map((element) => {
    const entry = parseDialog(element, text, bindings, growth);
    if (seen.has(entry.id)) throw new XmlError('two dialogs have the same id');
    seen.add(entry.id);
    return entry;
  });
  return { entity: attribute(root, 'entity') ?? '', state: attribute(root, 'state') === 'partial' ? 'partial' : 'full', dialogs };
}

function parseDialog(element: XmlElement, source: string, bindings: ReadonlyMap<string, string>, growth: FragmentGrowth): DialogEntry {
  const idAttribute = element.attributes.find(({ local, uri }) => local === 'id' && uri === '');
  if (!idAttribute || idAttribute.value === '') throw new XmlError('a dialog has no id');
  const stateElement = child(element, DIALOG_INFO, 'state');
  const written = stateElement && textContent(stateElement).trim();
  const state = STATES.find((name) => name === written);
  if (state === undefined) throw new XmlError('the state of a dialog is none of trying, proceeding, early, confirmed, terminated');
  const remote = child(element, DIALOG_INFO, 'remote');
  const target = remote && child(remote, DIALOG_INFO, 'target');
  const declarations = missingDeclarations(element, source.slice(element.start, element.end), bindings, AMBIENT, growth);
  const sessions = ['local', 'remote']
    .flatMap((side) => childrenNamed(element, DIALOG_INFO, side))
    .flatMap((side) => childrenNamed(side, DIALOG_INFO, 'session-description'))
    .map(({ start, end }): Splice => ({ start, end, text: '' }))
    .sort((a, b) => a.start - b.start);
  const text = fragmentText(element, source, declarations);
  const shift = declarations.length - element.start;
  return {
    id: idAttribute.value,
    callId: attribute(element, 'call-id'),
    localTag: attribute(element, 'local-tag'),
    remoteTag: attribute(element, 'remote-tag'),
    state,
    remoteTarget: target && attribute(target, 'uri'),
    text,
    textWithoutSessions: sessions.length === 0 ? text : fragmentText(element, source, declarations, sessions),
    idStart: idAttribute.valueStart + shift,
    idEnd: idAttribute.valueEnd + shift,
  };
}

/** The same dialog under another id. */
export function withDialogId(entry: DialogEntry, id: string): DialogEntry {
  const written = escapeAttribute(id);
  const renamed = (text: string): string => text.slice(0, entry.idStart) + written + text.slice(entry.idEnd);
  const { text, textWithoutSessions, idStart } = entry;
  return { ...entry, id, text: renamed(text), textWithoutSessions: renamed(textWithoutSessions), idEnd: idStart + written.length };
}

/** A dialog as one who is not a party to it knows it. */
export interface DialogFields {
  readonly id: string;
  readonly callId?: string | undefined;
  readonly localTag?: string | undefined;
  readonly remoteTag?: string | undefined;
  readonly direction?: 'initiator' | 'recipient' | undefined;
  readonly state: DialogState;
  readonly event?: DialogEvent | undefined;
  /** Status of the response that ended it. */
  readonly code?: number | undefined;
  readonly local?: Participant | undefined;
  readonly remote?: Participant | undefined;
}

export interface Participant {
  readonly uri: string;
  readonly displayName?: string | undefined;
  readonly target?: string | undefined;
}

export function makeDialogEntry(fields: DialogFields): DialogEntry {
  const { id, callId, localTag, remoteTag, direction, state, event, code, local, remote } = fields;
  let text = `<dialog id="${escapeAttribute(id)}"`;
  const idStart = '<dialog id="'.length;
  const idEnd = text.length - 1;
  if (callId !== undefined) text += ` call-id="${escapeAttribute(callId)}"`;
  if (localTag !== undefined) text += ` local-tag="${escapeAttribute(localTag)}"`;
  if (remoteTag !== undefined) text += ` remote-tag="${escapeAttribute(remoteTag)}"`;
  if (direction !== undefined) text += ` direction="${direction}"`;
  text += '><state';
  if (event !== undefined) text += ` event="${event}"`;
  if (code !== undefined) text += ` code="${code}"`;
  text += `>${state}</state>${writeParticipant('local', local)}${writeParticipant('remote', remote)}</dialog>`;
  return { id, callId, localTag, remoteTag, state, remoteTarget: remote?.target, text, textWithoutSessions: text, idStart, idEnd };
}

function writeParticipant(name: string, participant: Participant | undefined): string {
  if (!participant) return '';
  const { uri, displayName, target } = participant;
  const display = displayName === undefined ? '' : ` display-name="${escapeAttribute(displayName)}"`;
  const written = target === undefined ? '' : `<target uri="${escapeAttribute(target)}"/>`;
  return `<${name}><identity${display}>${escapeText(uri)}</identity>${written}</${name}>`;
}

/** Writes a document about the entity (a URI) of `<dialog>` elements as `DialogEntry` has them. `version` counts the documents of a subscription from 0. */
export function writeDialogInfo(version: number, state: DialogInfo['state'], entity: string, dialogs: readonly string[]): string {
  const root = `<dialog-info xmlns="${DIALOG_INFO}" version="${version}" state="${state}" entity="${escapeAttribute(entity)}">`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n${[root, ...dialogs, '</dialog-info>'].join('\n')}\n`;
}
