/** The event packages whose state is published, besides presence: each with its compositor. */
import type { UserDirectory } from '../core/authenticator.ts';
import type { StateStore } from '../core/state-store.ts';
import { type CompositorOptions, EventStateCompositor, type PublicationFormat } from '../events/event-state-compositor.ts';
import type { Notifier } from '../events/notifier.ts';
import { type Mailboxes, mailboxes } from './mailboxes.ts';
import { messageSummaryFormat, messageSummaryPackage } from './message-summary.ts';
import type { PublishedPackage } from './published-package.ts';

export interface PublishedStatesOptions {
  readonly users: UserDirectory;
  readonly notifier: Notifier;
  readonly state: StateStore;
  readonly compositor: CompositorOptions;
}

export interface PublishedStates {
  /** One per event that can be published. */
  readonly compositors: readonly Compositor[];
  readonly mailboxes: Mailboxes;
}

/** What the node does with a compositor, whatever its documents are. */
export type Compositor = Pick<EventStateCompositor<never>, 'eventName' | 'contentTypes' | 'publish' | 'restore' | 'usersChanged'>;

/** Makes the packages and registers them with the notifier. */
export function publishedStates({ users, notifier, state, compositor }: PublishedStatesOptions): PublishedStates {
  const compositors: Compositor[] = [];
  const publish = <Document, State>(
    format: PublicationFormat<Document>,
    make: (compositor: EventStateCompositor<Document>) => PublishedPackage<State>,
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

  const summaries = publish(messageSummaryFormat, (of) => messageSummaryPackage(users, of));
  return { compositors, mailboxes: mailboxes(summaries, state) };
}
