/** The server under measurement: a process of its own, and what it costs. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AccountStore } from '../../server/accounts/account-store.ts';

export interface Target {
  readonly sipPort: number;
  readonly httpPort: number;
  readonly webSocketPort: number;
  readonly domain: string;
  /** User and system time of the process so far, in microseconds. */
  cpu(): number;
  /** Lines that it has logged so far, warnings and worse. */
  log(): readonly string[];
  /** Resident memory in bytes. */
  memory(): number;
  stop(): Promise<void>;
}

const MAIN = fileURLToPath(new URL('../../server/main.js', import.meta.url));
/** Clock ticks of /proc/PID/stat are hundredths of a second. */
const TICK = 10_000;

/**
 * @param users accounts `u0` and so on, each with its name as password, who must log in; without any, authentication is off
 * @param warm is it to have warmed up? What that leaves behind would hide memory that grows.
 */
export async function startTarget(users = 0, warm = true): Promise<Target> {
  const data = await mkdtemp(join(tmpdir(), 'rollcall-bench-'));
  if (users > 0) {
    const accounts = new AccountStore(join(data, 'accounts.db'));
    for (let u = 0; u < users; u++) accounts.add(`sip:u${u}@bench.test`, `u${u}`, false);
    accounts.close();
  }
  const flags = [
    '--domain',
    'bench.test',
    '--http',
    '127.0.0.1:0',
    '--sip',
    '127.0.0.1:0',
    '--sip',
    'ws://127.0.0.1:0',
    '--data',
    data,
    '--auth',
    users === 0 ? 'none' : 'digest',
    // Each change of a list's member is told by itself.
    '--list-interval',
    '0',
    // All load comes from one address.
    '--max-subscriptions-per-address',
    '500000',
    '--warm-up',
    warm ? 'yes' : 'no',
    '--log',
    'warn',
  ];
  // For a profile: NODE_FLAGS='--cpu-prof --cpu-prof-dir=DIR'.
  const node = (process.env.NODE_FLAGS ?? '').split(' ').filter(Boolean);
  const child = spawn(process.execPath, [...node, MAIN, 'serve', ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
  const lines: string[] = [];
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    lines.push(...text.split('\n').filter((line) => line !== ''));
    // Warnings are part of some measurements; anything worse is none of them.
    if (!/^\{"level":40,/.test(text)) process.stderr.write(text);
  });
  const output = await untilPrinted(child, warm ? /^warm$/m : /^ready$/m);
  const port = (pattern: RegExp): number => Number(pattern.exec(output)?.[1]);
  return {
    sipPort: port(/SIP\s+udp 127\.0\.0\.1:(\d+)/),
    httpPort: port(/XCAP\s+http:\/\/127\.0\.0\.1:(\d+)/),
    webSocketPort: port(/SIP\s+ws 127\.0\.0\.1:(\d+)/),
    domain: 'bench.test',
    log: () => lines,
    cpu: () => cpuOf(child),
    memory: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) * 1024,
    async stop() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
      await rm(data, { recursive: true, force: true });
    },
  };
}

function untilPrinted(child: ChildProcess, line: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = '';
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (line.test(output)) resolve(output);
    });
  });
}

/** User and system time, by the clock ticks of the kernel. */
function cpuOf({ pid }: ChildProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK;
}
