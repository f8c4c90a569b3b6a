import type { Socket } from 'node:net';
import type { Logger } from './logger.ts';

export interface HttpConnectionLimits {
  /** Of all HTTP endpoints together. */
  readonly most: number;
  readonly mostPerAddress: number;
  /** Whether an address is a proxy's, which brings the connections of many. */
  readonly isProxy: (address: string) => boolean;
}

/** Milliseconds between two lines of the log about connections that were not taken. */
const SILENCE = 10_000;

/** How many connections clients may have open: each costs a file and memory before anybody knows who it is. */
export class HttpConnections {
  private readonly limits: HttpConnectionLimits;
  private readonly log: Logger;
  private readonly perAddress = new Map<string, number>();
  private open = 0;
  private toldAt = Number.NEGATIVE_INFINITY;

  constructor(limits: HttpConnectionLimits, log: Logger) {
    this.limits = limits;
    this.log = log;
  }

  /** Counts a connection until it is closed, or closes it at once when there are too many. */
  readonly admit = (socket: Socket): void => {
    const address = socket.remoteAddress ?? '';
    const { most, mostPerAddress, isProxy } = this.limits;
    const own = this.perAddress.get(address) ?? 0;
    if (this.open >= most || (own >= mostPerAddress && !isProxy(address))) {
      this.tell(this.open >= most ? 'too many HTTP connections' : 'too many HTTP connections from one address', address);
      socket.destroy();
      return;
    }
    this.open++;
    this.perAddress.set(address, own + 1);
    socket.once('close', () => {
      this.open--;
      const left = (this.perAddress.get(address) ?? 1) - 1;
      if (left === 0) this.perAddress.delete(address);
      else this.perAddress.set(address, left);
    });
  };

  private tell(message: string, remoteAddress: string): void {
    const now = performance.now();
    if (now - this.toldAt < SILENCE) return;
    this.toldAt = now;
    this.log.warn({ remoteAddress }, message);
  }
}
