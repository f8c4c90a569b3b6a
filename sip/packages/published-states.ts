/** The event packages whose state is published, besides presence: each with its compositor. */
import type { DocumentStore } from '../../xcap/document-store.ts';
import type { UserDirectory } from '../core/authenticator.ts';
import type { Logger } from '../core/log.ts';
import type { StateStore } from '../core/state-store.ts';
import type { Decision } from '../events/event-package.ts';
import { type CompositorOptions, EventStateCompositor, type PublicationFormat } from '../events/event-state-compositor.ts';
import type { Notifier } from '../events/notifier.ts';
import { PresencePolicy } from '../presence/policy.ts';
import type { ListMembers } from '../presence/referred-lists.ts';
import { conferenceFormat, conferencePackage } from './conference.ts';
import { DIALOG_RULES, dialogFormat, dialogPackage } from './dialog.ts';
import { type Mailboxes, mailboxes } from './mailboxes.ts';
import { messageSummaryFormat, messageSummaryPackage } from './message-summary.ts';
import { ObservedDialogs } from './observed-dialogs.ts';
import { type WatcherinfoOptions, watcherinfoPackages } from './presence-winfo.ts';
import type { PublishedPackage } from './published-package.ts';
import { StoredDialogs } from './stored-dialogs.ts';

export interface PublishedStatesOptions {
  readonly users: UserDirectory;
  readonly notifier: Notifier;
  readonly state: StateStore;
  readonly documents: DocumentStore;
  readonly membersOf: ListMembers;
  readonly compositor: CompositorOptions;
  /** Least milliseconds between two NOTIFYs of watcher information in one subscription. */
  readonly watcherinfo: WatcherinfoOptions;
  readonly log: Logger;
}

export interface PublishedStates {
  /** One per event that can be published. */
  readonly compositors: readonly Compositor[];
  readonly mailboxes: Mailboxes;
  /** To be told of the calls that the proxy forwards. */
  readonly calls: ObservedDialogs;
}

/** What the node does with a compositor, whatever its documents are. */
export type Compositor = Pick<EventStateCompositor<never>, 'eventName' | 'contentTypes' | 'publish' | 'restore' | 'usersChanged' | 'size'>;

/** Makes the packages and registers them with the notifier. */
export function publishedStates(options: PublishedStatesOptions): PublishedStates {
  const { users, notifier, state, documents, membersOf, compositor, watcherinfo, log } = options;
  const compositors: Compositor[] = [];
  const publish = <Document, State, D extends Decision>(
    format: PublicationFormat<Document>,
    make: (compositor: EventStateCompositor<Document>) => PublishedPackage<State, D>,
  ): EventStateCompositor<Document> => {
    const made = new EventStateCompositor(format, compositor);
    const eventPackage = make(made);
    made.onChange((resource) => {
      eventPackage.forget(resource);
      notifier.stateChanged(eventPackage.key, resource);
    });
    notifier.register(eventPackage);
    compositors.push(made);
    return made;
  };

  const policy = new PresencePolicy(documents, 'block', membersOf, DIALOG_RULES, log);
  const { wheel, hasUser, now } = compositor;
  const stored = new StoredDialogs({ state, wheel, now });
  const calls = new ObservedDialogs({ wheel, stored, now, hasUser, changed: (user) => changed(user) });
  let changed: (user: string) => void = () => {};
  publish(dialogFormat, (of) => {
    const dialogs = dialogPackage({ users, policy, compositor: of, observed: (user) => calls.of(user) });
    changed = (user) => {
      dialogs.forget(user);
      notifier.stateChanged(dialogs.key, user);
    };
    for (const each of watcherinfoPackages(dialogs, watcherinfo)) notifier.register(each);
    return dialogs;
  });
  publish(conferenceFormat, (of) => conferencePackage(users, of));
  const summaries = publish(messageSummaryFormat, (of) => messageSummaryPackage(users, of));
  return { compositors, calls, mailboxes: mailboxes(summaries, state) };
}
