/**
 * The admin routes on a Unix socket in the data directory, for commands beside a running server: who may open it owns the accounts'
 * database too, so nobody has to log in there.
 */
import { chmodSync, rmSync } from 'node:fs';
import Fastify from 'fastify';
import { openHttpAuthenticator } from '../accounts/http-authenticator.ts';
import type { Logger } from '../logger.ts';
import { adminSocketPath } from './admin-address.ts';
import { adminPlugin } from './admin-plugin.ts';
import type { AdminRoute } from './admin-route.ts';

/** What fits into the address of a Unix socket, everywhere. */
const LONGEST_PATH = 100;

/** Listens; resolves with what closes it. A path that no socket can have is told in the log, and the server goes on without. */
export async function listenAdminSocket(dataDirectory: string, routes: readonly AdminRoute[], log: Logger): Promise<() => Promise<void>> {
  const path = adminSocketPath(dataDirectory);
  const app = Fastify({ logger: false });
  app.register(adminPlugin, { routes, authenticator: openHttpAuthenticator, log });
  try {
    if (Buffer.byteLength(path) > LONGEST_PATH) throw new Error(`the path is longer than ${LONGEST_PATH} bytes`);
    // Left by a server that was killed; the data directory is ours alone.
    rmSync(path, { force: true });
    await app.listen({ path });
    chmodSync(path, 0o600);
  } catch (error) {
    log.warn({ err: error, path }, 'no admin socket: commands that ask the running server will not work');
  }
  return () => app.close();
}
