/** What the registrations of a user tell of its presence, for users who publish none. */
import { DATA_MODEL, type PresenceDocument, parsePidf, writePidf } from '../../schemas/pidf.ts';
import { escapeAttribute, escapeText } from '../../schemas/xml/escape.ts';
import type { Binding } from '../core/binding.ts';
import { decodeText } from '../message/text.ts';

/** An open service at each contact; undefined when there is none. */
export function registeredPresence(presentity: string, bindings: readonly Binding[]): PresenceDocument | undefined {
  return bindings.length === 0 ? undefined : parsePidf(writePidf(presentity, bindings.map(serviceAt)));
}

function serviceAt({ id, contact, q, instance, since }: Binding): { kind: 'tuple'; text: string } {
  // An XML name, which cannot have all that base64 has.
  const name = `r${id.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}`;
  const device = instance === undefined ? '' : `<dm:deviceID xmlns:dm="${DATA_MODEL}">${escapeText(decodeText(instance))}</dm:deviceID>`;
  const address = `<contact priority="${q}">${escapeText(decodeText(contact))}</contact>`;
  const timestamp = `<timestamp>${new Date(since).toISOString()}</timestamp>`;
  const text = `<tuple id="${escapeAttribute(name)}"><status><basic>open</basic></status>${device}${address}${timestamp}</tuple>`;
  return { kind: 'tuple', text };
}
