import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canonicalAddress } from '../../schemas/address.ts';
import { Nonces } from '../../server/accounts/nonces.ts';
import { type Config, resolveConfig } from '../../server/config.ts';
import type { Logger } from '../../server/logger.ts';
import { type RunningRollcall, startRollcall } from '../../server/server.ts';
import type { Protocol } from '../../sip/transport/flow.ts';

/** A server under test, wherever it runs. */
export interface TestServer {
  readonly domain: string;
  readonly sip: { readonly address: string; readonly port: number };
  readonly http: { readonly address: string; readonly port: number };
  /** The path of the XCAP root. */
  readonly root: string;
  /** Makes an account in the served domain. */
  addUser(user: string, password: string): Promise<void>;
  /** Makes an account that may act for every user. */
  addAdmin?(user: string, password: string): Promise<void>;
  /** Stops the server and removes its data. */
  stop(): Promise<void>;
}

export interface InProcessServer extends TestServer {
  readonly running: RunningRollcall;
  /** A digest nonce such as this server made before its last start. */
  earlierNonce(): string;
}

export const TEST_DOMAIN = 'example.com';

/** Where a server listens for a protocol. */
export function listenerOf(server: InProcessServer, protocol: Protocol): { readonly address: string; readonly port: number } {
  const point = server.running.sip.find((one) => one.protocol === protocol);
  if (!point) throw new Error(`the server does not listen for ${protocol}`);
  return point;
}

/** Starts the real server in this process, on free ports, with an empty data directory of its own and its own database files. */
export async function startServer(settings: Partial<Config> = {}, logger?: Logger): Promise<InProcessServer> {
  const dataDirectory = await mkdtemp(join(tmpdir(), 'rollcall-test-'));
  const removeData = (): Promise<void> => rm(dataDirectory, { recursive: true, force: true });
  try {
    const config = resolveConfig({
      domains: [TEST_DOMAIN],
      http: [{ host: '127.0.0.1', port: 0 }],
      sip: [{ host: '127.0.0.1', port: 0 }],
      xcapRoots: ['/xcap-root'],
      dataDirectory,
      minExpires: 1,
      winfoInterval: 0,
      logLevel: 'silent',
      ...settings,
    });
    const running = await startRollcall(config, logger ? { logger } : {});
    const [http] = running.http;
    const [sip] = running.sip;
    if (!http || !sip) throw new Error('the server has no listeners');
    const domain = config.domains[0] ?? TEST_DOMAIN;
    return {
      running,
      earlierNonce: () => new Nonces().issue(),
      domain,
      sip,
      http,
      root: config.xcapRoots[0] ?? '',
      addUser: async (user, password) => running.accounts.add(canonicalAddress(`sip:${user}@${domain}`), password, false),
      addAdmin: async (user, password) => running.accounts.add(canonicalAddress(`sip:${user}@${domain}`), password, true),
      stop: async () => {
        await running.stop();
        await removeData();
      },
    };
  } catch (error) {
    await removeData();
    throw error;
  }
}
