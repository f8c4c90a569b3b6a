import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';

const MAIN = join(import.meta.dirname, '../../dist/server/main.js');

export interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function start(words: readonly string[], environment: Record<string, string>, stdin: 'ignore' | 'pipe') {
  if (!existsSync(MAIN)) throw new Error('dist/ is missing: run npm run build first');
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('ROLLCALL_')));
  return spawn(process.execPath, [MAIN, ...words], {
    env: { ...env, ROLLCALL_WARM_UP: 'no', ...environment },
    stdio: [stdin, 'pipe', 'pipe'],
  });
}

/** Runs the compiled command line to its end. */
export function run(words: readonly string[], options: { environment?: Record<string, string>; stdin?: string } = {}): Promise<Outcome> {
  const child = start(words, options.environment ?? {}, options.stdin === undefined ? 'ignore' : 'pipe');
  child.stdin?.end(options.stdin);
  return new Promise((resolve, reject) => {
    let out = '';
    let err = '';
    child.stdout?.on('data', (chunk) => {
      out += chunk;
    });
    child.stderr?.on('data', (chunk) => {
      err += chunk;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, out, err }));
  });
}

/** Runs a command whose standard output nobody reads. */
export function runUnread(words: readonly string[]): Promise<Pick<Outcome, 'code' | 'err'>> {
  const child = start(words, {}, 'ignore');
  child.stdout?.destroy();
  let err = '';
  child.stderr?.on('data', (chunk) => {
    err += chunk;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, err }));
  });
}

export interface Served {
  /** What it printed until `ready`. */
  readonly lines: readonly string[];
  /** Base URL of the first HTTP listener. */
  readonly base: string;
  /** Everything on standard error so far. */
  log(): string;
  signal(signal: NodeJS.Signals): void;
  /** Resolves once the log holds this. */
  logs(pattern: RegExp): Promise<void>;
  stop(signal: NodeJS.Signals): Promise<Outcome>;
}

/** Starts `serve` on free ports and resolves once it has printed `ready`. */
export function serve(words: readonly string[], environment: Record<string, string> = {}): Promise<Served> {
  const endpoints = ['--http', '127.0.0.1:0', '--sip', '127.0.0.1:0'];
  const child = start(['serve', ...endpoints, ...words], environment, 'ignore') as ChildProcessByStdio<null, Readable, Readable>;
  let out = '';
  let err = '';
  const ended = new Promise<Outcome>((resolve) => child.on('close', (code) => resolve({ code, out, err })));
  child.stderr.on('data', (chunk) => {
    err += chunk;
  });
  return new Promise((resolve, reject) => {
    ended.then((outcome) => reject(new Error(`serve ended: ${JSON.stringify(outcome)}`)));
    child.stdout.on('data', (chunk) => {
      out += chunk;
      if (!/^ready$/m.test(out)) return;
      resolve({
        lines: out.trimEnd().split('\n'),
        base: /http:\/\/[^/\s]+/.exec(out)?.[0] ?? '',
        log: () => err,
        signal: (signal) => void child.kill(signal),
        logs: async (pattern) => {
          while (!pattern.test(err)) await Promise.race([once(child.stderr, 'data'), ended.then(() => Promise.reject(new Error(err)))]);
        },
        stop: (signal) => {
          child.kill(signal);
          return ended;
        },
      });
    });
  });
}
