import { setImmediate } from 'node:timers/promises';
import { addressHost, canonicalAddress } from '../../schemas/address.ts';
import { SipError } from '../message/sip-error.ts';
import { keepAliveSeconds } from '../transport/flow.ts';
import type { Timer, TimerWheel } from '../transport/timer-wheel.ts';
import type { Destination, Flow } from '../transport/transport.ts';
import type { UserDirectory } from './authenticator.ts';
import {
  type Binding,
  type BindingEnd,
  type EndedBinding,
  formatBinding,
  isCovered,
  isReachable,
  restoredBinding,
  type StoredBinding,
  storedBinding,
  storedWithSpare,
} from './binding.ts';
import { type Logger, silentLogger } from './log.ts';
import { isFirstHop, supports } from './outbound.ts';
import { type BindingLimits, type Update, updateBindings } from './registration.ts';
import type { HeaderField } from './respond.ts';
import type { RequestContext, RequestHandler } from './router.ts';
import type { StateStore, StateTable } from './state-store.ts';

export type { Binding, BindingEnd, EndedBinding } from './binding.ts';

export interface RegistrarOptions {
  readonly users: UserDirectory;
  readonly stateStore: StateStore;
  readonly wheel: TimerWheel;
  readonly log?: Logger | undefined;
  /** Seconds. Defaults 60, 3600, 86400. */
  readonly minExpires?: number | undefined;
  readonly defaultExpires?: number | undefined;
  readonly maxExpires?: number | undefined;
  /** Contacts of one address of record. Default 20. */
  readonly maxContacts?: number | undefined;
  /** Milliseconds since 1970; the system's clock by default. */
  readonly now?: (() => number) | undefined;
}

/** Told of an address whose bindings have changed, with those that are no more. */
export type RegistrationListener = (aor: string, ended: readonly EndedBinding[]) => void;

interface Registration {
  bindings: readonly Binding[];
  /** Runs out with the first of them, or before. */
  readonly timer: Timer;
  /** When the timer runs out, in milliseconds since 1970. */
  wakesAt: number;
  /** Until when each of them is bound as far as the store knows. */
  storedUntil: readonly number[];
}

/** Accounts that are looked at in one turn of the event loop. */
const USERS_AT_ONCE = 500;
const NONE: readonly Binding[] = [];

/** The location service of the served domains (RFC 3261 10.3). Takes up the bindings of an earlier run when made. */
export class Registrar {
  /** For `router.handle('REGISTER', ...)`. */
  readonly handler: RequestHandler = (context) => this.register(context);
  private readonly users: UserDirectory;
  private readonly stateStore: StateStore;
  private readonly table: StateTable<readonly StoredBinding[]>;
  private readonly wheel: TimerWheel;
  private readonly log: Logger;
  private readonly limits: BindingLimits;
  private readonly now: () => number;
  private readonly registrations = new Map<string, Registration>();
  /** The addresses that have bindings over each connection. */
  private readonly overConnection = new Map<Flow, Set<string>>();
  /** Where the datagrams came from, of bindings of an earlier run that have not been given a flow yet. */
  private sources = new Map<string, Destination>();
  private readonly listeners: RegistrationListener[] = [];
  private readonly expireBindings = (aor: string): void => this.expire(aor);
  private revisions = 0;
  private stopping = false;

  constructor(options: RegistrarOptions) {
    this.users = options.users;
    this.stateStore = options.stateStore;
    this.wheel = options.wheel;
    this.log = options.log ?? silentLogger;
    this.now = options.now ?? Date.now;
    this.limits = {
      minExpires: options.minExpires ?? 60,
      defaultExpires: options.defaultExpires ?? 3600,
      maxExpires: options.maxExpires ?? 86_400,
      maxContacts: options.maxContacts ?? 20,
    };
    this.table = options.stateStore.table('bindings');
    this.restore();
  }

  /** Users with bindings, and connections that bindings came over. */
  get counts(): Readonly<Record<'registeredUsers' | 'registrantConnections', number>> {
    return { registeredUsers: this.registrations.size, registrantConnections: this.overConnection.size };
  }

  /** The highest revision of any binding so far. */
  get revision(): number {
    return this.revisions;
  }

  /** Bindings of a canonical address to which there is a way, best q first, then the newest. */
  bindings(aor: string): readonly Binding[] {
    const usable = this.registered(aor).filter(isReachable);
    return usable.length < 2 ? usable : usable.reverse().sort((a, b) => b.q - a.q);
  }

  /** All live bindings of a canonical address, in the order in which they were last registered. */
  registered(aor: string): readonly Binding[] {
    return live(this.registrations.get(aor)?.bindings ?? NONE, this.now());
  }

  /** Called after the bindings of an address have changed: registered, refreshed, removed or expired. */
  onChange(listener: RegistrationListener): void {
    this.listeners.push(listener);
  }

  /** Ends the bindings of an address, those that `of` names or all, otherwise than by a REGISTER. */
  end(aor: string, event: BindingEnd, of: (binding: Binding) => boolean = () => true): void {
    const current = this.registrations.get(aor)?.bindings ?? NONE;
    const ended = current.filter(of);
    if (ended.length === 0) return;
    const left = current.filter((binding) => !ended.includes(binding));
    const [revision, at] = [++this.revisions, this.now()];
    this.replace(
      aor,
      left,
      ended.map((binding) => ({ binding, event, revision, at })),
    );
  }

  /** Lets no binding of an address last longer than so many seconds, so that its agents register, and prove who they are, again (RFC 3680 3.1). */
  shorten(aor: string, seconds: number, of: (binding: Binding) => boolean = () => true): void {
    const until = this.now() + seconds * 1000;
    const current = this.registered(aor);
    const tooLong = (binding: Binding): boolean => binding.expiresAt > until && of(binding);
    if (!current.some(tooLong)) return;
    const revision = ++this.revisions;
    const shortened = current.map(
      (binding): Binding => (tooLong(binding) ? { ...binding, expiresAt: until, event: 'shortened', revision } : binding),
    );
    this.replace(aor, shortened, []);
  }

  /**
   * To be told when accounts have changed: the bindings of users who are gone go too, and those made with an earlier password last no longer
   * than the least that may be asked for, so that their agents prove who they are again (RFC 3680 3.1). Takes its time.
   */
  async usersChanged(): Promise<void> {
    let seen = 0;
    for (const aor of [...this.registrations.keys()]) {
      if (++seen % USERS_AT_ONCE === 0) await setImmediate();
      if (!this.users.hasUser(aor)) this.end(aor, 'rejected');
      else {
        const changedAt = this.users.passwordChangedAt?.(aor) ?? 0;
        this.shorten(aor, this.limits.minExpires, ({ updatedAt }) => updatedAt < changedAt);
      }
    }
  }

  /** Gives the bindings of an earlier run their way back, now that there are sockets. */
  reconnect(flowTo: (source: Destination) => Flow | undefined): void {
    const { sources } = this;
    this.sources = new Map();
    for (const registration of this.registrations.values()) {
      registration.bindings = registration.bindings.map((binding) => {
        const source = binding.flow === undefined ? sources.get(sourceKey(binding)) : undefined;
        return source === undefined ? binding : { ...binding, flow: flowTo(source) };
      });
    }
  }

  /** From now on connections end because the process does, and their bindings stay for the next run, which is told what they are exactly. */
  stop(): void {
    this.stopping = true;
    for (const [aor, { bindings, storedUntil }] of this.registrations) {
      const exact = bindings.every(({ expiresAt }, i) => expiresAt === storedUntil[i]);
      if (!exact) this.table.put(aor, bindings.map(storedBinding));
    }
  }

  private register(context: RequestContext): void {
    const { request, flow } = context;
    const aor = canonicalAddress(request.to.uri);
    if (context.identity !== aor && !context.isAdmin) throw new SipError(403, 'Registrations of another user are not yours to change');
    const host = addressHost(aor);
    if (host === undefined || !this.users.servesDomain(host) || !this.users.hasUser(aor)) throw new SipError(404, 'No such user here');
    const now = this.now();
    const current = live(this.registrations.get(aor)?.bindings ?? NONE, now);
    const isDirect = context.identity === aor && isFirstHop(request);
    const update = updateBindings(
      current,
      request,
      {
        aor,
        flow: isDirect ? flow : undefined,
        now,
        trusted: context.identitySource === 'peer',
        revision: this.revisions + 1,
      },
      this.limits,
    );
    if (update.bindings !== current) {
      const revision = ++this.revisions;
      const gone = current.filter(({ id }) => !update.bindings.some((binding) => binding.id === id));
      this.replace(
        aor,
        update.bindings,
        gone.map((binding) => ({ binding, event: 'unregistered', revision, at: now })),
      );
      if (isDirect && flow.reliable) this.watch(flow, aor);
    }
    // The client must not believe in a registration that a crash could take back.
    this.stateStore.afterCommit(() => context.respond(200, { headers: this.answer(context, update, isDirect) }));
  }

  private answer({ request, flow }: RequestContext, { bindings, outbound, path }: Update, isDirect: boolean): readonly HeaderField[] {
    const now = this.now();
    const headers = bindings.map((binding): HeaderField => ['Contact', formatBinding(binding, now)]);
    headers.push(['Date', httpDate(now)]);
    for (const value of path) headers.push(['Path', value]);
    if (outbound && supports(request, 'outbound')) {
      headers.push(['Require', 'outbound']);
      if (isDirect) {
        const seconds = keepAliveSeconds(flow.protocol);
        headers.push(['Flow-Timer', String(seconds)]);
        flow.expectKeepAlives(seconds);
      }
    }
    return headers;
  }

  private watch(flow: Flow, aor: string): void {
    const known = this.overConnection.get(flow);
    if (known !== undefined) {
      known.add(aor);
      return;
    }
    const addresses = new Set([aor]);
    this.overConnection.set(flow, addresses);
    flow.onClose(() => {
      this.overConnection.delete(flow);
      if (!this.stopping) for (const address of addresses) this.lose(flow, address);
    });
  }

  /** RFC 5626 7: the bindings of a connection that has ended are void; RFC 3261's are still to be reached at their contact. */
  private lose(flow: Flow, aor: string): void {
    const registration = this.registrations.get(aor);
    if (registration === undefined) return;
    registration.bindings = registration.bindings.map((binding) =>
      binding.flow === flow && (binding.regId === undefined || binding.path.length > 0) ? { ...binding, flow: undefined } : binding,
    );
    this.end(aor, 'deactivated', (binding) => binding.flow === flow);
  }

  private replace(aor: string, bindings: readonly Binding[], ended: readonly EndedBinding[]): void {
    const before = this.registrations.get(aor);
    const covered = before === undefined ? undefined : storedUntil(before, bindings);
    if (covered !== undefined) this.hold(aor, bindings, covered);
    else {
      const records = bindings.map(storedWithSpare);
      this.hold(
        aor,
        bindings,
        records.map(({ expiresAt }) => expiresAt),
      );
      if (records.length === 0) this.table.delete(aor);
      else this.table.put(aor, records);
    }
    for (const listener of this.listeners) {
      try {
        listener(aor, ended);
      } catch (error) {
        this.log.error({ err: error, aor }, 'listener to registrations failed');
      }
    }
  }

  private hold(aor: string, bindings: readonly Binding[], storedUntil: readonly number[]): void {
    const registration = this.registrations.get(aor);
    if (bindings.length === 0) {
      if (registration !== undefined) this.wheel.cancel(registration.timer);
      this.registrations.delete(aor);
      return;
    }
    let first = Number.POSITIVE_INFINITY;
    for (const { expiresAt } of bindings) if (expiresAt < first) first = expiresAt;
    const now = this.now();
    const delay = Math.max(0, first - now);
    if (registration === undefined) {
      const timer = this.wheel.schedule(delay, this.expireBindings, aor);
      this.registrations.set(aor, { bindings, timer, wakesAt: first, storedUntil });
      return;
    }
    registration.bindings = bindings;
    registration.storedUntil = storedUntil;
    // One that runs out too early is set anew then: once in a while, and not with every refresh.
    if (first >= registration.wakesAt && registration.wakesAt > now) return;
    this.wheel.reschedule(registration.timer, delay);
    registration.wakesAt = first;
  }

  private expire(aor: string): void {
    const registration = this.registrations.get(aor);
    if (registration === undefined) return;
    const { bindings } = registration;
    const now = this.now();
    registration.wakesAt = now;
    if (live(bindings, now) === bindings) this.hold(aor, bindings, registration.storedUntil);
    else this.end(aor, 'expired', ({ expiresAt }) => expiresAt <= now);
  }

  private restore(): void {
    const now = this.now();
    for (const [aor, records] of this.table.load()) {
      // Before paths were kept, parameters were no text.
      const kept = records.filter(({ expiresAt, params }) => expiresAt > now && typeof params === 'string');
      const bindings = kept.map((record) => restoredBinding(aor, record));
      for (const [i, binding] of bindings.entries()) {
        const source = kept[i]?.source;
        if (source !== undefined) this.sources.set(sourceKey(binding), source);
      }
      const until = kept.map(({ expiresAt }) => expiresAt);
      this.hold(aor, bindings, until);
      if (kept.length === 0) this.table.delete(aor);
      else if (kept.length < records.length) this.table.put(aor, kept);
    }
  }
}

/**
 * Until when each of the bindings is stored, if the store need not hear of what has become of them: a refresh that the record has spare time
 * for is the usual case, and to write each would cost more than all the rest.
 */
function storedUntil(before: Registration, bindings: readonly Binding[]): readonly number[] | undefined {
  if (bindings.length !== before.bindings.length) return undefined;
  const until: number[] = [];
  for (const binding of bindings) {
    const i = bindings.length === 1 ? 0 : before.bindings.findIndex(({ id }) => id === binding.id);
    const [known, stored] = [before.bindings[i], before.storedUntil[i]];
    if (known === undefined || stored === undefined || !isCovered(binding, known, stored)) return undefined;
    until.push(stored);
  }
  return until;
}

function sourceKey({ aor, id }: Binding): string {
  return `${aor} ${id}`;
}

/** Those whose time is not over; the list itself when that is all. */
function live(bindings: readonly Binding[], now: number): readonly Binding[] {
  return bindings.every(({ expiresAt }) => expiresAt > now) ? bindings : bindings.filter(({ expiresAt }) => expiresAt > now);
}

let dateSecond = -1;
let dateText = '';

/** The Date of a response (RFC 3261 20.17); written once a second. */
function httpDate(now: number): string {
  const second = Math.floor(now / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = new Date(now).toUTCString();
  }
  return dateText;
}
