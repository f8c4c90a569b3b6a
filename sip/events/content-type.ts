import { splitOutsideQuotes } from '../message/params.ts';
import { SipError } from '../message/sip-error.ts';

/**
 * The first offered media type that the Accept header fields take (RFC 3261 20.1); without any field, the first of all,
 * which is the package's default. Throws SipError 406.
 */
export function chooseContentType(accept: readonly string[], offered: readonly string[]): string {
  const [first = ''] = offered;
  if (accept.length === 0 || (accept.length === 1 && accept[0] === first)) return first;
  const ranges = accept.flatMap((field) => splitOutsideQuotes(field, ',')).flatMap(acceptable);
  for (const type of offered) {
    const [major] = type.split('/');
    if (ranges.some((range) => range === type || range === '*/*' || range === `${major}/*`)) return type;
  }
  throw new SipError(406, undefined, [['Accept', offered.join(', ')]]);
}

/** The media range in lower case; none when its q is 0. */
function acceptable(item: string): string[] {
  const [range = '', ...params] = item.split(';').map((part) => part.trim().toLowerCase());
  if (range === '' || params.some((param) => /^q\s*=\s*0(\.0*)?$/.test(param))) return [];
  return [range];
}
