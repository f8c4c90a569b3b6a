import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Config } from '../../server/config.ts';
import type { TestServer } from './server.ts';

export type WatchedQuestion =
  | { readonly ask: 'delay' | 'stop' }
  | { readonly ask: 'user'; readonly user: string; readonly password: string; readonly admin: boolean };

export interface WatchedAnswer extends Partial<Pick<TestServer, 'sip' | 'http' | 'root' | 'domain'>> {
  readonly delay?: number;
}

/** The whole server, compiled and in a process of its own: what is measured is the server alone, with the threads that only the compiled one has. */
export interface WatchedServer extends TestServer {
  /** The longest time in milliseconds that its event loop was held up since this was asked the last time. */
  longestDelay(): Promise<number>;
}

const PROCESS = fileURLToPath(new URL('../../dist/test/helpers/watched-process.js', import.meta.url));

/** Starts it on free ports, with nothing of its code having run but what starts it; needs a build. */
export async function startWatchedServer(settings: Partial<Config> = {}): Promise<WatchedServer> {
  if (!existsSync(PROCESS)) throw new Error(`${PROCESS} is missing: run "npm run build" first`);
  const child: ChildProcess = fork(PROCESS, [JSON.stringify(settings)]);
  const waiting: ((answer: WatchedAnswer) => void)[] = [];
  child.on('message', (message) => waiting.shift()?.(message as WatchedAnswer));
  const ended = once(child, 'exit').then((): never => {
    throw new Error('the watched server has ended');
  });
  ended.catch(() => undefined);
  const next = (): Promise<WatchedAnswer> => Promise.race([new Promise<WatchedAnswer>((resolve) => waiting.push(resolve)), ended]);
  const ask = (question: WatchedQuestion): Promise<WatchedAnswer> => {
    child.send(question);
    return next();
  };
  const { sip, http, root, domain } = await next();
  if (!sip || !http || root === undefined || domain === undefined) throw new Error('the watched server has not said where it listens');
  const add = (user: string, password: string, admin: boolean) => ask({ ask: 'user', user, password, admin }).then(() => undefined);
  return {
    sip,
    http,
    root,
    domain,
    addUser: (user, password) => add(user, password, false),
    addAdmin: (user, password) => add(user, password, true),
    longestDelay: async () => (await ask({ ask: 'delay' })).delay ?? Number.POSITIVE_INFINITY,
    stop: async () => {
      child.send({ ask: 'stop' } satisfies WatchedQuestion);
      await ended.catch(() => undefined);
    },
  };
}
