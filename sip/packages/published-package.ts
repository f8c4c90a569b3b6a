/** An event package whose state is what has been published. */
import type { Decision, EventPackage } from '../events/event-package.ts';

export interface PublishedPackage<State, D extends Decision = Decision> extends EventPackage<State, D> {
  /** To be told when what is published for the resource has changed, before anybody is notified. */
  forget(resource: string): void;
}
