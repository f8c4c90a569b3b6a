import type { Socket } from 'node:dgram';
import { once } from 'node:events';

/** Below what systems give to connections on their way out, of which tests in other processes make thousands. */
const [LOWEST, COUNT] = [12_000, 20_000];
/** Each process begins elsewhere and takes no port twice: what was sent to one that is closed would reach another test. */
let next = process.pid * 97;

/**
 * Binds a socket to a port of the address that is free for TCP, too. A port 0 asks for one that the system may at any time
 * have given to some connection.
 */
export async function bindToBoth(socket: Socket, address: string): Promise<void> {
  for (;;) {
    const port = LOWEST + (next++ % COUNT);
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
