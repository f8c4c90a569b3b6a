import { schemaViolations } from '../../schemas/xml/validate.ts';
import { childrenNamed, expectElement, readXml, requiredAttribute, type XmlElement } from './xml-reader.ts';

const DIALOG_INFO = 'urn:ietf:params:xml:ns:dialog-info';
const STATES = ['trying', 'proceeding', 'early', 'confirmed', 'terminated'];

export interface ReadDialogInfo {
  readonly version: number;
  readonly state: string;
  readonly entity: string;
  readonly dialogs: readonly { readonly id: string; readonly state: string; readonly element: XmlElement }[];
}

/** Reads dialog information (RFC 4235 4), throwing on anything the format forbids. */
export function readDialogInfo(text: string): ReadDialogInfo {
  const root = readXml(text);
  expectElement(root, DIALOG_INFO, 'dialog-info');
  const violations = schemaViolations(DIALOG_INFO, text);
  if (violations.length > 0) throw new Error(`invalid: ${violations.map(({ message }) => message).join('; ')}\n${text}`);
  const dialogs = childrenNamed(root, DIALOG_INFO, 'dialog').map((element) => {
    const [state, ...more] = childrenNamed(element, DIALOG_INFO, 'state');
    if (!state || more.length > 0 || !STATES.includes(state.text)) throw new Error(`a dialog has no proper state\n${text}`);
    return { id: requiredAttribute(element, 'id'), state: state.text, element };
  });
  const ids = new Set(dialogs.map(({ id }) => id));
  if (ids.size !== dialogs.length) throw new Error(`dialog ids are not unique\n${text}`);
  const version = Number(requiredAttribute(root, 'version'));
  return { version, state: requiredAttribute(root, 'state'), entity: requiredAttribute(root, 'entity'), dialogs };
}

/** The table that a subscriber keeps (RFC 4235 4.3): each dialog's state by id. */
export class DialogTable {
  readonly states = new Map<string, string>();
  private version: number | undefined;

  /** Takes the next document; throws when it does not follow on the one before. */
  take(text: string): ReadDialogInfo {
    const info = readDialogInfo(text);
    if (this.version !== undefined && info.version !== this.version + 1) throw new Error(`version ${info.version} after ${this.version}`);
    if (this.version === undefined && info.state !== 'full') throw new Error('the first document is partial');
    if (info.state === 'partial' && info.dialogs.length === 0) throw new Error('a partial document without dialogs');
    this.version = info.version;
    if (info.state === 'full') this.states.clear();
    for (const { id, state } of info.dialogs) {
      if (state === 'terminated') this.states.delete(id);
      else this.states.set(id, state);
    }
    return info;
  }

  get entries(): [string, string][] {
    return [...this.states].sort();
  }
}
