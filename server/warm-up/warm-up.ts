import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { resolveConfig } from '../config.ts';
import type { Config } from '../config-keys.ts';
import { createLogger } from '../logger.ts';
import { startRollcall } from '../server.ts';
import { Scenes } from './scenes.ts';

/** Nobody's (RFC 6761 6.4). */
const DOMAIN = 'warm-up.invalid';
/** What V8 has seen of one server alone it compiles for that one; what it has seen of two, for any. */
const STAGES = ['1', '2'];
/** Of each stage. */
const USERS = 8;
const ROUNDS = 100;
/** However slow the machine is, in milliseconds. */
const TIME_LIMIT = 60_000;

/**
 * V8 compiles a function well only after some thousands of calls. Until then a request costs five times as much, and right after a
 * restart all phones come back. So the server rehearses: two servers of their own, in the same process, of a domain of their own, in
 * directories that are removed, listening on loopback ports, get the traffic of a few users, by the very code that serves the real ones.
 * Real requests go first: the longer a turn of the event loop takes, the longer the pauses.
 * @param config of the real server: users must log in if its users must, and what is written lies in its data directory
 * @param stopped ends it early
 * @returns the number of rounds that were played
 */
export async function warmUp({ auth, dataDirectory }: Config, stopped: AbortSignal, rounds = ROUNDS): Promise<number> {
  const directory = join(dataDirectory, 'warm-up');
  const stages: Stage[] = [];
  try {
    // Left by a server that was killed.
    await rm(directory, { recursive: true, force: true });
    for (const name of STAGES) stages.push(await openStage(auth, join(directory, name)));
    return await hastened(() => play(stages, rounds, AbortSignal.any([stopped, AbortSignal.timeout(TIME_LIMIT)])));
  } finally {
    for (const stage of stages) await stage.close();
    await rm(directory, { recursive: true, force: true });
  }
}

/** A server and its users. */
interface Stage {
  readonly scenes: Scenes;
  close(): Promise<void>;
}

async function openStage(auth: Config['auth'], dataDirectory: string): Promise<Stage> {
  const endpoint = { host: '127.0.0.1', port: 0 };
  const config = resolveConfig({ domains: [DOMAIN], http: [endpoint], sip: [endpoint], dataDirectory, auth });
  const server = await startRollcall(config, { logger: createLogger('silent') });
  try {
    const users = Array.from({ length: USERS }, (_, i) => `user${i}`);
    const password = randomBytes(12).toString('hex');
    for (const user of users) server.accounts.add(`sip:${user}@${DOMAIN}`, password, false);
    const sipPort = server.sip.find(({ protocol }) => protocol === 'UDP')?.port ?? 0;
    const httpPort = server.http[0]?.port ?? 0;
    const [root = ''] = config.xcapRoots;
    const scenes = await Scenes.open({ domain: DOMAIN, users, password, sipPort, httpPort, root });
    return {
      scenes,
      close: () => {
        scenes.close();
        return server.stop();
      },
    };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

async function play(stages: readonly Stage[], rounds: number, stopped: AbortSignal): Promise<number> {
  // A datagram may be lost: what is waited for then never comes.
  const end = new Promise<void>((resolve) => stopped.addEventListener('abort', () => resolve(), { once: true }));
  for (let round = 0; round < rounds; round++) {
    for (let scene = 0; scene < (stages[0]?.scenes.count ?? 0); scene++) {
      for (const { scenes } of stages) {
        if (stopped.aborted) return round;
        await Promise.race([scenes.play(scene, round), end]);
        await untilOthersAreServed();
      }
    }
  }
  return rounds;
}

/** Milliseconds of a turn of the event loop in which others are served. */
const LONG_TURN = 5;

async function untilOthersAreServed(): Promise<void> {
  const started = performance.now();
  await setImmediate();
  const turn = performance.now() - started;
  if (turn > LONG_TURN) await sleep(turn * 4);
}

/**
 * After so many bytes of its bytecode have run, V8 thinks about compiling a function better: what is usual, and what shortens the
 * rehearsal. By version of V8, since what is usual cannot be asked for; another V8 rehearses at its usual pace.
 */
const BUDGETS: Readonly<Record<string, { readonly usual: number; readonly short: number }>> = { '11.3': { usual: 67_584, short: 8_000 } };

async function hastened<T>(work: () => Promise<T>): Promise<T> {
  const budget = BUDGETS[process.versions.v8.split('.').slice(0, 2).join('.')];
  if (!budget) return work();
  setFlagsFromString(`--interrupt-budget=${budget.short}`);
  try {
    return await work();
  } finally {
    setFlagsFromString(`--interrupt-budget=${budget.usual}`);
  }
}
