import type { UserDirectory } from '../core/authenticator.ts';
import type { Call } from '../core/call-service.ts';
import { CallFacts, type ServedUserPresence } from './call-facts.ts';
import type { CallPolicies, CallPolicy } from './call-policy.ts';

export interface ServedUsersOptions {
  readonly users: UserDirectory;
  readonly policies: CallPolicies;
  readonly presence: ServedUserPresence;
  /** Digits of numbers at home, '' when not known. */
  readonly countryCode: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** The users whose calls are served, with what they have set and what their rules ask. */
export class ServedUsers {
  private readonly options: ServedUsersOptions;

  constructor(options: ServedUsersOptions) {
    this.options = options;
  }

  isServed(address: string): boolean {
    return this.options.users.hasUser(address);
  }

  /** Loads what rules of the user need; undefined when it is in memory. */
  ready(user: string): Promise<void> | undefined {
    const { policies } = this.options;
    const loading = policies.ready(user);
    return loading ? loading.then(() => this.presenceReady(user)) : this.presenceReady(user);
  }

  /** What the user has set; undefined while that is not in memory, or when the user has changed it since. */
  policy(user: string): CallPolicy | undefined {
    return this.options.policies.get(user);
  }

  facts(call: Call, servedUser: string): CallFacts {
    const { presence, countryCode, now } = this.options;
    return new CallFacts(call, servedUser, presence, countryCode, now());
  }

  private presenceReady(user: string): Promise<void> | undefined {
    return this.options.policies.get(user)?.asksPresence ? this.options.presence.ready(user) : undefined;
  }
}
