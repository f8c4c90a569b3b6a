/** Event package presence (RFC 3856): what a user has published or keeps as hard state, as far as the user's rules let the watcher see it. */
import {
  CLOSED_TUPLE,
  CPIM_PIDF_TYPE,
  PIDF_TYPE,
  type PresenceComponent,
  type PresenceDocument,
  parsePidf,
  readComponent,
} from '../../schemas/pidf.ts';
import { PIDF_DIFF_TYPE } from '../../schemas/pidf-diff.ts';
import { decodeUtf8 } from '../../schemas/xml/parse.ts';
import type { UserDirectory } from '../core/authenticator.ts';
import type { EventPackage } from '../events/event-package.ts';
import type { EventStateCompositor, PublicationFormat } from '../events/event-state-compositor.ts';
import { SipError } from '../message/sip-error.ts';
import { compose, sphereOf } from '../presence/composition.ts';
import type { HardState } from '../presence/hard-state.ts';
import type { PresenceSource } from '../presence/occurrence.ts';
import type { PresenceDecision, PresencePolicy } from '../presence/policy.ts';
import type { Timer, TimerWheel } from '../transport/timer-wheel.ts';
import { PresenceView } from './presence-view.ts';

export const presenceFormat: PublicationFormat<PresenceDocument> = {
  eventName: 'presence',
  contentTypes: [PIDF_TYPE, CPIM_PIDF_TYPE],
  parse: (body) => parsePidf(decodeUtf8(body)),
};

/** A user's presence at one moment, and what has been made of it for watchers so far, by their views. */
export interface PresenceState {
  readonly components: readonly PresenceComponent[];
  readonly sphere: string | undefined;
  /** When it becomes another one by itself, in milliseconds since the epoch; infinity if never. */
  readonly changesAt: number;
  readonly views: Map<string, PresenceView>;
}

/** What a watcher of partial presence has been told. */
interface Told {
  readonly version: number;
  /** Undefined when it is not known what the watcher has. */
  readonly view: PresenceView | undefined;
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
const VIEW_LIMIT = 100;
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
  const stateOf = (resource: string): PresenceState => {
    let state = states.get(resource);
    if (state && (state.changesAt === Number.POSITIVE_INFINITY || now() < state.changesAt)) return state;
    const at = now();
    const sources: PresenceSource[] = [...compositor.published(resource)];
    const other = sources.length === 0 ? unpublished?.(resource) : undefined;
    if (other) sources.push({ document: other, publishedAt: at });
    const hard = hardState.document(resource);
    if (hard) sources.push({ document: hard, publishedAt: undefined });
    if (sources.length === 0) state = { components: CLOSED, sphere: undefined, changesAt: Number.POSITIVE_INFINITY, views: new Map() };
    else {
      const { components, changesAt } = compose(sources, resource, at);
      state = { components, sphere: sphereOf(components, at), changesAt, views: new Map() };
    }
    follow(resource, state.changesAt, at);
    if (states.size >= sweepAt) sweep();
    states.set(resource, state);
    return state;
  };
  const viewOf = (resource: string, { views, components }: PresenceState, decision: PresenceDecision): PresenceView => {
    let view = views.get(decision.view);
    if (!view) {
      view = new PresenceView(resource, components, decision);
      if (views.size >= VIEW_LIMIT) views.clear();
      views.set(decision.view, view);
    }
    return view;
  };
  const ready = (resource: string): Promise<void> | undefined => {
    // Names that are nobody's must not drive out the rules of those who are somebody.
    if (!users.hasUser(resource)) return undefined;
    const rules = policy.ready(resource);
    const state = hardState.ready(resource);
    if (!rules && !state) return undefined;
    // The one may have changed while the other was read.
    return Promise.all([rules, state]).then(() => ready(resource));
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
    authorize(watcher, resource, now) {
      if (!users.hasUser(resource)) throw new SipError(404, 'No such user');
      return policy.decide(resource, watcher, stateOf(resource).sphere, now);
    },
    state: stateOf,
    render(state, decision, { watch, full, version }) {
      const view = viewOf(watch.resource, state, decision);
      if (watch.contentType !== PIDF_DIFF_TYPE) return view.body(watch.contentType);
      const told = watch.memo as Told | undefined;
      // RFC 5263 4.4: from 1 on; who was told in an earlier run knows some number below this.
      const next = told ? told.version + 1 : watch.restored ? version + 1 : 1;
      const known = full ? undefined : told?.view;
      if (told && known?.content === view.content) {
        watch.memo = { version: told.version, view } satisfies Told;
        return undefined;
      }
      watch.memo = { version: next, view } satisfies Told;
      return view.partial(next, known);
    },
    entityTag(watch) {
      if (watch.contentType !== PIDF_DIFF_TYPE) return undefined;
      const { resource, watcher } = watch;
      const state = stateOf(resource);
      return viewOf(resource, state, policy.decide(resource, watcher, state.sphere, now())).entityTag;
    },
    settled(watch) {
      const told = watch.memo as Told | undefined;
      if (told) watch.memo = { version: told.version, view: undefined } satisfies Told;
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

const CLOSED: readonly PresenceComponent[] = [readComponent(CLOSED_TUPLE.text, [])];
