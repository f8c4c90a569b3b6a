import type { Call } from '../core/call-service.ts';
import { CallFacts, type FactSources } from './call-facts.ts';
import type { CallPolicies, CallPolicy } from './call-policy.ts';

export interface ServedUsersOptions extends FactSources {
  readonly policies: CallPolicies;
}

/** The users whose calls are served, with what they have set and what their rules ask. */
export class ServedUsers {
  private readonly options: ServedUsersOptions;

  constructor(options: ServedUsersOptions) {
    this.options = options;
  }

  isServed(address: string): boolean {
    return this.options.isUser(address);
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

  /** Of a call that goes to the URI. */
  facts(call: Call, servedUser: string, called = call.uri): CallFacts {
    return new CallFacts(call, called, servedUser, this.options);
  }

  private presenceReady(user: string): Promise<void> | undefined {
    return this.options.policies.get(user)?.asksPresence ? this.options.presence.ready(user) : undefined;
  }
}
