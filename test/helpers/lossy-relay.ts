import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { SipAddress } from './sip-socket.ts';

/** How a relay treats datagrams: chances in hundred, and the greatest delay in milliseconds, which lets them overtake each other. */
export interface Weather {
  readonly lost: number;
  readonly doubled: number;
  readonly delay: number;
}

export const FAIR: Weather = { lost: 0, doubled: 0, delay: 0 };

/** A way over UDP between one watcher and the server on which datagrams get lost, come twice, late, or in another order. */
export class LossyRelay {
  weather: Weather = FAIR;
  /** Datagrams that were lost so far. */
  lost = 0;
  readonly #server: SipAddress;
  readonly #random: (below: number) => number;
  /** The sides towards the watcher and towards the server. */
  readonly #near: Socket;
  readonly #far: Socket;
  #watcher: SipAddress | undefined;
  readonly #timers = new Set<NodeJS.Timeout>();

  private constructor(server: SipAddress, random: (below: number) => number, near: Socket, far: Socket) {
    this.#server = server;
    this.#random = random;
    this.#near = near;
    this.#far = far;
    near.on('message', (bytes, { address, port }) => {
      this.#watcher = { address, port };
      this.#pass(bytes, this.#far, this.#server);
    });
    far.on('message', (bytes) => {
      if (this.#watcher) this.#pass(bytes, this.#near, this.#watcher);
    });
  }

  static async open(server: SipAddress, random: (below: number) => number): Promise<LossyRelay> {
    const sockets = [createSocket('udp4'), createSocket('udp4')] as const;
    for (const socket of sockets) {
      socket.bind(0, '127.0.0.1');
      await once(socket, 'listening');
    }
    return new LossyRelay(server, random, ...sockets);
  }

  /** Where the watcher sends to. */
  get near(): SipAddress {
    return { address: '127.0.0.1', port: this.#near.address().port };
  }

  /** Where the server sends to: for the watcher's Contact. */
  get far(): SipAddress {
    return { address: '127.0.0.1', port: this.#far.address().port };
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#near.close();
    this.#far.close();
  }

  #pass(bytes: Buffer, socket: Socket, to: SipAddress): void {
    const { lost, doubled, delay } = this.weather;
    if (this.#random(100) < lost) {
      this.lost++;
      return;
    }
    for (let copies = this.#random(100) < doubled ? 2 : 1; copies > 0; copies--) {
      const wait = delay === 0 ? 0 : this.#random(delay);
      if (wait === 0) socket.send(bytes, to.port, to.address);
      else {
        const timer = setTimeout(() => {
          this.#timers.delete(timer);
          socket.send(bytes, to.port, to.address);
        }, wait);
        this.#timers.add(timer);
      }
    }
  }
}
