import { resolve } from 'node:path';

/** An application usage that the operator defines. */
export interface UsageSetting {
  readonly auid: string;
  /** Default document namespace, and that of the documents' root. */
  readonly namespace: string;
  /** In lower case, without parameters. */
  readonly contentType: string;
  /** Absolute path of an XSD file; without one, and unless the namespace is one whose schema the server has, any well-formed document will do. */
  readonly schema?: string;
}

/** In the YAML file, and in the text of a flag in this order. */
const PARTS = ['auid', 'namespace', 'content-type', 'schema'] as const;

/**
 * Reads a usage from a mapping with the keys `auid`, `namespace`, `content-type` and perhaps `schema`, or from a text that has these
 * values in this order with `;` between. Throws an Error that says in one line what is wrong.
 */
export function readUsageSetting(value: unknown): UsageSetting {
  const parts = typeof value === 'string' ? fromText(value) : fromMapping(value);
  const auid = parts.get('auid') ?? '';
  if (!AUID.test(auid)) throw new Error(`${quoted(auid)} is not an AUID (such as org.example.notes)`);
  const namespace = parts.get('namespace') ?? '';
  if (!URI.test(namespace)) throw new Error(`${auid}: ${quoted(namespace)} is not a namespace (a URI such as urn:example:notes)`);
  const contentType = (parts.get('content-type') ?? '').toLowerCase();
  if (!MEDIA_TYPE.test(contentType)) {
    throw new Error(`${auid}: ${quoted(contentType)} is not a content-type (such as application/notes+xml, without parameters)`);
  }
  const schema = parts.get('schema');
  return Object.freeze({ auid, namespace, contentType, ...(schema !== undefined && schema !== '' && { schema: resolve(schema) }) });
}

/** The usage as it would stand in the YAML file. */
export function usageMapping({ auid, namespace, contentType, schema }: UsageSetting): Record<string, string> {
  return { auid, namespace, 'content-type': contentType, ...(schema !== undefined && { schema }) };
}

/** RFC 4825 5.1, without the characters that would have to be escaped in a URI. */
const AUID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const URI = /^[A-Za-z][A-Za-z0-9+.-]*:[^\s<>"]{1,500}$/;
const MEDIA_TYPE = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}$/;

function fromText(text: string): Map<string, string> {
  const values = text.split(';').map((part) => part.trim());
  if (values.length > PARTS.length) throw new Error(`${quoted(text)} has more than AUID;NAMESPACE;TYPE;XSD`);
  return new Map(values.map((value, index) => [PARTS[index] ?? '', value]));
}

function fromMapping(value: unknown): Map<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Error(`${JSON.stringify(value)} is not a usage with ${PARTS.join(', ')}`);
  }
  const parts = new Map<string, string>();
  for (const [name, part] of Object.entries(value)) {
    const key = PARTS.find((known) => known === name || (name === 'contentType' && known === 'content-type'));
    if (!key) throw new Error(`${name} is no part of a usage; it has ${PARTS.join(', ')}`);
    if (part === null || part === undefined) continue;
    if (typeof part !== 'string') throw new Error(`${name}: ${JSON.stringify(part)} is not a text`);
    parts.set(key, part.trim());
  }
  return parts;
}

function quoted(text: string): string {
  return `"${text.slice(0, 200)}"`;
}
