import { addressHost } from '../../schemas/address.ts';
import type { DocumentChange, DocumentStore } from '../../xcap/document-store.ts';
import type { CallService } from '../core/call-service.ts';
import type { Logger } from '../core/log.ts';
import type { ListMembers } from '../presence/referred-lists.ts';
import { CommunicationBarring } from './barring.ts';
import type { FactSources } from './call-facts.ts';
import { CallPolicies } from './call-policy.ts';
import { CommunicationDiversion } from './diversion.ts';
import { ServedUsers } from './served-users.ts';

/** What the admin sets for all calls. */
export interface CallSettings {
  /** Seconds until a call counts as not answered, for users who have not set it. */
  readonly noReplyTimeout: number;
  /** Diversions of one call. */
  readonly maxDiversions: number;
  /** Calls of one user that are diverted to other domains and not answered yet. */
  readonly maxDivertedAbroad: number;
  /** Digits of telephone numbers at home, without `+`; '' when not known. */
  readonly countryCode: string;
}

export interface CallServicesOptions extends Omit<FactSources, 'countryCode'> {
  readonly documents: DocumentStore;
  readonly membersOf: ListMembers;
  readonly log: Logger;
  servesDomain(host: string): boolean;
  /** Authentication is off. */
  readonly open: boolean;
  readonly settings: CallSettings;
}

/** The services that users set up by their simservs documents. */
export interface DocumentedServices {
  readonly barring: CallService;
  readonly diversion: CallService;
  /** To be told of every change of a document. */
  changed(change: DocumentChange): void;
}

export function documentedServices({
  documents,
  membersOf,
  log,
  settings,
  servesDomain,
  ...sources
}: CallServicesOptions): DocumentedServices {
  const policies = new CallPolicies(documents, membersOf, log);
  const users = new ServedUsers({ ...sources, policies, countryCode: settings.countryCode });
  const barring = new CommunicationBarring(users);
  const isAtHome = (address: string): boolean => servesDomain(addressHost(address) ?? '');
  const diversion = new CommunicationDiversion(users, barring, { ...settings, isAtHome });
  return { barring, diversion, changed: (change) => policies.changed(change) };
}
