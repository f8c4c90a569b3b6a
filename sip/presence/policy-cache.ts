/** Users whose compiled policy is kept; the least recently compiled go first. */
const POLICY_LIMIT = 50_000;

/** What users' documents were compiled into, kept until one of the documents changes. */
export class PolicyCache<P> {
  private readonly policies = new Map<string, P>();
  /** Raised for a user by every change, so that a load that was under way is not kept. */
  private readonly generations = new Map<string, number>();
  private readonly loading = new Map<string, Promise<void>>();
  private readonly compile: (user: string) => P | Promise<P>;

  /** `compile` reads a user's documents and makes the policy of them: at once where it can. */
  constructor(compile: (user: string) => P | Promise<P>) {
    this.compile = compile;
  }

  get(user: string): P | undefined {
    return this.policies.get(user);
  }

  /** Loads and compiles the user's policy; undefined when it is in memory. */
  ready(user: string): Promise<void> | undefined {
    if (this.policies.has(user)) return undefined;
    let loading = this.loading.get(user);
    if (!loading) {
      const policy = this.tryToCompile(user);
      if (!(policy instanceof Promise)) {
        this.keep(user, policy);
        return undefined;
      }
      loading = this.load(user, policy).finally(() => this.loading.delete(user));
      this.loading.set(user, loading);
    }
    return loading;
  }

  /** To be told when one of the user's documents has changed: the policy is compiled anew when it is asked for. */
  forget(user: string): void {
    this.policies.delete(user);
    if (this.loading.has(user)) this.generations.set(user, (this.generations.get(user) ?? 0) + 1);
  }

  /** Fails only where it is waited for: whoever asks has more to wait for. */
  private tryToCompile(user: string): P | Promise<P> {
    try {
      return this.compile(user);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  private async load(user: string, first: Promise<P>): Promise<void> {
    let compiled = first;
    for (;;) {
      const generation = this.generations.get(user);
      const policy = await compiled;
      if (this.generations.get(user) === generation) {
        this.generations.delete(user);
        this.keep(user, policy);
        return;
      }
      compiled = Promise.resolve(this.compile(user));
    }
  }

  private keep(user: string, policy: P): void {
    if (this.policies.size >= POLICY_LIMIT) {
      const [oldest] = this.policies.keys();
      if (oldest !== undefined) this.policies.delete(oldest);
    }
    this.policies.set(user, policy);
  }
}
