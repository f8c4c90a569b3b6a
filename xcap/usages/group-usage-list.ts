import { RESOURCE_LISTS } from '../../schemas/resource-lists.ts';
import { attribute, type XmlElement } from '../../schemas/xml/tree.ts';
import type { ApplicationUsage } from '../application-usage.ts';
import { XcapConflict } from '../errors.ts';
import { checkLists, isEntry } from './list-constraints.ts';

const URI_USAGE = 'urn:oma:xml:xdm:resource-list:oma-uriusage';

/**
 * The groups that a user knows of, and what each is used for (OMA Shared Group XDM): resource lists whose lists all have names and
 * hold entries alone, no references.
 */
export const groupUsageList: ApplicationUsage = {
  auid: 'org.openmobilealliance.group-usage-list',
  defaultNamespace: RESOURCE_LISTS,
  contentType: 'application/vnd.oma.group-usage-list+xml',
  schema: URI_USAGE,
  repeatable: () => isEntry,
  namespaces: [RESOURCE_LISTS, URI_USAGE],
  validate({ root }) {
    checkLists(root, RESOURCE_LISTS);
    for (const list of root.elements) checkGroups(list);
  },
};

function checkGroups(list: XmlElement): void {
  if (list.uri !== RESOURCE_LISTS || list.local !== 'list') return;
  if (attribute(list, 'name') === undefined) throw new XcapConflict('constraint-failure', 'every list of groups needs a name');
  for (const element of list.elements) {
    if (element.uri === RESOURCE_LISTS && (element.local === 'entry-ref' || element.local === 'external')) {
      throw new XcapConflict('constraint-failure', `a list of groups cannot refer to others by <${element.local}>`);
    }
    checkGroups(element);
  }
}
