/** Requests with bodies that take long to read: many of them that come at once are handled a few at a time, with everything else in between. */
import { fitsInRound } from '../../schemas/turns.ts';
import { SipError } from '../message/sip-error.ts';
import { PacedQueue } from './paced-queue.ts';
import type { RequestContext, RequestHandler } from './router.ts';

/** Bytes that are read at once, however many such bodies there are. */
const SMALL = 2048;
/** What a coded body may be in the end, in bytes; none that is longer is read. */
const DECODED = 65_536;
/** Requests that wait, of one sender and of all: each has its body with it. */
const MOST_OF_ONE = 50;
const MOST_IN_ALL = 1000;

export class LargeRequests {
  private readonly queue = new PacedQueue<() => void>((work) => work(), { begin: setImmediate });
  /** How many wait of each sender. */
  private readonly bySender = new Map<string, number>();

  /** The handler, which is given large requests when it is their turn: at once while there is not much to do. */
  inTurn(handler: RequestHandler): RequestHandler {
    return (context) => {
      const size = bytesToRead(context);
      return size <= SMALL || fitsInRound(size) ? handler(context) : this.wait(context, handler);
    };
  }

  private wait(context: RequestContext, handler: RequestHandler): Promise<void> {
    // Where nobody has to prove who they are, one may be anybody.
    const sender = context.identitySource === 'open' ? context.flow.remoteAddress : (context.identity ?? context.flow.remoteAddress);
    const own = this.bySender.get(sender) ?? 0;
    if (own >= MOST_OF_ONE || this.queue.length >= MOST_IN_ALL)
      throw new SipError(503, 'Too many large requests at once', [['Retry-After', '1']]);
    this.bySender.set(sender, own + 1);
    return new Promise((resolve, reject) => {
      this.queue.push(() => {
        this.leave(sender);
        try {
          resolve(handler(context));
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  private leave(sender: string): void {
    const left = (this.bySender.get(sender) ?? 1) - 1;
    if (left > 0) this.bySender.set(sender, left);
    else this.bySender.delete(sender);
  }
}

function bytesToRead({ request: { body, headers } }: RequestContext): number {
  if (body.length === 0) return 0;
  return headers.has('Content-Encoding') ? Math.max(body.length, DECODED) : body.length;
}
