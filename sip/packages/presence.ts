/** Event package presence (RFC 3856): what a user has published or keeps as hard state, as far as the user's rules let the watcher see it. */
import {
  CPIM_PIDF_TYPE,
  PIDF_TYPE,
  type PresenceComponent,
  type PresenceDocument,
  parsePidf,
  summariseTuple,
  writeClosedPidf,
  writeCpimPidf,
  writePidf,
} from '../../schemas/pidf.ts';
import type { Permissions } from '../../schemas/pres-rules.ts';
import { decodeUtf8 } from '../../schemas/xml/parse.ts';
import type { UserDirectory } from '../core/authenticator.ts';
import type { Body, EventPackage } from '../events/event-package.ts';
import type { EventStateCompositor, PublicationFormat } from '../events/event-state-compositor.ts';
import { SipError } from '../message/sip-error.ts';
import { compose, sphereOf } from '../presence/composition.ts';
import type { HardState } from '../presence/hard-state.ts';
import type { PresenceDecision, PresencePolicy } from '../presence/policy.ts';
import { transformComponent } from '../presence/transformations.ts';

export const presenceFormat: PublicationFormat<PresenceDocument> = {
  eventName: 'presence',
  contentTypes: [PIDF_TYPE, CPIM_PIDF_TYPE],
  parse: (body) => parsePidf(decodeUtf8(body)),
};

/** A user's presence at one moment, with the bodies made of it so far. */
export interface PresenceState {
  readonly entity: string;
  readonly components: readonly PresenceComponent[];
  readonly sphere: string | undefined;
  /** By content type and view. */
  readonly bodies: Map<string, Body>;
}

export interface PresencePackageOptions {
  readonly users: UserDirectory;
  readonly policy: PresencePolicy;
  readonly hardState: HardState;
  readonly compositor: EventStateCompositor<PresenceDocument>;
  /** Told of each user whose presence, or who may see it, may have changed. */
  readonly changed?: (user: string) => void;
}

/** States kept beyond those of users who have published something. */
const STATE_LIMIT = 10_000;
const BODY_LIMIT = 100;

export function presencePackage({ users, policy, hardState, compositor, changed }: PresencePackageOptions): EventPackage<
  PresenceState,
  PresenceDecision
> & {
  /** To be told when what the user has published changed, before anybody is notified. */
  forget(resource: string): void;
} {
  const states = new Map<string, PresenceState>();
  /** Put off while most states are of users who have published: each change makes one of them anew. */
  let sweepAt = STATE_LIMIT;
  const sweep = (): void => {
    for (const user of states.keys()) if (!compositor.hasPublications(user)) states.delete(user);
    sweepAt = STATE_LIMIT + 2 * states.size;
  };
  const stateOf = (resource: string): PresenceState => {
    let state = states.get(resource);
    if (state) return state;
    const hard = hardState.document(resource);
    // RFC 4827 3: hard state is one more source, the oldest of all, so that whatever an agent says goes before it.
    const documents = hard ? [...compositor.documents(resource), hard] : compositor.documents(resource);
    const components = documents.length === 0 ? parsePidf(writeClosedPidf(resource)).components : compose(documents);
    state = { entity: resource, components, sphere: sphereOf(documents), bodies: new Map() };
    if (states.size >= sweepAt) sweep();
    states.set(resource, state);
    return state;
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
    // RFC 3856 6.4: 3600 seconds when nothing else is asked for.
    expires: { min: 0, default: 3600, max: 86_400 },
    watcherinfo: true,
    bodiesAreWhole: true,
    ready,
    ...(changed && { changed }),
    authorize(watcher, resource, now) {
      if (!users.hasUser(resource)) throw new SipError(404, 'No such user');
      return policy.decide(resource, watcher, stateOf(resource).sphere, now);
    },
    explain(watcher, resource, now) {
      if (!users.hasUser(resource)) throw new SipError(404, 'No such user');
      return policy.explain(resource, watcher, stateOf(resource).sphere, now);
    },
    state: stateOf,
    render(state, decision, { watch }) {
      const key = `${watch.contentType} ${decision.view}`;
      let body = state.bodies.get(key);
      if (!body) {
        body = renderBody(state, decision, watch.contentType);
        if (state.bodies.size >= BODY_LIMIT) state.bodies.clear();
        state.bodies.set(key, body);
      }
      return body;
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

function renderBody({ entity, components }: PresenceState, { handling, permissions }: PresenceDecision, contentType: string): Body {
  const cpim = contentType === CPIM_PIDF_TYPE;
  let text: string;
  if (handling !== 'allow') {
    // RFC 5025 3.2.1: the politely blocked see somebody who is not there, always the same.
    const closed = parsePidf(writeClosedPidf(entity)).components.map(summariseTuple);
    text = cpim ? writeCpimPidf(entity, closed) : writeClosedPidf(entity);
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
