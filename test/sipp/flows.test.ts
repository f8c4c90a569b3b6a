/** sipp, a SIP agent that is none of ours, plays its own scenarios against the server (Debian package sip-tester). */
import { spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type InProcessServer, startServer } from '../helpers/server.ts';
import { SipPeer } from '../helpers/sip-peer.ts';

const installed = spawnSync('sipp', ['-v']).error === undefined;
/** Calls of one run, and how many of them at a time. */
const CALLS = 20;
const AT_ONCE = 5;

let server: InProcessServer;
let folder: string;
let callee: SipPeer;

beforeAll(async () => {
  if (!installed) return;
  // sipp answers the first challenge alone, and knows no algorithm but MD5.
  server = await startServer({ digestAlgorithms: ['MD5'] });
  folder = await mkdtemp(join(tmpdir(), 'rollcall-sipp-'));
  for (const user of ['alice', 'bob']) await server.addUser(user, `secret-${user}`);
  const { domain, sip } = server;
  callee = await SipPeer.create({ user: 'bob', password: 'secret-bob', domain, server: sip, transport: 'udp' });
});
afterAll(async () => {
  if (!installed) return;
  await callee.close();
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

interface Run {
  /** Of the Digest credentials, which sipp does not take from the request. */
  readonly uri?: string;
  readonly port?: number;
  readonly transport?: 'u1' | 't1';
}

/** Runs a scenario to its end; resolves with what went wrong, '' if nothing did. */
async function sipp(scenario: string, { uri, port, transport = 'u1' }: Run = {}): Promise<string> {
  const users = join(folder, `${scenario}.csv`);
  const other = scenario === 'subscribe' ? 'alice' : 'bob';
  await writeFile(users, `SEQUENTIAL\nalice;${server.domain};[authentication username=alice password=secret-alice];${other}\n`);
  const errors = join(folder, `${scenario}-errors`);
  const options = {
    '-sf': join(import.meta.dirname, `${scenario}.xml`),
    '-inf': users,
    '-i': '127.0.0.1',
    '-t': transport,
    '-m': String(CALLS),
    '-l': String(AT_ONCE),
    '-r': '100',
    '-timeout': '30s',
    '-error_file': errors,
    ...(uri === undefined ? {} : { '-auth_uri': uri }),
    ...(port === undefined ? {} : { '-p': String(port) }),
  };
  const target = `${server.sip.address}:${server.sip.port}`;
  const args = [...Object.entries(options).flat(), '-timeout_error', '-trace_err', '-nostdin', target];
  const process = spawn('sipp', args, { cwd: folder, stdio: 'ignore' });
  const [code] = (await once(process, 'exit')) as [number | null];
  return code === 0 ? '' : `sipp ${scenario} ended with ${code}\n${await readFile(errors, 'utf8').catch(() => '')}`;
}

/** A port that nobody listens at. */
async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  return port;
}

describe.skipIf(!installed)('sipp', () => {
  it.each(['u1', 't1'] as const)('registers with digest (%s)', async (transport) => {
    expect(await sipp('register', { uri: server.domain, transport })).toBe('');
  });

  it('subscribes with digest, and is notified', async () => {
    expect(await sipp('subscribe', { uri: `alice@${server.domain}` })).toBe('');
  });

  it.each([
    ['messages', 'message-sender', 'message-receiver'],
    ['calls', 'invite-caller', 'invite-callee'],
  ])('%s another sipp through the proxy, with digest', async (_what, sender, receiver) => {
    const port = await freePort();
    const { status } = await callee.register({ contact: `<sip:bob@127.0.0.1:${port}>` });
    expect(status).toBe(200);
    const receiving = sipp(receiver, { port });
    expect(await sipp(sender, { uri: `bob@${server.domain}` })).toBe('');
    expect(await receiving).toBe('');
    await callee.register({ contact: `<sip:bob@127.0.0.1:${port}>`, expires: 0 });
  });
});
