import { escapeAttribute, escapeText } from './xml/escape.ts';
import { attribute, textContent, type XmlElement } from './xml/tree.ts';

const XML = 'http://www.w3.org/XML/1998/namespace';

/** Text for people, with the language it is in (RFC 4826 3.1, RFC 4662 5.4). */
export interface DisplayName {
  readonly text: string;
  /** The `xml:lang` attribute. */
  readonly lang?: string | undefined;
}

/** Reads an element whose content is text for people. */
export function readDisplayName(element: XmlElement): DisplayName {
  return { text: textContent(element), lang: attribute(element, 'lang', XML) };
}

/** Writes it as an element of the given qualified name. */
export function writeDisplayName(name: string, { text, lang }: DisplayName): string {
  return `<${name}${lang === undefined ? '' : ` xml:lang="${escapeAttribute(lang)}"`}>${escapeText(text)}</${name}>`;
}
