import type { Socket } from 'node:dgram';
import { once } from 'node:events';

/** Below what systems give to connections on their way out, of which tests in other processes make thousands. */
const [LOWEST, COUNT] = [12_000, 20_000];

/**
 * Binds a socket to a port of the address that is free for TCP, too. A port 0 asks for one that the system may at any time
 * have given to some connection.
 */
export async function bindToBoth(socket: Socket, address: string): Promise<void> {
  for (;;) {
    const port = LOWEST + Math.floor(Math.random() * COUNT);
    const outcome = once(socket, 'listening').then(
      () => undefined,
      (error: NodeJS.ErrnoException) => error,
    );
    socket.bind(port, address);
    const error = await outcome;
    if (error === undefined) return;
    if (error.code !== 'EADDRINUSE') throw error;
  }
}
