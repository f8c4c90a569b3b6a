import { RESOURCE_LISTS, RESOURCE_LISTS_TYPE } from '../../schemas/resource-lists.ts';
import type { ApplicationUsage } from '../application-usage.ts';
import { checkLists, isEntry } from './list-constraints.ts';

/** Resource lists (RFC 4826 3.4): a user's lists of contacts. */
export const resourceLists: ApplicationUsage = {
  auid: 'resource-lists',
  defaultNamespace: RESOURCE_LISTS,
  contentType: RESOURCE_LISTS_TYPE,
  schema: RESOURCE_LISTS,
  repeatable: () => isEntry,
  namespaces: [RESOURCE_LISTS],
  hasGlobalDocuments: true,
  validate: ({ root }) => checkLists(root, RESOURCE_LISTS),
};
