import { COMMON_POLICY } from '../../schemas/common-policy.ts';
import { attribute, type XmlDocument, type XmlElement } from '../../schemas/xml/tree.ts';

/**
 * Which elements of a ruleset may be repeated: rules follow each other without bound, each valid by itself but for its identifier, which
 * no other may have (RFC 4745 13: xs:ID). So none where two are alike, or where there may be identifiers of another kind.
 */
export function repeatableRules({ source, root }: XmlDocument): ((element: XmlElement) => boolean) | undefined {
  if (source.includes(XML_ID)) return undefined;
  const ids = new Set<string>();
  for (const rule of root.elements) {
    const id = attribute(rule, 'id')?.trim();
    if (id === undefined || ids.has(id)) return undefined;
    ids.add(id);
  }
  return isRule;
}

const XML_ID = 'xml:id';

function isRule({ local, uri }: XmlElement): boolean {
  return local === 'rule' && uri === COMMON_POLICY;
}
