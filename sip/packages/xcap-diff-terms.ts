/** What an xcap-diff subscription asks for (RFC 5875 4.3, 4.4). */
import { parseResourceLists, RESOURCE_LISTS_TYPE } from '../../schemas/resource-lists.ts';
import { decodeUtf8, parseXml, XmlError } from '../../schemas/xml/parse.ts';
import { decodedBody } from '../message/content-coding.ts';
import type { SipRequest } from '../message/message.ts';
import { parseParams } from '../message/params.ts';
import { SipError } from '../message/sip-error.ts';

const MODES = ['no-patching', 'xcap-patching', 'aggregate'] as const;
export type DiffProcessing = (typeof MODES)[number];

export interface DiffTerms {
  readonly mode: DiffProcessing;
  /** URIs as the watcher wrote them, each once. */
  readonly uris: readonly string[];
}

const MAX_BODY_BYTES = 64 * 1024;
const MAX_URIS = 200;
const LONGEST_URI = 2048;

/** Reads a SUBSCRIBE; a refresh without a body keeps the URIs of before. Throws SipError. */
export function readDiffTerms(request: SipRequest, previous: unknown): DiffTerms {
  const event = request.headers.get('Event') ?? '';
  const semicolon = event.indexOf(';');
  const asked = semicolon < 0 ? undefined : parseParams(event, semicolon).get('diff-processing')?.toLowerCase();
  // RFC 5875 4.3: what is not understood, or not said, is the simplest.
  const mode = MODES.find((known) => known === asked) ?? 'no-patching';
  if (request.body.length === 0) {
    if (previous === undefined) throw new SipError(400, 'An xcap-diff subscription needs a body that names its resources');
    return { mode, uris: (previous as DiffTerms).uris };
  }
  return { mode, uris: readUris(request) };
}

function readUris(request: SipRequest): string[] {
  if (request.contentType?.type !== RESOURCE_LISTS_TYPE) throw new SipError(415, undefined, [['Accept', RESOURCE_LISTS_TYPE]]);
  const body = decodedBody(request, MAX_BODY_BYTES, [RESOURCE_LISTS_TYPE]);
  const uris = new Set<string>();
  try {
    for (const list of parseResourceLists(parseXml(decodeUtf8(body)))) {
      for (const item of list.items) if (item.kind === 'entry' && item.uri !== '' && item.uri.length <= LONGEST_URI) uris.add(item.uri);
    }
  } catch (error) {
    if (error instanceof XmlError) throw new SipError(400, `Bad resource list: ${error.message}`);
    throw error;
  }
  if (uris.size > MAX_URIS) throw new SipError(413, `More than ${MAX_URIS} resources`);
  return [...uris];
}
