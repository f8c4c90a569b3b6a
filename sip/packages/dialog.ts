/** Event package dialog (RFC 4235): a user's calls, whole to the user's own agents, as one bit to others whom the user's dialog rules let in. */
import {
  DIALOG_INFO_TYPE,
  type DialogEntry,
  type DialogInfo,
  parseDialogInfo,
  withDialogId,
  writeDialogInfo,
} from '../../schemas/dialog-info.ts';
import { escapeAttribute } from '../../schemas/xml/escape.ts';
import { decodeUtf8 } from '../../schemas/xml/parse.ts';
import type { UserDirectory } from '../core/authenticator.ts';
import type { Body, Decision, Watch } from '../events/event-package.ts';
import type { EventStateCompositor, PublicationFormat } from '../events/event-state-compositor.ts';
import { SipError } from '../message/sip-error.ts';
import type { PresenceDecision, PresencePolicy, RuleSource } from '../presence/policy.ts';
import { type DialogTerms, isAskedFor, readDialogTerms } from './dialog-terms.ts';
import type { PublishedPackage } from './published-package.ts';
import { StateCache } from './state-cache.ts';

export const dialogFormat: PublicationFormat<DialogInfo> = {
  eventName: 'dialog',
  contentTypes: [DIALOG_INFO_TYPE],
  parse: (body) => parseDialogInfo(decodeUtf8(body)),
  modify(before, body) {
    const change = parseDialogInfo(decodeUtf8(body));
    const { entity } = change;
    const dialogs = change.state === 'full' ? change.dialogs : mergeDialogs([change.dialogs, before.dialogs], (entry) => entry.id);
    const text = writeDialogInfo(
      0,
      'full',
      entity,
      dialogs.map((entry) => entry.text),
    );
    return { document: { entity, state: 'full', dialogs }, text };
  },
};

/** Where users say who may watch their dialogs. */
export const DIALOG_RULES: RuleSource = { auids: ['org.openxcap.dialog-rules'], actions: 'http://openxcap.org/ns/dialog-rules' };

/** What a watcher sees: all that is known, whether there is a call (RFC 4235 3.7.2, 6.3), or a user who never has one. */
type Sight = 'whole' | 'minimal' | 'nothing';

export interface DialogDecision extends Decision {
  readonly sees: Sight;
}

const ADMIN: DialogDecision = { handling: 'allow', view: 'whole', sees: 'whole', because: 'an admin' };

export interface DialogPackageOptions {
  readonly users: UserDirectory;
  /** Over `DIALOG_RULES`. */
  readonly policy: PresencePolicy;
  readonly compositor: EventStateCompositor<DialogInfo>;
  /** Calls that the proxy has seen pass, newest first. */
  readonly observed?: (user: string) => readonly DialogEntry[];
}

/** RFC 4235 3.10: no more often than once a second, in milliseconds. */
const INTERVAL = 1000;
/** Bytes of the dialogs in one NOTIFY; the newest are told. */
const BODY_ROOM = 48 * 1024;
const BUSY = '<dialog id="call"><state>confirmed</state></dialog>';

export function dialogPackage({
  users,
  policy,
  compositor,
  observed,
}: DialogPackageOptions): PublishedPackage<readonly DialogEntry[], DialogDecision> {
  const states = new StateCache((resource) =>
    composeDialogs(
      compositor.documents(resource).map(({ dialogs }) => dialogs),
      observed?.(resource) ?? [],
    ),
  );
  const decisions = new WeakMap<PresenceDecision, DialogDecision>();
  return {
    name: 'dialog',
    key: 'dialog',
    contentTypes: [DIALOG_INFO_TYPE],
    // RFC 4235 3.4: an hour for all dialogs of a user.
    expires: { min: 0, default: 3600, max: 86_400 },
    watcherinfo: true,
    interval: INTERVAL,
    readTerms: readDialogTerms,
    ready: (resource) => (users.hasUser(resource) ? policy.ready(resource) : undefined),
    authorize(watcher, resource, now, aliases) {
      if (!users.hasUser(resource)) throw new SipError(404, 'No such user');
      if (watcher !== resource && users.isAdmin(watcher)) return ADMIN;
      const decided = policy.decide(resource, watcher, undefined, now, aliases);
      let decision = decisions.get(decided);
      if (!decision) {
        decision = { ...decided, sees: sightOf(decided) };
        decisions.set(decided, decision);
      }
      return decision;
    },
    explain(watcher, resource, now, aliases) {
      if (!users.hasUser(resource)) throw new SipError(404, 'No such user');
      return policy.explain(resource, watcher, undefined, now, aliases);
    },
    state: (resource) => states.get(resource),
    render(dialogs, { sees }, { watch, full, version }) {
      const terms = (watch.terms ?? {}) as DialogTerms;
      if (sees !== 'whole') return renderMinimal(sees === 'minimal' && !terms.dialog ? dialogs : [], watch, full, version);
      // RFC 4235 4.1.6.3: what the calls are about is for the user's own agents.
      const sessions = terms.sessions === true && watch.watcher === watch.resource;
      const visible = dialogs.filter((entry) => isAskedFor(entry, terms));
      return renderWhole(visible, sessions, watch, full, version);
    },
    *affectedBy(change) {
      const user = policy.changed(change);
      if (user !== undefined) yield user;
    },
    forget: (resource) => states.forget(resource),
  };
}

function sightOf({ handling, permissions }: PresenceDecision): Sight {
  if (handling !== 'allow') return 'nothing';
  return permissions.provideAllAttributes ? 'whole' : 'minimal';
}

/** The dialogs of all agents, the newest word on each first, and of the others that were seen to pass; ids are unique. */
export function composeDialogs(newestFirst: readonly (readonly DialogEntry[])[], observed: readonly DialogEntry[]): DialogEntry[] {
  const published = mergeDialogs(newestFirst, ({ id, callId, localTag, remoteTag }) =>
    JSON.stringify(callId === undefined ? [id] : [callId, localTag, remoteTag]),
  );
  const known = new Set(published.map(({ callId }) => callId));
  const dialogs: DialogEntry[] = [];
  const ids = new Set<string>();
  let room = BODY_ROOM;
  for (const entry of [...published, ...observed.filter(({ callId }) => !known.has(callId))]) {
    room -= entry.text.length;
    if (room < 0) break;
    // RFC 4235 4.1.1 has an id unique at one agent; here it must be among all of them.
    let id = entry.id;
    for (let n = 2; ids.has(id); n++) id = `${entry.id}.${n}`;
    ids.add(id);
    dialogs.push(id === entry.id ? entry : withDialogId(entry, id));
  }
  return dialogs;
}

function mergeDialogs(newestFirst: readonly (readonly DialogEntry[])[], keyOf: (entry: DialogEntry) => string): DialogEntry[] {
  const merged = new Map<string, DialogEntry>();
  for (const dialogs of newestFirst) {
    for (const entry of dialogs) if (!merged.has(keyOf(entry))) merged.set(keyOf(entry), entry);
  }
  return [...merged.values()];
}

/** RFC 4235 3.7.2: one virtual dialog while there is any, with nothing about whom or how many. Always the whole of it. */
function renderMinimal(dialogs: readonly DialogEntry[], watch: Watch, full: boolean, version: number): Body | undefined {
  const busy = dialogs.some(({ state }) => state !== 'terminated');
  if (!full && watch.memo === busy) return undefined;
  watch.memo = busy;
  return body(writeDialogInfo(version, 'full', watch.resource, busy ? [BUSY] : []));
}

/** Text of each dialog that the watcher has been told, by id; '' once it has been told that it is over. */
type Told = Map<string, string>;

function renderWhole(dialogs: readonly DialogEntry[], sessions: boolean, watch: Watch, full: boolean, version: number): Body | undefined {
  const before: Told | undefined = !full && watch.memo instanceof Map ? watch.memo : undefined;
  const told: Told = new Map();
  const texts: string[] = [];
  for (const entry of dialogs) {
    const text = sessions ? entry.text : entry.textWithoutSessions;
    const isOver = entry.state === 'terminated';
    told.set(entry.id, isOver ? '' : text);
    // Full state has no dialogs that are over; and an end is told once.
    if (before ? before.get(entry.id) !== (isOver ? '' : text) : !isOver) texts.push(text);
  }
  for (const [id, text] of before ?? []) {
    if (text !== '' && !told.has(id)) texts.push(`<dialog id="${escapeAttribute(id)}"><state>terminated</state></dialog>`);
  }
  watch.memo = told;
  if (before && texts.length === 0) return undefined;
  return body(writeDialogInfo(version, before ? 'partial' : 'full', watch.resource, texts));
}

function body(text: string): Body {
  return { contentType: DIALOG_INFO_TYPE, bytes: Buffer.from(text, 'utf8') };
}
