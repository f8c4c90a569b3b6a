/** Event package reg (RFC 3680): what is registered for an address, told to its user and to admins. */
import { hash } from 'node:crypto';
import { REGINFO_TYPE, type RegisteredContact, writeReginfo } from '../../schemas/reginfo.ts';
import type { UserDirectory } from '../core/authenticator.ts';
import type { Binding, EndedBinding } from '../core/binding.ts';
import type { Decision, EventPackage, Watch } from '../events/event-package.ts';
import { parseParams } from '../message/params.ts';
import { SipError } from '../message/sip-error.ts';
import { decodeText } from '../message/text.ts';

const OWNER: Decision = { handling: 'allow', view: 'all', because: 'their own registrations' };
const ADMIN: Decision = { handling: 'allow', view: 'all', because: 'an admin' };
const STRANGER: Decision = { handling: 'block', view: '', because: 'registrations are for the registered user alone' };

/** Contacts that are no more are kept until all watchers know; so many of one address. A watcher that missed more is told all anew. */
const ENDED_KEPT = 100;

export interface RegPackageOptions {
  readonly users: UserDirectory;
  /** What is bound to an address now, and the revision of all that has happened. */
  readonly registrar: { registered(aor: string): readonly Binding[]; readonly revision: number };
  readonly now: () => number;
  /** Least time between two notifications of one subscription, in milliseconds (RFC 3680 4.10 recommends 5 s). */
  readonly interval: number;
}

export interface RegPackage extends EventPackage<string, Decision> {
  /** To be told of contacts that are no more, before their address is said to have changed. */
  noteEnded(aor: string, ended: readonly EndedBinding[]): void;
}

/** What the watchers of an address may not know yet. */
interface History {
  readonly watches: Set<Watch>;
  ended: EndedBinding[];
  /** What ended up to this revision may have been forgotten. */
  forgottenUntil: number;
}

export function regPackage({ users, registrar, now, interval }: RegPackageOptions): RegPackage {
  const histories = new Map<string, History>();

  const forgetTold = (history: History): void => {
    if (history.ended.length === 0) return;
    let told = registrar.revision;
    for (const watch of history.watches) told = Math.min(told, revisionTold(watch));
    history.ended = history.ended.filter(({ revision }) => revision > told);
  };

  return {
    name: 'reg',
    key: 'reg',
    contentTypes: [REGINFO_TYPE],
    // RFC 3680 4.4: a little longer than registrations usually last.
    expires: { min: 0, default: 3761, max: 86_400 },
    watcherinfo: false,
    interval,
    authorize(watcher, resource) {
      // RFC 3680 4.6. Who may not ask does not learn whether there is such a user.
      if (watcher !== resource && !users.isAdmin(watcher)) return STRANGER;
      if (!users.hasUser(resource)) throw new SipError(404, 'No such user');
      return watcher === resource ? OWNER : ADMIN;
    },
    state: (resource) => resource,
    render(resource, _decision, { watch, full, version }) {
      const told = revisionTold(watch);
      const history = histories.get(resource);
      const whole = full || told < (history?.forgottenUntil ?? 0);
      const bindings = registrar.registered(resource);
      const active = whole ? bindings : bindings.filter(({ revision }) => revision > told);
      const ended = whole ? [] : (history?.ended.filter(({ revision }) => revision > told) ?? []);
      watch.memo = registrar.revision;
      if (history !== undefined) forgetTold(history);
      if (!whole && active.length + ended.length === 0) return undefined;
      const contacts = [...active.map((binding) => activeContact(binding, now())), ...ended.map(endedContact)];
      // RFC 3680 4.7.2: the way from terminated to init is never told; who is told everything anew finds it gone already.
      const state = bindings.length > 0 ? 'active' : whole ? 'init' : 'terminated';
      const id = hash('sha1', resource, 'hex').slice(0, 16);
      const text = writeReginfo({
        version,
        state: whole ? 'full' : 'partial',
        registrations: [{ aor: resource, id, state, contacts }],
      });
      return { contentType: REGINFO_TYPE, bytes: Buffer.from(text, 'utf8') };
    },
    opened(watch) {
      const history = histories.get(watch.resource) ?? { watches: new Set(), ended: [], forgottenUntil: 0 };
      history.watches.add(watch);
      histories.set(watch.resource, history);
    },
    closed(watch) {
      const history = histories.get(watch.resource);
      if (history === undefined) return;
      history.watches.delete(watch);
      if (history.watches.size === 0) histories.delete(watch.resource);
      else forgetTold(history);
    },
    noteEnded(aor, ended) {
      const history = ended.length > 0 ? histories.get(aor) : undefined;
      if (history === undefined) return;
      history.ended.push(...ended);
      for (const { revision } of history.ended.splice(0, Math.max(0, history.ended.length - ENDED_KEPT))) history.forgottenUntil = revision;
    },
  };
}

function revisionTold({ memo }: Watch): number {
  return typeof memo === 'number' ? memo : 0;
}

function activeContact(binding: Binding, now: number): RegisteredContact {
  const expires = Math.max(0, Math.ceil((binding.expiresAt - now) / 1000));
  return { ...contactOf(binding, now), state: 'active', event: binding.event, expires };
}

function endedContact({ binding, event, at }: EndedBinding): RegisteredContact {
  return { ...contactOf(binding, at), state: 'terminated', event, retryAfter: event === 'probation' ? PROBATION : undefined };
}

/** Seconds. */
const PROBATION = 600;
/** Those of RFC 3261 20.10, which have attributes of their own. */
const KNOWN_PARAMS: ReadonlySet<string> = new Set(['q', 'expires']);

function contactOf(
  { id, contact, params, displayName, since, callId, cseq }: Binding,
  at: number,
): Omit<RegisteredContact, 'state' | 'event'> {
  const all = parseParams(params);
  return {
    id,
    uri: decodeText(contact),
    displayName,
    durationRegistered: Math.max(0, Math.floor((at - since) / 1000)),
    q: all.get('q'),
    callId: decodeText(callId),
    cseq,
    unknownParams: [...all].filter(([name]) => !KNOWN_PARAMS.has(name)).map(([name, value]) => [name, decodeText(value ?? '')] as const),
  };
}
