/** Attributes of documents by their types. Each throws XmlError for one that is not as it must be. */
import { XmlError } from './parse.ts';
import { attribute, type XmlElement } from './tree.ts';

/** The value of an attribute that must be there. */
export function required(element: XmlElement, local: string): string {
  return attribute(element, local) ?? missing(element, local);
}

/** A whole number, or undefined where the attribute is absent. */
export function wholeNumber(element: XmlElement, local: string): number | undefined {
  const value = attribute(element, local);
  if (value === undefined) return undefined;
  if (!/^\+?\d+$/.test(value.trim())) throw new XmlError(`${local} of <${element.local}> is "${value}", not a whole number`);
  return Number(value);
}

/** A whole number that must be there. */
export function requiredNumber(element: XmlElement, local: string): number {
  return wholeNumber(element, local) ?? missing(element, local);
}

/** One of a few values. */
export function oneOf<T extends string>(values: readonly T[], element: XmlElement, local: string): T {
  const value = required(element, local);
  const known = values.find((v) => v === value);
  if (known === undefined) throw new XmlError(`${local} of <${element.local}> is "${value}", not one of ${values.join(', ')}`);
  return known;
}

function missing(element: XmlElement, local: string): never {
  throw new XmlError(`<${element.local}> needs the attribute ${local}`);
}
