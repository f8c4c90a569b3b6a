/** The resource list server: which event packages there are lists of, and what a SUBSCRIBE asks for a list. */
import type { RequestHandler } from '../core/router.ts';
import type { EventPackage } from '../events/event-package.ts';
import type { Notifier } from '../events/notifier.ts';
import type { SipRequest } from '../message/message.ts';
import { SipError } from '../message/sip-error.ts';
import { type BackEndPoolOptions, BackEndSubscriptions, type RemoteMembers } from './back-end-subscriptions.ts';
import { broughtListKey, broughtListPackage, type ListPackageOptions, listKey, listPackage } from './list-package.ts';
import { BROUGHT_LIST_TAG, bringsList } from './list-terms.ts';
import type { ListDirectory } from './resolved-list.ts';

/** Event packages of which there are lists. */
const LISTABLE = ['presence', 'dialog', 'message-summary'];

export interface ListSettings {
  /** Least time between two notifications of changes in one list subscription, in milliseconds. */
  readonly interval: number;
  /** Bytes that the states in one notification may take. */
  readonly bodyRoom: number;
  readonly remoteMembers: RemoteMembers;
}

export interface ResourceListOptions extends Pick<ListPackageOptions, 'notifier' | 'now' | 'servesDomain' | 'isUser'> {
  readonly directory: ListDirectory;
  readonly notifier: Notifier;
  readonly settings: ListSettings;
  /** For members of other domains. */
  readonly backEnd: Omit<BackEndPoolOptions, 'remoteMembers'>;
}

export interface ResourceLists {
  /**
   * The package of lists, where the resource (canonical address) is one or the request brings one; undefined for any other resource.
   * @throws SipError 489 for a list of what there are no lists of, 420 where the request may not bring one
   */
  packageFor(asked: EventPackage, resource: string, request: SipRequest): EventPackage | undefined;
  /** Takes the NOTIFYs about members of other domains. */
  readonly notifyHandler: RequestHandler;
  /** Number of subscriptions to members elsewhere. */
  readonly backEndSubscriptions: number;
}

/** Registers the packages of lists with the notifier, which has those of their members already. */
export function resourceLists(options: ResourceListOptions): ResourceLists {
  const { directory, notifier, settings, isUser } = options;
  const remote = new BackEndSubscriptions({ ...options.backEnd, remoteMembers: settings.remoteMembers });
  const listOptions: ListPackageOptions = {
    ...options,
    ...settings,
    openRemote({ watcher, contentType }, base, { uri, canonical }, filter, changed) {
      // A body that tells changes alone could not be told again to who asks for all.
      if (!base.bodiesAreWhole || !canonical.startsWith('sip:')) return undefined;
      const target = /^sips:/i.test(uri) ? canonical.replace(/^sip:/, 'sips:') : canonical;
      return remote.open({ event: base.name, contentType, uri: target, watcher, expires: base.expires.default, filter }, changed);
    },
  };
  for (const name of LISTABLE) {
    const base = notifier.packageNamed(name);
    if (!base) continue;
    notifier.register(listPackage(base, listOptions));
    notifier.register(broughtListPackage(base, listOptions));
  }
  return {
    notifyHandler: (context) => remote.handle(context),
    get backEndSubscriptions() {
      return remote.size;
    },
    packageFor(asked, resource, request) {
      const brought = bringsList(request);
      const isService = directory.find(resource) !== undefined;
      const found = notifier.packageNamed(brought ? broughtListKey(asked) : listKey(asked));
      if (!found) {
        // Other packages may have a use of their own for a list in the body.
        if (brought !== 'required' && !isService) return undefined;
        throw new SipError(489, 'There are no lists for this event package', [['Allow-Events', LISTABLE.join(', ')]]);
      }
      if (!brought) return isService ? found : undefined;
      if (!isUser(resource)) return found;
      if (brought !== 'required') return undefined;
      throw new SipError(420, 'Lists are to be brought to the server, not to a user', [['Unsupported', BROUGHT_LIST_TAG]]);
    },
  };
}
