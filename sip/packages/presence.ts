/** Event package presence (RFC 3856): what a user has published or keeps as hard state, as far as the user's rules let the watcher see it. */
import {
  CLOSED_TUPLE,
  CPIM_PIDF_TYPE,
  PIDF_TYPE,
  PRESENCE,
  type PresenceComponent,
  type PresenceDocument,
  parsePidf,
  readComponent,
  summariseTuple,
  writeClosedPidf,
  writeCpimPidf,
  writePidf,
} from '../../schemas/pidf.ts';
import { PIDF_DIFF_TYPE, parsePidfDiff } from '../../schemas/pidf-diff.ts';
import type { Permissions } from '../../schemas/pres-rules.ts';
import { fitsInRound, turn } from '../../schemas/turns.ts';
import { decodeUtf8 } from '../../schemas/xml/parse.ts';
import type { UserDirectory } from '../core/authenticator.ts';
import type { Body, EventPackage } from '../events/event-package.ts';
import type { EventStateCompositor, PublicationFormat } from '../events/event-state-compositor.ts';
import { SipError } from '../message/sip-error.ts';
import { type Composition, compose, sphereOf } from '../presence/composition.ts';
import type { HardState } from '../presence/hard-state.ts';
import type { PresenceSource } from '../presence/occurrence.ts';
import type { PresenceDecision, PresencePolicy } from '../presence/policy.ts';
import { transformComponent } from '../presence/transformations.ts';
import type { Timer, TimerWheel } from '../transport/timer-wheel.ts';
import { forgetTold, partialBody } from './partial-presence.ts';

export const presenceFormat: PublicationFormat<PresenceDocument> = {
  eventName: 'presence',
  contentTypes: [PIDF_TYPE, CPIM_PIDF_TYPE, PIDF_DIFF_TYPE],
  parse: (body, contentType) => parsePresence(body, contentType, undefined),
  modify(before, change, contentType) {
    const document = parsePresence(change, contentType, before);
    // It is kept whole, as what it is now.
    return { document, text: document.text, contentType: document.rootName === PRESENCE ? PIDF_TYPE : PIDF_DIFF_TYPE };
  },
};

function parsePresence(body: Buffer, contentType: string, before: PresenceDocument | undefined): PresenceDocument {
  const text = decodeUtf8(body);
  return contentType === PIDF_DIFF_TYPE ? parsePidfDiff(text, before) : parsePidf(text);
}

/** A user's presence at one moment, with the bodies made of it so far. */
export interface PresenceState {
  readonly entity: string;
  readonly components: readonly PresenceComponent[];
  readonly sphere: string | undefined;
  /** When it becomes another one by itself, in milliseconds since the epoch; infinity if never. */
  readonly changesAt: number;
  /** By view: these are the decisions' own strings, hashed once for all. */
  readonly bodies: Map<string, ViewBodies>;
}

/** What those are told who see the same. */
interface ViewBodies {
  pidf: Body | undefined;
  cpim: Body | undefined;
}

export interface PresencePackageOptions {
  readonly users: UserDirectory;
  readonly policy: PresencePolicy;
  readonly hardState: HardState;
  readonly compositor: EventStateCompositor<PresenceDocument>;
  readonly wheel: TimerWheel;
  /** Least milliseconds between two NOTIFYs of changes in one subscription. */
  readonly interval: number;
  readonly now: () => number;
  /** What is known of a user who publishes nothing. */
  readonly unpublished?: (user: string) => PresenceDocument | undefined;
  /** To be told that a user's presence has become another one by itself. */
  readonly moved: (user: string) => void;
  /** Told of each user whose presence, or who may see it, may have changed. */
  readonly changed?: (user: string) => void;
}

/** States kept beyond those of users who have published something. */
const STATE_LIMIT = 10_000;
const BODY_LIMIT = 100;
/** Bytes that are composed at once, however many such users there are. */
const LIGHT = 8192;
/** Milliseconds; keeps timers within what the wheel can hold. */
const LONGEST_WAIT = 24 * 3600_000;

export function presencePackage(options: PresencePackageOptions): EventPackage<PresenceState, PresenceDecision> & {
  /** To be told when what the user has published changed, before anybody is notified. */
  forget(resource: string): void;
} {
  const { users, policy, hardState, compositor, wheel, now, unpublished, moved, changed } = options;
  const states = new Map<string, PresenceState>();
  const timers = new Map<string, Timer>();
  /** Put off while most states are of users who have published: each change makes one of them anew. */
  let sweepAt = STATE_LIMIT;
  const sweep = (): void => {
    for (const user of states.keys()) if (!compositor.hasPublications(user)) states.delete(user);
    sweepAt = STATE_LIMIT + 2 * states.size;
  };
  const passed = (user: string): void => {
    timers.delete(user);
    states.delete(user);
    moved(user);
  };
  /** RFC 4480 3.1, RFC 4481: what is over leaves at its moment. */
  const follow = (user: string, changesAt: number, at: number): void => {
    const timer = timers.get(user);
    if (changesAt === Number.POSITIVE_INFINITY) {
      if (timer) wheel.cancel(timer);
      timers.delete(user);
      return;
    }
    const delay = Math.min(changesAt - at, LONGEST_WAIT);
    if (timer) wheel.reschedule(timer, delay);
    else timers.set(user, wheel.schedule(delay, passed, user));
  };
  const known = (resource: string): PresenceState | undefined => {
    const state = states.get(resource);
    return state && (state.changesAt === Number.POSITIVE_INFINITY || now() < state.changesAt) ? state : undefined;
  };
  const stateOf = (resource: string): PresenceState => {
    let state = known(resource);
    if (state) return state;
    const at = now();
    const sources: PresenceSource[] = [...compositor.published(resource)];
    const other = sources.length === 0 ? unpublished?.(resource) : undefined;
    if (other) sources.push({ document: other, publishedAt: at });
    const hard = hardState.document(resource);
    if (hard) sources.push({ document: hard, publishedAt: undefined });
    const { components, changesAt } = sources.length === 0 ? NOTHING : compose(sources, resource, at);
    const sphere = sphereOf(
      sources.map(({ document }) => document),
      at,
    );
    state = { entity: resource, components, sphere, changesAt, bodies: new Map() };
    follow(resource, state.changesAt, at);
    if (states.size >= sweepAt) sweep();
    states.set(resource, state);
    return state;
  };
  const ready = (resource: string): Promise<void> | undefined => {
    // Names that are nobody's must not drive out the rules of those who are somebody.
    if (!users.hasUser(resource)) return undefined;
    const rules = policy.ready(resource);
    const state = hardState.ready(resource);
    if (!rules && !state) return composed(resource);
    // The one may have changed while the other was read.
    return Promise.all([rules, state]).then(() => ready(resource));
  };
  /** Composes what takes long when it is its turn: very many such users may be asked for at once. */
  const composed = (resource: string): Promise<void> | undefined => {
    const bytes = compositor.bytesOf(resource) + (hardState.document(resource)?.text.length ?? 0);
    if (bytes <= LIGHT || known(resource) || fitsInRound(bytes)) return undefined;
    // Meanwhile something may have changed, and have to be read first.
    return turn().then(() => (policy.ready(resource) || hardState.ready(resource) ? ready(resource) : void stateOf(resource)));
  };
  return {
    name: 'presence',
    key: 'presence',
    contentTypes: [PIDF_TYPE, CPIM_PIDF_TYPE],
    partialContentType: PIDF_DIFF_TYPE,
    // RFC 3856 6.4: 3600 seconds when nothing else is asked for.
    expires: { min: 0, default: 3600, max: 86_400 },
    watcherinfo: true,
    bodiesAreWhole: true,
    filtering: {},
    ...(options.interval > 0 ? { interval: options.interval } : {}),
    ready,
    ...(changed && { changed }),
    authorize(watcher, resource, now, aliases) {
      if (!users.hasUser(resource)) throw new SipError(404, 'No such user');
      return policy.decide(resource, watcher, stateOf(resource).sphere, now, aliases);
    },
    explain(watcher, resource, now, aliases) {
      if (!users.hasUser(resource)) throw new SipError(404, 'No such user');
      return policy.explain(resource, watcher, stateOf(resource).sphere, now, aliases);
    },
    state: stateOf,
    render(state, decision, { watch }) {
      let bodies = state.bodies.get(decision.view);
      if (!bodies) {
        bodies = { pidf: undefined, cpim: undefined };
        if (state.bodies.size >= BODY_LIMIT) state.bodies.clear();
        state.bodies.set(decision.view, bodies);
      }
      if (watch.contentType === CPIM_PIDF_TYPE) return (bodies.cpim ??= renderBody(state, decision, CPIM_PIDF_TYPE));
      return (bodies.pidf ??= renderBody(state, decision, PIDF_TYPE));
    },
    encode: (body, request) => (request.watch.contentType === PIDF_DIFF_TYPE ? partialBody(body, request) : body),
    settled(watch) {
      if (watch.contentType === PIDF_DIFF_TYPE) forgetTold(watch);
    },
    *affectedBy(change) {
      const presentity = policy.changed(change);
      if (presentity !== undefined) yield presentity;
      const published = hardState.changed(change);
      if (published === undefined) return;
      states.delete(published);
      yield published;
    },
    forget: (resource) => states.delete(resource),
  };
}

const CLOSED = readComponent(CLOSED_TUPLE.text, []);
const NOTHING: Composition = { components: [CLOSED], changesAt: Number.POSITIVE_INFINITY };

function renderBody({ entity, components }: PresenceState, { handling, permissions }: PresenceDecision, contentType: string): Body {
  const cpim = contentType === CPIM_PIDF_TYPE;
  let text: string;
  if (handling !== 'allow') {
    // RFC 5025 3.2.1: the politely blocked see somebody who is not there, always the same.
    text = cpim ? writeCpimPidf(entity, [summariseTuple(CLOSED)]) : writeClosedPidf(entity);
  } else if (cpim) {
    const tuples = components.filter((c) => c.kind === 'tuple' && transformComponent(c, permissions) !== undefined).map(summariseTuple);
    text = writeCpimPidf(entity, permissions.provideNote || permissions.provideAllAttributes ? tuples : tuples.map(withoutNotes));
  } else text = writePidf(entity, visible(components, permissions));
  return { contentType, bytes: Buffer.from(text, 'utf8') };
}

function* visible(components: readonly PresenceComponent[], permissions: Permissions) {
  for (const component of components) {
    const text = transformComponent(component, permissions);
    if (text !== undefined) yield { kind: component.kind, text };
  }
}

function withoutNotes(tuple: ReturnType<typeof summariseTuple>): ReturnType<typeof summariseTuple> {
  return { ...tuple, notes: [] };
}
