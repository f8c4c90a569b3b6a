/** The services of one document as they can stand in another, with the bindings that they have from their ancestors. */
import { RLS_SERVICES, type Service } from '../../schemas/rls-services.ts';
import { LARGE, turn } from '../../schemas/turns.ts';
import { escapeAttribute } from '../../schemas/xml/escape.ts';
import { lookupNamespace, type XmlDocument, type XmlElement } from '../../schemas/xml/tree.ts';
import { usedPrefixes } from '../../schemas/xml/used-prefixes.ts';
import type { MaybePromise } from '../document-store.ts';

/** Characters of services that are made to stand alone at once; what is longer is done in turns. */
const PIECE = LARGE;

/**
 * Each service's source, so that it means the same in another document, with a line end behind it. Gives a promise only for a large document.
 * One binding of the root can be as long as the document and be needed by every service: what the bindings add to a document is
 * bounded by a multiple of its length, and services beyond that are left out.
 */
export function standaloneServices(document: XmlDocument, services: readonly Service[]): MaybePromise<string> {
  const room = { left: document.source.length * DECLARATIONS_FACTOR + DECLARATIONS_LEAST };
  if (document.source.length > PIECE) return inTurns(document, services, room);
  let text = '';
  for (const { element } of services) text += standalone(document, element, room);
  return text;
}

const DECLARATIONS_FACTOR = 4;
const DECLARATIONS_LEAST = 4096;

async function inTurns(document: XmlDocument, services: readonly Service[], room: { left: number }): Promise<string> {
  const parts: string[] = [];
  let done = Number.POSITIVE_INFINITY;
  for (const { element } of services) {
    if (done > PIECE) {
      await turn();
      done = 0;
    }
    const part = standalone(document, element, room);
    parts.push(part);
    done += Math.max(part.length, element.end - element.start);
  }
  return parts.join('');
}

/** Empty where there is no room for what must be declared. */
function standalone(document: XmlDocument, element: XmlElement, room: { left: number }): string {
  const declarations = missingDeclarations(document, element);
  if (declarations.length > room.left) return '';
  room.left -= declarations.length;
  const afterName = element.start + 1 + element.name.length;
  return `${document.source.slice(element.start, afterName)}${declarations}${document.source.slice(afterName, element.end)}\n`;
}

/** Declarations of the prefixes that occur in the element and are bound outside of it only. */
function missingDeclarations({ source }: XmlDocument, element: XmlElement): string {
  const { parent } = element;
  if (!parent) return '';
  let declarations = '';
  for (const prefix of usedPrefixes(source, element.start, element.end)) {
    const uri = prefix === 'xml' || element.declarations?.has(prefix) ? undefined : lookupNamespace(parent, prefix);
    if (uri !== undefined) declarations += ` xmlns:${prefix}="${escapeAttribute(uri)}"`;
  }
  if (element.declarations?.has('')) return declarations;
  const uri = lookupNamespace(parent, '') ?? '';
  return uri === RLS_SERVICES ? declarations : `${declarations} xmlns="${escapeAttribute(uri)}"`;
}
