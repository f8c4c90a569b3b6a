/**
 * Privacy filtering (RFC 5025 3.3): what of a presence document a watcher's permissions let through.
 * A component that is not granted whole is written anew from what is granted of it, so that nothing gets through but by a permission,
 * save what 3.3.2 says is always reported. What comes out would come through once more unchanged (RFC 5025 4).
 */
import { DATA_MODEL, PIDF, type PresenceComponent, RPID } from '../../schemas/pidf.ts';
import type { AttributePermission, Permissions } from '../../schemas/pres-rules.ts';
import { escapeAttribute, escapeText } from '../../schemas/xml/escape.ts';
import { ownText, type XmlAttribute, type XmlElement } from '../../schemas/xml/tree.ts';
import { isGranted } from './granted-components.ts';

/** The component's text as the permissions leave it, or undefined when they give no access to it at all. */
export function transformComponent(component: PresenceComponent, permissions: Permissions): string | undefined {
  switch (component.kind) {
    case 'note':
      // RFC 5025 has no permission for the document's own notes; they are treated as the notes of its parts are.
      if (!permissions.provideNote) return undefined;
      return permissions.provideAllAttributes ? component.text : withDeclarations(component, whole(component.element, component.source));
    case 'extension':
      return permissions.provideAllAttributes ? component.text : undefined;
  }
  if (!isGranted(component, permissions)) return undefined;
  if (permissions.provideAllAttributes) return component.text;
  let content = '';
  for (const element of component.element.elements) content += grantedText(element, component, permissions);
  return withDeclarations(component, writeElement(component.element, component.source, ['id'], content));
}

/** One child element of a tuple, person or device as the permissions (not all of them) leave it; empty when they do not let it be seen. */
function grantedText(element: XmlElement, { kind, source }: PresenceComponent, permissions: Permissions): string {
  const { uri, local } = element;
  if (uri === RPID && local === 'user-input') return userInput(element, source, permissions);
  if (kind === 'tuple' && uri === PIDF && local === 'status') return status(element, source, permissions);
  const reported = REPORTED[kind]?.find((one) => one.uri === uri && one.local === local);
  if (reported) return reported.attributes ? value(element, source, reported.attributes) : whole(element, source);
  return isPermitted(element, permissions) ? whole(element, source) : '';
}

/** What RFC 5025 3.3.2 has reported always, where it gives access to the component. */
interface Reported {
  readonly uri: string;
  readonly local: string;
  /** Of an element that has nothing but text: the attributes that belong to it. Absent: whatever it holds. */
  readonly attributes?: readonly string[];
}

const REPORTED: Readonly<Record<string, readonly Reported[]>> = {
  tuple: [
    { uri: PIDF, local: 'contact', attributes: ['priority'] },
    { uri: PIDF, local: 'timestamp', attributes: [] },
    { uri: RPID, local: 'service-class' },
  ],
  person: [{ uri: DATA_MODEL, local: 'timestamp', attributes: [] }],
  device: [
    { uri: DATA_MODEL, local: 'timestamp', attributes: [] },
    { uri: DATA_MODEL, local: 'deviceID', attributes: [] },
  ],
};

/** Basic status is reported always; whatever else an agent put into `<status>` is an attribute like any other. */
function status(element: XmlElement, source: string, permissions: Permissions): string {
  let content = '';
  for (const inner of element.elements) {
    if (inner.uri === PIDF && inner.local === 'basic') content += value(inner, source, []);
    else if (isPermitted(inner, permissions)) content += whole(inner, source);
  }
  return writeElement(element, source, [], content);
}

/** The permission that reveals an element of RPID, the data model or PIDF (RFC 5025 3.3.2.1 to 3.3.2.13). */
const PERMISSIONS = new Map<string, AttributePermission>([
  [`${RPID} activities`, 'provideActivities'],
  [`${RPID} class`, 'provideClass'],
  [`${RPID} mood`, 'provideMood'],
  [`${RPID} place-is`, 'providePlaceIs'],
  [`${RPID} place-type`, 'providePlaceType'],
  [`${RPID} privacy`, 'providePrivacy'],
  [`${RPID} relationship`, 'provideRelationship'],
  [`${RPID} sphere`, 'provideSphere'],
  [`${RPID} status-icon`, 'provideStatusIcon'],
  [`${RPID} time-offset`, 'provideTimeOffset'],
  [`${DATA_MODEL} deviceID`, 'provideDeviceID'],
  [`${DATA_MODEL} note`, 'provideNote'],
  [`${PIDF} note`, 'provideNote'],
]);

function isPermitted({ uri, local }: XmlElement, permissions: Permissions): boolean {
  const known = PERMISSIONS.get(`${uri} ${local}`);
  if (known !== undefined) return permissions[known];
  // RFC 5025 3.3.2.14: only what nothing else gives access to. Input is judged by its own scale, wherever it stands.
  if (uri === RPID && local === 'user-input') return false;
  return permissions.provideUnknownAttributes.some((unknown) => unknown.name === local && unknown.namespace === uri);
}

/** RFC 5025 3.3.2.12; the attribute that the RFC calls "since" is named last-input in RPID (RFC 4480 3.13). */
function userInput(element: XmlElement, source: string, { provideUserInput }: Permissions): string {
  switch (provideUserInput) {
    case 'false':
      return '';
    case 'bare':
      return value(element, source, ['id']);
    case 'thresholds':
      return value(element, source, ['idle-threshold']);
    case 'full':
      return whole(element, source);
  }
}

/** The element with all that it holds. */
function whole({ start, end }: XmlElement, source: string): string {
  return withoutComments(source.slice(start, end));
}

/** What is no element has no permission that could reveal it. A CDATA section is text, whatever it looks like. */
function withoutComments(text: string): string {
  if (!text.includes('<!--') && !text.includes('<?')) return text;
  return text.replace(/<!\[CDATA\[[\s\S]*?\]\]>|<!--[\s\S]*?-->|<\?[\s\S]*?\?>/g, (part) => (part.startsWith('<![') ? part : ''));
}

/** The element with its own text and no more than these attributes. */
function value(element: XmlElement, source: string, attributes: readonly string[]): string {
  return writeElement(element, source, attributes, escapeText(ownText(element)));
}

function writeElement(element: XmlElement, source: string, attributes: readonly string[], content: string): string {
  const { name, prefix, declarations } = element;
  const kept = (a: XmlAttribute): boolean => a.uri === '' && attributes.includes(a.local);
  let tag = name;
  for (const [declared, uri] of declarations ?? []) {
    if (declared === '' || declared === prefix || content.includes(`${declared}:`)) tag += declaration(declared, uri);
  }
  for (const a of element.attributes) if (kept(a)) tag += ` ${source.slice(a.start, a.end)}`;
  return content === '' ? `<${tag}/>` : `<${tag}>${content}</${name}>`;
}

function declaration(prefix: string, uri: string): string {
  return ` xmlns${prefix === '' ? '' : `:${prefix}`}="${escapeAttribute(uri)}"`;
}

/** Gives a component the declarations that it took from its document's root, as far as what is left of it still needs them. */
function withDeclarations({ element, declarations }: PresenceComponent, text: string): string {
  if (declarations === '') return text;
  const nameEnd = 1 + element.name.length;
  const needed = declarations.replace(DECLARATION, (written, prefix: string | undefined) =>
    prefix === undefined || prefix === element.prefix || text.includes(`${prefix}:`) ? written : '',
  );
  return text.slice(0, nameEnd) + needed + text.slice(nameEnd);
}

const DECLARATION = / xmlns(?::([^=]+))?="[^"]*"/g;
