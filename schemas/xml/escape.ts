/** Anything that cannot stand in character data as it is; surrogates only to have them looked at. */
const TEXT_SPECIAL = /[&<>\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]/;
const ATTRIBUTE_SPECIAL = /[&<>"\t\n\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]/;
/** With the `u` flag a surrogate matches only where it stands alone. */
const TEXT_REPLACED = /[&<>\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]/gu;
const ATTRIBUTE_REPLACED = /[&<>"\t\n\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]/gu;

const REFERENCES = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&quot;'],
  ['\t', '&#9;'],
  ['\n', '&#10;'],
  ['\r', '&#13;'],
]);

/**
 * Text as character data of an element (XML 1.0 2.4): it reads back as given. What XML 1.0 2.2 forbids altogether (most
 * control characters, lone surrogates) becomes U+FFFD.
 */
export function escapeText(text: string): string {
  return TEXT_SPECIAL.test(text) ? text.replace(TEXT_REPLACED, reference) : text;
}

/** Text as an attribute's value between double quotes, safe against the normalisation of white space (XML 1.0 3.3.3); otherwise as `escapeText`. */
export function escapeAttribute(text: string): string {
  return ATTRIBUTE_SPECIAL.test(text) ? text.replace(ATTRIBUTE_REPLACED, reference) : text;
}

function reference(character: string): string {
  return REFERENCES.get(character) ?? '\ufffd';
}
