/** Mailboxes as an admin sees them: counts that stay until they are changed, beside those that messaging systems publish. */
import { MESSAGE_SUMMARY_TYPE, type MessageSummary, writeMessageSummary } from '../../schemas/message-summary.ts';
import type { StateStore } from '../core/state-store.ts';
import type { EventStateCompositor } from '../events/event-state-compositor.ts';
import { composeSummaries } from './message-summary.ts';

export interface Mailboxes {
  /** What the owner (canonical address) of the mailbox is told. */
  summary(owner: string): MessageSummary;
  /** Sets the admin's counts; resolves once they would survive the death of the process. */
  set(owner: string, summary: MessageSummary): Promise<void>;
  /** Forgets the admin's counts; resolves with false when there were none. */
  clear(owner: string): Promise<boolean>;
}

export function mailboxes(compositor: EventStateCompositor<MessageSummary>, state: StateStore): Mailboxes {
  const committed = (): Promise<void> => new Promise((resolve) => state.afterCommit(resolve));
  return {
    summary: (owner) => composeSummaries(compositor.documents(owner)),
    set(owner, summary) {
      compositor.hold(owner, MESSAGE_SUMMARY_TYPE, Buffer.from(writeMessageSummary(summary), 'utf8'));
      return committed();
    },
    async clear(owner) {
      const was = compositor.release(owner);
      await committed();
      return was;
    },
  };
}
