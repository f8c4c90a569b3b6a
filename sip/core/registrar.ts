import { addressHost, canonicalAddress } from '../../schemas/address.ts';
import { SipError } from '../message/sip-error.ts';
import type { Timer, TimerWheel } from '../transport/timer-wheel.ts';
import type { UserDirectory } from './authenticator.ts';
import { type Binding, type BindingLimits, formatBinding, updateBindings } from './binding.ts';
import { type Logger, silentLogger } from './log.ts';
import type { RequestContext, RequestHandler } from './router.ts';
import type { StateStore, StateTable } from './state-store.ts';

export type { Binding } from './binding.ts';

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

/** A binding as it is kept: all of an address in one record, so that a REGISTER is kept whole or not at all. */
type StoredBinding = Omit<Binding, 'flow' | 'instance' | 'userAgent'> & {
  readonly instance: string | null;
  readonly userAgent: string | null;
};

interface Registration {
  readonly bindings: readonly Binding[];
  /** Runs out with the first of them. */
  readonly timer: Timer;
}

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
  private readonly listeners: ((aor: string) => void)[] = [];
  private readonly expireBindings = (aor: string): void => this.expire(aor);

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

  /** Live bindings of a canonical address, best q first, then the newest. */
  bindings(aor: string): readonly Binding[] {
    const now = this.now();
    const live = (this.registrations.get(aor)?.bindings ?? []).filter((binding) => binding.expiresAt > now);
    return live.reverse().sort((a, b) => b.q - a.q);
  }

  /** Called after the bindings of an address have changed: registered, refreshed, removed or expired. */
  onChange(listener: (aor: string) => void): void {
    this.listeners.push(listener);
  }

  private register(context: RequestContext): void {
    const { request, flow } = context;
    const aor = canonicalAddress(request.to.uri);
    if (context.identity !== aor && !context.isAdmin) throw new SipError(403, 'Registrations of another user are not yours to change');
    const host = addressHost(aor);
    if (host === undefined || !this.users.servesDomain(host) || !this.users.hasUser(aor)) throw new SipError(404, 'No such user here');
    const now = this.now();
    const current = (this.registrations.get(aor)?.bindings ?? []).filter((binding) => binding.expiresAt > now);
    const updated = updateBindings(current, request, aor, flow, now, this.limits);
    if (updated !== current) this.replace(aor, updated);
    // The client must not believe in a registration that a crash could take back.
    this.stateStore.afterCommit(() => {
      const headers = updated.map((binding): [string, string] => ['Contact', formatBinding(binding, this.now())]);
      context.respond(200, { headers: [...headers, ['Date', new Date(this.now()).toUTCString()]] });
    });
  }

  private replace(aor: string, bindings: readonly Binding[]): void {
    this.hold(aor, bindings);
    if (bindings.length === 0) this.table.delete(aor);
    else this.table.put(aor, bindings.map(stored));
    for (const listener of this.listeners) {
      try {
        listener(aor);
      } catch (error) {
        this.log.error({ err: error, aor }, 'listener to registrations failed');
      }
    }
  }

  private hold(aor: string, bindings: readonly Binding[]): void {
    const timer = this.registrations.get(aor)?.timer;
    if (bindings.length === 0) {
      if (timer !== undefined) this.wheel.cancel(timer);
      this.registrations.delete(aor);
      return;
    }
    const delay = Math.max(0, Math.min(...bindings.map((binding) => binding.expiresAt)) - this.now());
    if (timer !== undefined) this.wheel.reschedule(timer, delay);
    this.registrations.set(aor, { bindings, timer: timer ?? this.wheel.schedule(delay, this.expireBindings, aor) });
  }

  private expire(aor: string): void {
    const bindings = this.registrations.get(aor)?.bindings ?? [];
    const now = this.now();
    const live = bindings.filter((binding) => binding.expiresAt > now);
    if (live.length === bindings.length) this.hold(aor, bindings);
    else this.replace(aor, live);
  }

  private restore(): void {
    const now = this.now();
    for (const [aor, records] of this.table.load()) {
      const live = records.map(restored).filter((binding) => binding.expiresAt > now);
      if (live.length < records.length) this.replace(aor, live);
      else this.hold(aor, live);
    }
  }
}

function stored(binding: Binding): StoredBinding {
  const { flow: _, ...rest } = binding;
  return { ...rest, instance: binding.instance ?? null, userAgent: binding.userAgent ?? null };
}

function restored(record: StoredBinding): Binding {
  return { ...record, instance: record.instance ?? undefined, userAgent: record.userAgent ?? undefined, flow: undefined };
}
