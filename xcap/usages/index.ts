import type { ApplicationUsage } from '../application-usage.ts';
import type { DocumentStore } from '../document-store.ts';
import { dialogRules } from './dialog-rules.ts';
import { groupUsageList } from './group-usage-list.ts';
import { omaPresRules } from './oma-pres-rules.ts';
import { pidfManipulation } from './pidf-manipulation.ts';
import { type MayWatch, presContent, statusIcon } from './pres-content.ts';
import { presRules } from './pres-rules.ts';
import { resourceLists } from './resource-lists.ts';
import { rlsServices } from './rls-services.ts';
import type { ServiceIndex } from './rls-services-index.ts';
import { simservs } from './simservs.ts';
import { userProfile } from './user-profile.ts';
import { xcapCaps } from './xcap-caps.ts';
import { xcapDirectory } from './xcap-directory.ts';

export interface UsageCollaborators {
  readonly documents: DocumentStore;
  readonly services: ServiceIndex;
  /** Whether a canonical address is a user's, and so cannot be a service's; no address is without it. */
  readonly isUser?: (address: string) => boolean;
  /** Nobody may without it. */
  readonly mayWatch?: MayWatch;
  /** The XCAP root below which documents are listed. */
  readonly root: string;
  /** Those that the operator has defined. */
  readonly more?: readonly ApplicationUsage[];
}

/** The AUIDs that an operator's usage cannot have. */
export const OWN_AUIDS: ReadonlySet<string> = new Set([
  'resource-lists',
  'rls-services',
  'pres-rules',
  'org.openmobilealliance.pres-rules',
  'pidf-manipulation',
  'org.openmobilealliance.pres-content',
  'oma_status-icon',
  'org.openmobilealliance.user-profile',
  'org.openmobilealliance.group-usage-list',
  'simservs.ngn.etsi.org',
  'org.openxcap.dialog-rules',
  'org.openmobilealliance.xcap-directory',
  'xcap-caps',
]);

/** The application usages that the server knows. A new one is a file in this folder and a line here. */
export function applicationUsages(collaborators: UsageCollaborators): readonly ApplicationUsage[] {
  const { documents, services, isUser, mayWatch = () => false, root, more = [] } = collaborators;
  const usages: ApplicationUsage[] = [
    resourceLists,
    rlsServices(services, isUser),
    presRules,
    omaPresRules,
    pidfManipulation,
    presContent(mayWatch),
    statusIcon(mayWatch),
    userProfile,
    groupUsageList,
    simservs,
    dialogRules,
    ...more,
  ];
  usages.push(xcapDirectory(usages.slice(), { documents, root }));
  return [...usages, xcapCaps(usages)];
}
