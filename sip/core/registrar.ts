import type { TimerWheel } from '../transport/timer-wheel.ts';
import type { Flow } from '../transport/transport.ts';
import type { UserDirectory } from './authenticator.ts';
import type { Logger } from './log.ts';
import type { RequestHandler } from './router.ts';
import type { StateStore } from './state-store.ts';

export interface Binding {
  /** Canonical address of record. */
  readonly aor: string;
  /** The Contact URI as written. */
  readonly contact: string;
  /** Contact parameters as written, `expires` and `q` among them not. */
  readonly params: Readonly<Record<string, string | null>>;
  /** 0 to 1. */
  readonly q: number;
  readonly instance: string | undefined;
  readonly callId: string;
  readonly cseq: number;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  readonly userAgent: string | undefined;
  /** The connection it came over, while that is open; UDP too. Not persisted. */
  readonly flow: Flow | undefined;
}

export interface RegistrarOptions {
  readonly users: UserDirectory;
  readonly stateStore: StateStore;
  readonly wheel: TimerWheel;
  readonly log?: Logger;
  /** Seconds. Defaults 60, 3600, 86400. */
  readonly minExpires?: number;
  readonly defaultExpires?: number;
  readonly maxExpires?: number;
  /** Default 20. */
  readonly maxContacts?: number;
}

/** The location service of the served domains (RFC 3261 10.3). Restores its bindings from the store when made. */
export declare class Registrar {
  constructor(options: RegistrarOptions);
  /** For `router.handle('REGISTER', ...)`. */
  readonly handler: RequestHandler;
  /** Live bindings of a canonical address, best q first. */
  bindings(aor: string): readonly Binding[];
  /** Called after the bindings of an address have changed (registered, refreshed, removed, expired). */
  onChange(listener: (aor: string) => void): void;
}
