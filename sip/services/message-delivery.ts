/** Brings what waits for a user to the user's bindings: in order, one message at a time, from the moment one of them registers. */
import type { Binding } from '../core/binding.ts';
import type { Logger } from '../core/log.ts';
import type { SipRequest } from '../message/message.ts';
import type { Timer, TimerWheel } from '../transport/timer-wheel.ts';
import type { MessageQueue } from './message-queue.ts';
import { deliveryRequest, fieldOf, type QueuedMessage } from './queued-message.ts';

export interface DeliveryOptions {
  readonly queue: MessageQueue;
  readonly wheel: TimerWheel;
  readonly log: Logger;
  /** Live bindings of a canonical address. */
  bindings(recipient: string): readonly Binding[];
  /** Sends a request whose Request-URI is the binding's contact; calls back once: the status, undefined when nobody answered. */
  send(request: SipRequest, binding: Binding, done: (status: number | undefined) => void): void;
  /** Does the recipient take messages of the sender now? 'silent' where the sender shall not know that not. */
  judge(message: QueuedMessage): Judgement | Promise<Judgement>;
  /** Told of each message that no binding will ever take. */
  refused(message: QueuedMessage): void;
}

/** What the recipient's rules say of a message. */
export type Judgement = 'allowed' | 'refused' | 'silent';

/** What one binding, and then all of them, made of a message. */
export type Outcome = 'delivered' | 'refused' | 'unreachable' | 'failed';

/** Answers that will be the same whenever it is asked again: the message, not the moment, is what is wrong. */
const PERMANENT: ReadonlySet<number> = new Set([
  400, 402, 403, 404, 405, 406, 410, 413, 414, 415, 416, 420, 421, 433, 485, 488, 493, 501, 505, 513,
]);
/** Nobody was there to take it. */
const UNREACHABLE: ReadonlySet<number> = new Set([408, 430, 480, 503, 504]);

/** RFC 3428 7: 4xx and 5xx say that it was not delivered, 6xx that it was, and refused. */
export function outcomeOf(status: number | undefined): Outcome {
  if (status === undefined || UNREACHABLE.has(status)) return 'unreachable';
  if (status < 300) return 'delivered';
  return status >= 600 || PERMANENT.has(status) ? 'refused' : 'failed';
}

/** One 2xx is enough; a message is given up only when all refuse it for good. */
const PRECEDENCE: readonly Outcome[] = ['delivered', 'unreachable', 'failed', 'refused'];

/** How often a message may fail in another way than by silence, before it is given up so that those behind it get through. */
const MAX_FAILURES = 5;
/** Once one binding has a message, the others may keep the next one waiting for so long, in milliseconds. */
const GRACE = 4000;

/** A run through one user's queue. */
interface Run {
  readonly recipient: string;
  /** Contacts that did not answer in time, and get no more in this run: RFC 3428 8 wants one message at a time to each. */
  readonly silent: Set<string>;
  /** A binding has come or spoken since the run began. */
  again: boolean;
}

export class MessageDelivery {
  private readonly options: DeliveryOptions;
  private readonly runs = new Map<string, Run>();
  private readonly failures = new WeakMap<QueuedMessage, number>();

  constructor(options: DeliveryOptions) {
    this.options = options;
  }

  /** Queues that are being delivered. */
  get running(): number {
    return this.runs.size;
  }

  /** Is the user's queue being delivered? What comes now has to wait behind it. */
  isRunning(recipient: string): boolean {
    return this.runs.has(recipient);
  }

  /** Begins to deliver; does nothing where nothing waits. While a run is under way, it is remembered for when that one fails. */
  start(recipient: string): void {
    const current = this.runs.get(recipient);
    if (current !== undefined) {
      current.again = true;
      return;
    }
    if (!this.options.queue.has(recipient)) return;
    const run: Run = { recipient, silent: new Set(), again: false };
    this.runs.set(recipient, run);
    this.next(run);
  }

  private next(run: Run): void {
    const message = this.options.queue.first(run.recipient);
    if (message === undefined || this.targets(run).length === 0) {
      this.end(run, message !== undefined);
      return;
    }
    // Who has been barred while the message waited does not get through with it.
    const judgement = this.options.judge(message);
    if (!(judgement instanceof Promise)) this.judged(run, message, judgement);
    else
      judgement.then(
        (settled) => this.judged(run, message, settled),
        (error: unknown) => {
          this.options.log.error({ err: error, to: run.recipient }, 'stored message could not be judged');
          this.end(run, false);
        },
      );
  }

  private judged(run: Run, message: QueuedMessage, judgement: Judgement): void {
    const { queue, refused, log } = this.options;
    if (judgement === 'allowed') {
      const targets = this.targets(run);
      // It may have expired meanwhile, or the bindings be gone.
      if (targets.length === 0 || queue.first(run.recipient) !== message) this.next(run);
      else this.attempt(run, message, targets);
      return;
    }
    log.info({ to: run.recipient, callId: fieldOf(message, 'Call-ID') }, 'stored message dropped: the sender has been barred');
    queue.remove(message);
    if (judgement === 'refused') refused(message);
    setImmediate(() => this.next(run));
  }

  private targets(run: Run): readonly Binding[] {
    return this.options.bindings(run.recipient).filter(({ contact }) => !run.silent.has(contact));
  }

  /** To all bindings at once; goes on when all have answered, or soon after one has taken it. */
  private attempt(run: Run, message: QueuedMessage, targets: readonly Binding[]): void {
    const waiting = new Set(targets.map(({ contact }) => contact));
    const outcomes: Outcome[] = [];
    let grace: Timer | undefined;
    let settled = false;
    const settle = (): void => {
      if (settled) return;
      settled = true;
      if (grace !== undefined) this.options.wheel.cancel(grace);
      for (const contact of waiting) run.silent.add(contact);
      this.conclude(run, message, PRECEDENCE.find((outcome) => outcomes.includes(outcome)) ?? 'unreachable');
    };
    for (const binding of targets) {
      this.options.send(deliveryRequest(message, binding.contact), binding, (status) => {
        const outcome = outcomeOf(status);
        outcomes.push(outcome);
        waiting.delete(binding.contact);
        if (outcome === 'unreachable') run.silent.add(binding.contact);
        if (waiting.size === 0) settle();
        else if (outcome === 'delivered') grace ??= this.options.wheel.schedule(GRACE, settle);
      });
    }
  }

  private conclude(run: Run, message: QueuedMessage, outcome: Outcome): void {
    const { queue, log } = this.options;
    const failures = (this.failures.get(message) ?? 0) + (outcome === 'failed' ? 1 : 0);
    this.failures.set(message, failures);
    const givenUp = outcome === 'refused' || failures >= MAX_FAILURES;
    if (log.isLevelEnabled('info')) {
      log.info({ to: run.recipient, callId: fieldOf(message, 'Call-ID'), outcome, givenUp }, 'stored message');
    }
    if (outcome !== 'delivered' && !givenUp) {
      this.end(run, true);
      return;
    }
    queue.remove(message);
    if (givenUp) this.options.refused(message);
    this.next(run);
  }

  private end(run: Run, isLeft: boolean): void {
    this.runs.delete(run.recipient);
    if (isLeft && run.again) this.start(run.recipient);
  }
}
