/** What the notifier needs of the rest of the server. */
import type { StateStore } from '../core/state-store.ts';
import type { UserAgentClient } from '../core/uac.ts';
import type { WatchJudgeOptions } from './watch-judge.ts';

export interface NotifierOptions extends WatchJudgeOptions {
  readonly uac: UserAgentClient;
  readonly state: StateStore;
  /** Is the canonical address a user here? */
  readonly isUser: (address: string) => boolean;
  /** Least milliseconds between NOTIFYs that a watcher wants without a change (RFC 6446); 0: no bound. */
  readonly forcedInterval: number;
  /** How long a watch may be pending, in milliseconds. */
  readonly undecidedTime: number;
  /** Called behind each slice of the work, in which NOTIFYs may have been made. */
  readonly told?: () => void;
}
