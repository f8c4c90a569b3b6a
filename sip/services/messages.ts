/** Puts the parts of the message service together. */
import type { SubHandling } from '../../schemas/pres-rules.ts';
import type { UserDirectory } from '../core/authenticator.ts';
import type { Binding } from '../core/binding.ts';
import type { CallService } from '../core/call-service.ts';
import type { Logger } from '../core/log.ts';
import type { Registrar } from '../core/registrar.ts';
import { requestTarget } from '../core/request-checks.ts';
import { postprocessRoutes } from '../core/route-processing.ts';
import type { StateStore } from '../core/state-store.ts';
import { aim, wayTo } from '../core/target-set.ts';
import type { UacTarget, UserAgentClient } from '../core/uac.ts';
import type { SipRequest } from '../message/message.ts';
import { SipError } from '../message/sip-error.ts';
import type { NextHops } from '../transport/next-hops.ts';
import type { TimerWheel } from '../transport/timer-wheel.ts';
import { MessageDelivery } from './message-delivery.ts';
import { MessageQueue, type QueueLimits } from './message-queue.ts';
import { MessageService } from './message-service.ts';
import { type WaitingMessages, waitingMessages } from './waiting-messages.ts';

/** What an admin sets. */
export interface MessageSettings extends QueueLimits {
  /** Longest time that a message waits, in seconds. */
  readonly expires: number;
  /** Recipients of one message. */
  readonly maxRecipients: number;
  /** May lists and notices go to users of other domains? */
  readonly abroad: boolean;
  /** Do the presence rules of a user, where they block somebody, block messages too? */
  readonly byPresenceRules: boolean;
}

export interface MessagesOptions {
  readonly settings: MessageSettings;
  readonly users: UserDirectory;
  readonly state: StateStore;
  readonly wheel: TimerWheel;
  readonly log: Logger;
  readonly now: () => number;
  readonly registrar: Registrar;
  readonly uac: UserAgentClient;
  readonly barring: CallService;
  /** Without authentication From is believed. */
  readonly open: boolean;
  /** Does this server listen there? */
  isLocal(host: string, port: number | undefined): boolean;
  readonly nextHops: NextHops;
  presenceHandling(sender: string, user: string, aliases?: readonly string[]): SubHandling | Promise<SubHandling>;
}

export interface Messages {
  readonly service: MessageService;
  readonly queue: MessageQueue;
  readonly waiting: WaitingMessages;
  /** Queues that are being delivered. */
  readonly deliveries: number;
  /** Takes up what waited in an earlier run. */
  restore(): void;
  /** To be told when accounts have changed. */
  usersChanged(): void;
}

export function createMessages(options: MessagesOptions): Messages {
  const { settings, users, state, wheel, log, now, registrar, uac } = options;
  const queue = new MessageQueue({ state, wheel, limits: settings, now, hasUser: (address) => users.hasUser(address) });
  const delivery = new MessageDelivery({
    queue,
    wheel,
    log,
    bindings: (recipient) => registrar.bindings(recipient),
    send: (request, binding, done) => deliver(uac, request, binding, done),
    judge: (message) => service.judge(message),
    refused: (message) => service.refused(message),
  });
  const service = new MessageService({
    users,
    state,
    queue,
    delivery,
    log,
    now,
    lifetime: settings.expires * 1000,
    maxRecipients: settings.maxRecipients,
    abroad: settings.abroad,
    barring: options.barring,
    open: options.open,
    isServer: (uri) => isServer(uri, options),
    hasBindings: (recipient) => registrar.bindings(recipient).length > 0,
    send: (request, done) => sendAbroad(options, request, done),
    presenceHandling: settings.byPresenceRules ? (sender, user, aliases) => options.presenceHandling(sender, user, aliases) : undefined,
  });
  registrar.onChange((recipient) => {
    if (!queue.has(recipient) || registrar.bindings(recipient).length === 0) return;
    // The agent gets the answer to its REGISTER first, which comes in the batch that this one ends.
    state.afterCommit(() => setImmediate(() => delivery.start(recipient)));
  });
  return {
    service,
    queue,
    waiting: waitingMessages(
      queue,
      (user) => delivery.isRunning(user),
      (message) => service.refused(message),
    ),
    get deliveries() {
      return delivery.running;
    },
    restore() {
      queue.restore();
      // A crash may have cut a delivery off; its bindings are still there.
      for (const recipient of queue.recipients()) setImmediate(() => delivery.start(recipient));
    },
    usersChanged: () => queue.usersChanged(),
  };
}

type Done = (status: number | undefined) => void;

/** To a registrant, by the way that the proxy would take. */
function deliver(uac: UserAgentClient, request: SipRequest, binding: Binding, done: Done): void {
  const way = wayTo(binding);
  const aimed = aim(request, way);
  aimed.nextHop = postprocessRoutes(aimed);
  // Where datagrams go back, or nothing but the flow leads there, there is nothing to be located.
  const isOnlyWay = way.flowOnly || way.flow?.reliable === false;
  send(uac, aimed, { flow: way.flow, source: way.source, ...(isOnlyWay ? { destinations: [] } : {}) }, done);
}

function sendAbroad({ uac, nextHops }: MessagesOptions, request: SipRequest, done: Done): void {
  request.nextHop = nextHops.find(requestTarget(request).host);
  send(uac, request, {}, done);
}

function send(uac: UserAgentClient, request: SipRequest, target: UacTarget, done: Done): void {
  uac.send(request, target, {
    onResponse: ({ status }) => done(status),
    onFailure: (kind) => done(kind === 'too-large' ? 513 : undefined),
  });
}

function isServer(uri: string, { users, isLocal }: MessagesOptions): boolean {
  try {
    const { user, host, port } = requestTarget({ uri });
    return user === undefined && (users.servesDomain(host) || isLocal(host, port));
  } catch (error) {
    if (error instanceof SipError) return false;
    throw error;
  }
}
