import { CallAgent, type CallAgentOptions } from './call-agent.ts';
import { type InProcessServer, startServer, TEST_DOMAIN } from './server.ts';

/** A server with users, and telephones at it. */
export class CallStage {
  readonly server: InProcessServer;
  readonly #agents: CallAgent[] = [];

  private constructor(server: InProcessServer) {
    this.server = server;
  }

  /** Each user has its name for a password. */
  static async open(
    settings: Parameters<typeof startServer>[0] = {},
    users: readonly string[] = ['alice', 'bob', 'carol'],
  ): Promise<CallStage> {
    const server = await startServer(settings);
    if (settings?.auth !== 'none') for (const user of users) await server.addUser(user, user);
    return new CallStage(server);
  }

  /** A telephone of a user, which need not be one of this server. */
  async agent(user: string, options: Partial<CallAgentOptions> = {}): Promise<CallAgent> {
    const agent = await CallAgent.open({ user, domain: TEST_DOMAIN, server: this.server.sip, password: user, ...options });
    this.#agents.push(agent);
    return agent;
  }

  /** The same, with its contact bound. */
  async registered(user: string, options: Partial<CallAgentOptions> = {}, params = ''): Promise<CallAgent> {
    const agent = await this.agent(user, options);
    await agent.register(params);
    return agent;
  }

  /** Rejects when a telephone got what must not be sent. */
  async close(): Promise<void> {
    const closed = await Promise.allSettled(this.#agents.map((agent) => agent.close()));
    await this.server.stop();
    for (const one of closed) if (one.status === 'rejected') throw one.reason;
  }
}

export function within(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
