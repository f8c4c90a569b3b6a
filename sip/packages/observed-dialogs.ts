/** The dialogs of our users as the proxy sees them pass: the state machine of RFC 4235 3.7.1, one for each user and To tag. */
import { type DialogEntry, type DialogEvent, type DialogState, makeDialogEntry } from '../../schemas/dialog-info.ts';
import type { CallObserver } from '../core/call-observer.ts';
import { randomHex } from '../message/identifiers.ts';
import type { SipMessage, SipRequest, SipResponse } from '../message/message.ts';
import { type NameAddr, parseNameAddr } from '../message/name-addr.ts';
import { detach } from '../message/text.ts';
import type { Timer, TimerWheel } from '../transport/timer-wheel.ts';
import type { StoredDialog, StoredDialogs, StoredParty } from './stored-dialogs.ts';

export interface ObservedDialogsOptions {
  readonly wheel: TimerWheel;
  readonly stored: StoredDialogs;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Is the canonical address a user here? */
  hasUser(address: string): boolean;
  /** A dialog of the user (canonical address) has come, changed or gone. */
  changed(user: string): void;
}

/** How long what is over is still told, so that watchers hear why; in milliseconds. */
const LINGER = 10_000;
/** A call whose end never passed here is given up after so long, in milliseconds. */
const LONGEST_CALL = 12 * 3600_000;
/** Dialogs that are followed for one user, and calls in all; of more nothing is told. */
const MAX_PER_USER = 50;
const MAX_CALLS = 50_000;

interface Call {
  readonly callId: string;
  readonly fromTag: string;
  readonly from: Party;
  readonly to: Party;
  readonly caller: string | undefined;
  /** Whom it is sent to at the moment. */
  callee: string | undefined;
  readonly dialogs: Set<ObservedDialog>;
}

interface Party {
  readonly uri: string;
  readonly displayName: string | undefined;
  target: string | undefined;
}

interface ObservedDialog {
  readonly call: Call;
  readonly user: string;
  readonly direction: 'initiator' | 'recipient';
  readonly id: string;
  toTag: string | undefined;
  /** Contact of the one who answered. */
  answeredAt: string | undefined;
  state: DialogState;
  event: DialogEvent | undefined;
  code: number | undefined;
  timer: Timer | undefined;
  /** When it was confirmed, in milliseconds since 1970. */
  since: number | undefined;
  /** Made when it is asked for, and again after a change. */
  entry: DialogEntry | undefined;
}

export class ObservedDialogs implements CallObserver {
  private readonly calls = new Map<string, Call>();
  private readonly byUser = new Map<string, Set<ObservedDialog>>();
  private readonly options: ObservedDialogsOptions;

  constructor(options: ObservedDialogsOptions) {
    this.options = options;
  }

  /** Calls that are followed, those included that have just ended. */
  get size(): number {
    return this.calls.size;
  }

  /** Those of the user, newest first. */
  of(user: string): DialogEntry[] {
    return [...(this.byUser.get(user) ?? [])].reverse().map((dialog) => (dialog.entry ??= entryOf(dialog)));
  }

  /** Takes up the calls that went on when the process before this one ended, before anybody is told of anything. */
  restore(): void {
    for (const [id, stored] of this.options.stored.load()) {
      const { callId, fromTag, from, to, caller, callee, user, direction, toTag, answeredAt, since } = stored;
      const left = since + LONGEST_CALL - this.options.now();
      const key = keyOf(callId, fromTag);
      const call = this.calls.get(key) ?? {
        callId,
        fromTag,
        from: partyAgain(from),
        to: partyAgain(to),
        caller,
        callee,
        dialogs: new Set(),
      };
      if (left <= 0 || !this.options.hasUser(user)) this.options.stored.delete(id);
      else if (this.add(call, user, direction, left, { id, toTag, answeredAt, since, state: 'confirmed' })) this.calls.set(key, call);
    }
  }

  inviteForwarded(invite: SipRequest, sender: string | undefined, callee: string | undefined): void {
    const caller = sender !== undefined && this.options.hasUser(sender) ? sender : undefined;
    const key = callKey(invite);
    let call = this.calls.get(key);
    if (!call) {
      if ((caller === undefined && callee === undefined) || this.calls.size >= MAX_CALLS) return;
      call = newCall(invite, caller);
      this.calls.set(key, call);
      if (caller !== undefined) this.begin(call, caller, 'initiator');
    }
    if (call.callee !== undefined && call.callee !== callee) {
      for (const dialog of call.dialogs) if (dialog.direction === 'recipient' && isOpen(dialog)) this.end(dialog, 'cancelled', undefined);
    }
    call.callee = callee;
    if (callee !== undefined) this.begin(call, callee, 'recipient');
    if (call.dialogs.size === 0) this.calls.delete(key);
  }

  inviteAnswered(invite: SipRequest, response: SipResponse): void {
    const call = this.calls.get(callKey(invite));
    if (!call) return;
    const { tag } = response.to;
    const state: DialogState = response.status >= 200 ? 'confirmed' : tag === undefined ? 'proceeding' : 'early';
    for (const direction of ['initiator', 'recipient'] as const) {
      const user = direction === 'initiator' ? call.caller : call.callee;
      const own = [...call.dialogs].filter((each) => each.direction === direction && each.user === user && each.state !== 'terminated');
      // RFC 4235 3.7.1: the first tag is that of the half-dialog, each other one makes a dialog of its own.
      const dialog = own.find((each) => each.toTag === tag) ?? own.find((each) => each.toTag === undefined && each.state !== 'confirmed');
      const found = dialog ?? (user === undefined || tag === undefined || own.length === 0 ? undefined : this.begin(call, user, direction));
      if (!found || rank(state) < rank(found.state)) continue;
      const target = contactOf(response);
      if (found.state === state && found.toTag === tag && found.answeredAt === target) continue;
      found.state = state;
      found.toTag ??= tag === undefined ? undefined : detach(tag);
      found.answeredAt = target ?? found.answeredAt;
      if (state === 'confirmed') {
        found.since ??= this.options.now();
        this.options.stored.put(found.id, storedDialog(found, found.since));
      }
      this.changed(found);
    }
  }

  inviteEnded(invite: SipRequest, status: number): void {
    const call = this.calls.get(callKey(invite));
    if (!call) return;
    const event = status < 300 || status === 487 ? 'cancelled' : status === 408 ? 'timeout' : 'rejected';
    for (const dialog of call.dialogs) if (isOpen(dialog)) this.end(dialog, event, status < 300 ? undefined : status);
  }

  byeForwarded(bye: SipRequest): void {
    const { callId, from, to } = bye;
    // Whoever sends it: the caller's tag is the one that began the call.
    for (const [fromTag, toTag] of [
      [from.tag, to.tag],
      [to.tag, from.tag],
    ]) {
      for (const dialog of this.calls.get(keyOf(callId, fromTag ?? ''))?.dialogs ?? []) {
        if (dialog.toTag !== toTag || dialog.state === 'terminated') continue;
        const localTag = dialog.direction === 'initiator' ? fromTag : toTag;
        this.end(dialog, from.tag === localTag ? 'local-bye' : 'remote-bye', undefined);
      }
    }
  }

  private begin(call: Call, user: string, direction: ObservedDialog['direction']): ObservedDialog | undefined {
    const unknown = { toTag: undefined, answeredAt: undefined, since: undefined };
    const dialog = this.add(call, user, direction, LONGEST_CALL, { id: randomHex(6), state: 'trying', ...unknown });
    if (dialog) this.changed(dialog);
    return dialog;
  }

  /** @param longest milliseconds after which it is given up */
  private add(
    call: Call,
    user: string,
    direction: ObservedDialog['direction'],
    longest: number,
    known: Pick<ObservedDialog, 'id' | 'state' | 'toTag' | 'answeredAt' | 'since'>,
  ): ObservedDialog | undefined {
    const own = this.byUser.get(user) ?? new Set();
    if (own.size >= MAX_PER_USER) return undefined;
    const dialog: ObservedDialog = {
      call,
      user,
      direction,
      ...known,
      event: undefined,
      code: undefined,
      timer: undefined,
      entry: undefined,
    };
    dialog.timer = this.options.wheel.schedule(longest, (d: ObservedDialog) => this.end(d, 'timeout', undefined), dialog);
    call.dialogs.add(dialog);
    this.byUser.set(user, own.add(dialog));
    return dialog;
  }

  private end(dialog: ObservedDialog, event: DialogEvent, code: number | undefined): void {
    dialog.state = 'terminated';
    dialog.event = event;
    dialog.code = code;
    this.options.stored.delete(dialog.id);
    if (dialog.timer) this.options.wheel.cancel(dialog.timer);
    dialog.timer = this.options.wheel.schedule(LINGER, (d: ObservedDialog) => this.forget(d), dialog);
    this.changed(dialog);
  }

  private forget(dialog: ObservedDialog): void {
    const { call, user } = dialog;
    call.dialogs.delete(dialog);
    if (call.dialogs.size === 0) this.calls.delete(keyOf(call.callId, call.fromTag));
    const own = this.byUser.get(user);
    own?.delete(dialog);
    if (own?.size === 0) this.byUser.delete(user);
    this.options.changed(user);
  }

  private changed(dialog: ObservedDialog): void {
    dialog.entry = undefined;
    this.options.changed(dialog.user);
  }
}

function newCall(invite: SipRequest, caller: string | undefined): Call {
  const from = partyOf(invite.from, contactOf(invite));
  const to = partyOf(invite.to, undefined);
  const fromTag = detach(invite.from.tag ?? '');
  return { callId: detach(invite.callId), fromTag, from, to, caller, callee: undefined, dialogs: new Set() };
}

function partyOf({ uri, displayName }: NameAddr, target: string | undefined): Party {
  return { uri: detach(uri), displayName: displayName === undefined ? undefined : detach(displayName), target };
}

function partyAgain({ uri, displayName, target }: StoredParty): Party {
  return { uri, displayName, target };
}

function storedDialog({ call, user, direction, toTag, answeredAt }: ObservedDialog, since: number): StoredDialog {
  const { callId, fromTag, from, to, caller, callee } = call;
  return { callId, fromTag, toTag, from, to, caller, callee, user, direction, answeredAt, since };
}

function contactOf(message: SipMessage): string | undefined {
  const contact = message.headers.get('Contact');
  if (contact === undefined) return undefined;
  try {
    return detach(parseNameAddr(contact).uri);
  } catch {
    // A Contact that cannot be read is the endpoints' affair.
    return undefined;
  }
}

function callKey(message: SipMessage): string {
  return keyOf(message.callId, message.from.tag ?? '');
}

/** A Call-ID has no spaces. */
function keyOf(callId: string, fromTag: string): string {
  return detach(`${callId} ${fromTag}`);
}

const ORDER: readonly DialogState[] = ['trying', 'proceeding', 'early', 'confirmed', 'terminated'];

function rank(state: DialogState): number {
  return ORDER.indexOf(state);
}

function isOpen({ state }: ObservedDialog): boolean {
  return state !== 'confirmed' && state !== 'terminated';
}

function entryOf({ call, user, direction, id, toTag, answeredAt, state, event, code }: ObservedDialog): DialogEntry {
  const { callId, fromTag, from } = call;
  const to = { ...call.to, target: answeredAt };
  const isCaller = direction === 'initiator';
  const [localTag, remoteTag] = isCaller ? [fromTag, toTag] : [toTag, fromTag];
  const local = isCaller ? from : { ...to, uri: user };
  return makeDialogEntry({ id, callId, localTag, remoteTag, direction, state, event, code, local, remote: isCaller ? to : from });
}
