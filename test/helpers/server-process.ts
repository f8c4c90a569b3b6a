import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TEST_DOMAIN, type TestServer } from './server.ts';

/** The build: this file is part of it when the demo runs. */
const MAIN = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../../dist/server/main.js' : '../../server/main.js', import.meta.url),
);

/** A server as an admin runs it: a process of its own, which can be killed and started again on the same data and ports. */
export interface ServerProcess extends TestServer {
  /** Its data directory. */
  readonly data: string;
  /** Everything the server wrote, over all its lives. */
  readonly output: string;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** Starts it again after `kill`; resolves when it says that it is ready. */
  start(): Promise<void>;
}

/** Starts `dist/server/main.js serve` on free ports of 127.0.0.1; needs a build. */
export async function startServerProcess(flags: readonly string[] = []): Promise<ServerProcess> {
  if (!existsSync(MAIN)) throw new Error(`${MAIN} is missing: run "npm run build" first`);
  const data = await mkdtemp(join(tmpdir(), 'rollcall-test-'));
  const sipPort = await freePort(true);
  const httpPort = await freePort(false);
  let child: ChildProcess | undefined;
  let output = '';

  const run = (args: readonly string[]): ChildProcess => {
    const started = spawn(process.execPath, [MAIN, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
    for (const stream of [started.stdout, started.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        output += chunk.toString('utf8');
      });
    }
    return started;
  };
  const start = async (): Promise<void> => {
    const from = output.length;
    const started = run([
      'serve',
      ...['--domain', TEST_DOMAIN, '--data', data, '--warm-up', 'no'],
      ...['--http', `127.0.0.1:${httpPort}`, '--sip', `127.0.0.1:${sipPort}`, '--xcap-root', '/xcap-root'],
      ...flags,
    ]);
    child = started;
    await new Promise<void>((resolve, reject) => {
      const fail = (why: string): void => reject(new Error(`the server ${why}; it wrote:\n${output.slice(from)}`));
      const timer = setTimeout(() => fail('was not ready within 12 s'), 12_000);
      started.once('exit', (code) => {
        clearTimeout(timer);
        fail(`ended with ${code}`);
      });
      started.stdout?.on('data', () => {
        if (!/\bready\b/i.test(output.slice(from))) return;
        clearTimeout(timer);
        resolve();
      });
    });
  };
  const kill = async (): Promise<void> => {
    const dying = child;
    child = undefined;
    if (!dying || dying.exitCode !== null || dying.signalCode !== null) return;
    const gone = once(dying, 'exit');
    dying.kill('SIGKILL');
    await gone;
  };
  const addUser = async (user: string, password: string, ...flags: readonly string[]): Promise<void> => {
    const from = output.length;
    const adding = run(['user', 'add', `sip:${user}@${TEST_DOMAIN}`, '--password', password, '--data', data, ...flags]);
    const [code] = (await once(adding, 'exit')) as [number | null];
    if (code !== 0) throw new Error(`user add ended with ${code}:\n${output.slice(from)}`);
  };
  const stop = async (): Promise<void> => {
    await kill();
    await rm(data, { recursive: true, force: true });
  };

  try {
    await start();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    data,
    domain: TEST_DOMAIN,
    sip: { address: '127.0.0.1', port: sipPort },
    http: { address: '127.0.0.1', port: httpPort },
    root: '/xcap-root',
    get output() {
      return output;
    },
    addUser: (user, password) => addUser(user, password),
    addAdmin: (user, password) => addUser(user, password, '--admin'),
    kill,
    start,
    stop,
  };
}

/** A port that was free a moment ago, for TCP and, if asked for, for UDP as well. */
async function freePort(withUdp: boolean): Promise<number> {
  for (let attempt = 0; attempt < 20; attempt++) {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    let free = true;
    if (withUdp) {
      const socket = createSocket('udp4');
      free = await new Promise<boolean>((resolve) => {
        socket.once('error', () => resolve(false));
        socket.bind(port, '127.0.0.1', () => resolve(true));
      });
      socket.close();
    }
    await new Promise((resolve) => server.close(resolve));
    if (free) return port;
  }
  throw new Error('no free port');
}
