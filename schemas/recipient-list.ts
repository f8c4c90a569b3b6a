/** Who a request to many goes to (RFC 5363, RFC 5364): a flat resource list with copy control, and the list that recipients are shown. */
import { canonicalAddress } from './address.ts';
import { RESOURCE_LISTS } from './resource-lists.ts';
import { escapeAttribute } from './xml/escape.ts';
import { XmlError } from './xml/parse.ts';
import { attribute, type XmlDocument, type XmlElement } from './xml/tree.ts';

export const COPY_CONTROL = 'urn:ietf:params:xml:ns:copycontrol';

/** RFC 5364 4, the higher precedence first. */
const LEVELS = ['to', 'cc', 'bcc'] as const;
export type CopyLevel = (typeof LEVELS)[number];

export interface Recipient {
  /** As the list writes it. */
  readonly uri: string;
  readonly canonical: string;
  readonly level: CopyLevel;
  /** The other recipients may learn that there is one, and not who. */
  readonly anonymous: boolean;
}

/**
 * The recipients in order, each once: of several entries with one address the level with the highest precedence counts (RFC 5364 4), and
 * one that asks for anonymity suffices. Nested lists are read flat; references are passed over (RFC 5365 7).
 * @throws XmlError for another root element, and for a level or anonymity that RFC 5364 5 does not know
 */
export function parseRecipientList({ root }: XmlDocument): Recipient[] {
  if (root.local !== 'resource-lists' || root.uri !== RESOURCE_LISTS) throw new XmlError('the root element is not resource-lists');
  const recipients = new Map<string, Recipient>();
  collect(root, recipients);
  return [...recipients.values()];
}

function collect(parent: XmlElement, recipients: Map<string, Recipient>): void {
  for (const element of parent.elements) {
    if (element.uri !== RESOURCE_LISTS) continue;
    if (element.local === 'list') collect(element, recipients);
    else if (element.local === 'entry') add(readEntry(element), recipients);
  }
}

function add(recipient: Recipient, recipients: Map<string, Recipient>): void {
  const known = recipients.get(recipient.canonical);
  if (known === undefined) {
    recipients.set(recipient.canonical, recipient);
    return;
  }
  const level = LEVELS.indexOf(recipient.level) < LEVELS.indexOf(known.level) ? recipient.level : known.level;
  recipients.set(recipient.canonical, { ...known, level, anonymous: known.anonymous || recipient.anonymous });
}

function readEntry(element: XmlElement): Recipient {
  const uri = (attribute(element, 'uri') ?? '').trim();
  if (uri === '') throw new XmlError('an entry without a uri');
  // RFC 5364 4: without the attribute nobody else is to know.
  const written = attribute(element, 'copyControl', COPY_CONTROL)?.trim() ?? 'bcc';
  const level = LEVELS.find((known) => known === written);
  if (level === undefined) throw new XmlError(`copyControl is ${written}, not to, cc or bcc`);
  const anonymize = attribute(element, 'anonymize', COPY_CONTROL)?.trim() ?? 'false';
  if (!/^(true|false|0|1)$/.test(anonymize)) throw new XmlError(`anonymize is ${anonymize}, not true or false`);
  return { uri, canonical: canonicalAddress(uri), level, anonymous: anonymize === 'true' || anonymize === '1' };
}

const ANONYMOUS_URI = 'sip:anonymous@anonymous.invalid';

/**
 * The list for all recipients alike (RFC 5364 4): blind copies left out, those who are to stay unnamed counted in one entry for each level.
 * Undefined when nobody is to be shown.
 */
export function writeRecipientHistory(recipients: readonly Recipient[]): string | undefined {
  let entries = '';
  for (const level of ['to', 'cc'] as const) {
    const ofLevel = recipients.filter((recipient) => recipient.level === level);
    for (const { uri, anonymous } of ofLevel) if (!anonymous) entries += entry(uri, level);
    const count = ofLevel.filter(({ anonymous }) => anonymous).length;
    if (count > 0) entries += entry(ANONYMOUS_URI, level, count);
  }
  if (entries === '') return undefined;
  const namespaces = `xmlns="${RESOURCE_LISTS}" xmlns:cp="${COPY_CONTROL}"`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n<resource-lists ${namespaces}>\n<list>\n${entries}</list>\n</resource-lists>\n`;
}

function entry(uri: string, level: CopyLevel, count?: number): string {
  // What stands behind the question mark is for the request alone (RFC 3261 19.1.5).
  const shown = escapeAttribute(uri.replace(/\?.*$/s, ''));
  return `<entry uri="${shown}" cp:copyControl="${level}"${count === undefined ? '' : ` cp:count="${count}"`}/>\n`;
}
