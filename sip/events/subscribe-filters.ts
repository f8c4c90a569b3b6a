/** The filters in the body of a SUBSCRIBE (RFC 4660 5.2). */
import { FilterError } from '../../schemas/filter/expression.ts';
import { parseFilterSet, SIMPLE_FILTER_TYPE } from '../../schemas/filter/filter-set.ts';
import { MalformedDocument } from '../../schemas/malformed-document.ts';
import { decodeUtf8 } from '../../schemas/xml/parse.ts';
import { decodedBody } from '../message/content-coding.ts';
import type { SipRequest } from '../message/message.ts';
import { partField, splitMultipart, withoutParams } from '../message/multipart.ts';
import { SipError } from '../message/sip-error.ts';
import { quote } from '../message/text.ts';
import type { EventPackage } from './event-package.ts';
import { changedFilters, type KeptFilter } from './filter-set.ts';

/** Bytes of a filter document. */
const LONGEST = 16 * 1024;
/** Of a body that has other parts too. */
const LONGEST_OF_PARTS = 64 * 1024;

/**
 * The filters of a subscription to `resource` after the SUBSCRIBE; `kept`, which stay as they are, where it brings none.
 * Throws SipError: 400 for what is no XML, 413, 415 where the package's notifications are not filtered, 488 for what is not understood
 * or not taken.
 */
export function readFilters(
  request: SipRequest,
  eventPackage: EventPackage,
  resource: string,
  kept: readonly KeptFilter[] | undefined,
): readonly KeptFilter[] | undefined {
  if (request.body.length === 0) return kept;
  const body = filterBody(request, eventPackage);
  if (!body) return kept;
  if (body.length > LONGEST) throw new SipError(413, 'The filters are too large');
  try {
    const document = parseFilterSet(decodeUtf8(body));
    const filters = changedFilters(kept ?? [], document, resource, eventPackage.name);
    // Copied, for what is cut from a message keeps all of it in memory.
    return filters.length === 0 ? undefined : (JSON.parse(JSON.stringify(filters)) as KeptFilter[]);
  } catch (error) {
    if (error instanceof MalformedDocument) throw new SipError(400, `The filters are malformed: ${error.message}`);
    // RFC 4660 5.4.
    if (error instanceof FilterError) throw new SipError(488, undefined, [['Warning', `399 rollcall ${quote(printable(error.message))}`]]);
    throw error;
  }
}

function filterBody(request: SipRequest, { name, filtering }: EventPackage): Buffer | undefined {
  const type = request.contentType;
  if (type?.type === SIMPLE_FILTER_TYPE) {
    if (filtering) return decodedBody(request, LONGEST, [SIMPLE_FILTER_TYPE]);
    throw new SipError(415, `Notifications of ${name} are not filtered`, [['Accept', '']]);
  }
  if (!filtering || !type?.type.startsWith('multipart/')) return undefined;
  const parts = splitMultipart(decodedBody(request, LONGEST_OF_PARTS, [SIMPLE_FILTER_TYPE]), type) ?? [];
  return parts.find((part) => withoutParams(partField(part, 'Content-Type') ?? '') === SIMPLE_FILTER_TYPE)?.content;
}

/** Of a length and of characters that a header field can take. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]+/g, ' ').slice(0, 200);
}
