import type { ApplicationUsage } from '../application-usage.ts';
import { presRules } from './pres-rules.ts';
import { resourceLists } from './resource-lists.ts';
import { rlsServices } from './rls-services.ts';
import type { ServiceIndex } from './rls-services-index.ts';
import { xcapCaps } from './xcap-caps.ts';

export interface UsageCollaborators {
  readonly services: ServiceIndex;
  /** Whether a canonical address is a user's, and so cannot be a service's; no address is without it. */
  readonly isUser?: (address: string) => boolean;
}

/** The application usages that the server knows. A new one is a file in this folder and a line here. */
export function applicationUsages({ services, isUser }: UsageCollaborators): readonly ApplicationUsage[] {
  const usages = [resourceLists, rlsServices(services, isUser), presRules];
  return [...usages, xcapCaps(usages)];
}
