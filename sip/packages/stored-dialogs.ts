/** The calls that go on, as they outlive the process: what passes by our Route after a restart ends them as ever. */
import type { StateStore, StateTable } from '../core/state-store.ts';
import type { Timer, TimerWheel } from '../transport/timer-wheel.ts';

export interface StoredParty {
  readonly uri: string;
  readonly displayName?: string | undefined;
  readonly target?: string | undefined;
}

/** A confirmed dialog of a user. Plain JSON. */
export interface StoredDialog {
  readonly callId: string;
  readonly fromTag: string;
  readonly toTag?: string | undefined;
  readonly from: StoredParty;
  readonly to: StoredParty;
  readonly caller?: string | undefined;
  readonly callee?: string | undefined;
  readonly user: string;
  readonly direction: 'initiator' | 'recipient';
  readonly answeredAt?: string | undefined;
  /** When it was confirmed, in milliseconds since 1970. */
  readonly since: number;
}

export interface StoredDialogsOptions {
  readonly state: StateStore;
  readonly wheel: TimerWheel;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** How often it is written down that we are there, while there are calls; in milliseconds. */
const BEAT = 10_000;
/** RFC 3261 17.1.2.2: for so long a BYE that found nobody is sent again. Of what ended in a longer absence nothing will ever be heard. */
const LONGEST_ABSENCE = BEAT + 32_000;
const BEAT_ID = 'there';

export class StoredDialogs {
  private readonly options: StoredDialogsOptions;
  private readonly table: StateTable<StoredDialog>;
  private readonly beats: StateTable<{ readonly at: number }>;
  private readonly ids = new Set<string>();
  private timer: Timer | undefined;

  constructor(options: StoredDialogsOptions) {
    this.options = options;
    this.table = options.state.table('observed-dialogs');
    this.beats = options.state.table('observed-dialogs-beat');
  }

  /** Those of the run before, by their identifiers, the oldest first; none where that is too long ago. To be called once, at first. */
  load(): readonly (readonly [id: string, dialog: StoredDialog])[] {
    const found = [...this.table.load()];
    const [beat] = [...this.beats.load()].map(([, { at }]) => at);
    if (beat !== undefined && this.options.now() - beat <= LONGEST_ABSENCE) {
      for (const [id] of found) this.ids.add(id);
      this.beat();
      return found.sort(([, one], [, other]) => one.since - other.since);
    }
    for (const [id] of found) this.table.delete(id);
    return [];
  }

  put(id: string, dialog: StoredDialog): void {
    this.table.put(id, dialog);
    this.ids.add(id);
    if (this.timer === undefined) this.beat();
  }

  /** Does nothing where there is none. */
  delete(id: string): void {
    if (this.ids.delete(id)) this.table.delete(id);
  }

  private beat(): void {
    this.timer = undefined;
    if (this.ids.size === 0) return;
    const { wheel, now } = this.options;
    this.beats.put(BEAT_ID, { at: now() });
    this.timer = wheel.schedule(BEAT, (stored: StoredDialogs) => stored.beat(), this);
  }
}
