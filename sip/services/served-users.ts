import type { Call } from '../core/call-service.ts';
import { CallFacts, type FactSources } from './call-facts.ts';
import type { CallPolicies, CallPolicy } from './call-policy.ts';

export interface ServedUsersOptions extends FactSources {
  /** Does nobody prove who they are? Then From is believed, here as elsewhere. */
  readonly open: boolean;
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

  /** The user of ours that the call is for. Names that are nobody's must not drive out what is known of those who are somebody. */
  calleeOf({ callee }: Call): string | undefined {
    return callee !== undefined && this.isServed(callee) ? callee : undefined;
  }

  /** Whether the caller is who the call says. */
  isVerified({ callerVerified }: Call): boolean {
    return callerVerified || this.options.open;
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
