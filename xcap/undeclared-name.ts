import type { XmlElement } from '../schemas/xml/tree.ts';
import { declaredNames } from '../schemas/xml/validate.ts';
import { elementName } from '../schemas/xml/violations.ts';
import type { Range } from './schema-excerpt.ts';

/**
 * An element or attribute of one of the namespaces whose name that namespace's schema does not have, in words; undefined if
 * there is none. Where a schema lets anything of other namespaces stand, its validator takes these for things of namespaces
 * that it knows nothing of.
 *
 * @param changed where to look; everywhere without it
 */
export function undeclaredName(root: XmlElement, namespaces: ReadonlySet<string>, changed?: Range): string | undefined {
  // Runs of one namespace are the rule.
  let uri = '';
  let names: ReturnType<typeof declaredNames>;

  function namesOf(namespace: string): typeof names {
    if (namespace !== uri) {
      uri = namespace;
      names = namespaces.has(namespace) ? declaredNames(namespace) : undefined;
    }
    return names;
  }

  function find(element: XmlElement): string | undefined {
    if (changed && (element.end <= changed.start || element.start >= changed.end)) return undefined;
    if (namesOf(element.uri)?.elements.has(element.local) === false) return elementName(element.uri, element.local);
    for (const attribute of element.attributes) {
      if (attribute.uri !== '' && namesOf(attribute.uri)?.attributes.has(attribute.local) === false) {
        return `the attribute ${attribute.local} (namespace ${attribute.uri})`;
      }
    }
    for (const child of element.elements) {
      const found = find(child);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  return find(root);
}
