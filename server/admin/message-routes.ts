/** `/admin/messages`: what waits in the message store (RFC 3428 7), and a way to drop it. */
import type { WaitingMessage, WaitingMessages } from '../../sip/services/waiting-messages.ts';
import type { XuiDirectory } from '../../xcap/access.ts';
import { AdminRefusal, type AdminRequest, type AdminRoute } from './admin-route.ts';

const USERS = '/messages';
const USER = '/messages/:user';
const MESSAGE = '/messages/:user/:id';
/** Users that are named in one answer, those with the most bytes. */
const MOST_USERS = 1000;

/** Times are in ISO 8601. */
export interface StoredMessage {
  readonly id: string;
  readonly from: string;
  readonly verified: boolean;
  readonly type: string;
  readonly bytes: number;
  readonly received?: string;
  readonly expires: string;
}

export interface StoredMessages {
  readonly messages: readonly StoredMessage[];
  readonly bytes: number;
}

/** Sums over all users, and the users one by one. */
export interface MessageStore {
  readonly messages: number;
  readonly bytes: number;
  readonly users: readonly { readonly user: string; readonly messages: number; readonly bytes: number }[];
  /** Users that are not named any more. */
  readonly omittedUsers: number;
}

export interface Dropped {
  readonly dropped: number;
}

export function messageRoutes(waiting: WaitingMessages, users: XuiDirectory): AdminRoute[] {
  const ownerOf = ({ parameters }: AdminRequest): string => {
    const owner = users.resolveXui(parameters.user ?? '');
    if (owner === undefined) throw new AdminRefusal(404, 'there is no such user');
    return owner;
  };
  const drop = (request: AdminRequest): Dropped => {
    const dropped = waiting.drop(ownerOf(request), request.parameters.id);
    if (dropped === 0) throw new AdminRefusal(404, 'no such message waits for this user');
    return { dropped };
  };
  return [
    { method: 'GET', path: USERS, answer: () => ({ status: 200, body: store(waiting) }) },
    { method: 'GET', path: USER, answer: (request) => ({ status: 200, body: stored(waiting.list(ownerOf(request))) }) },
    { method: 'DELETE', path: USER, answer: (request) => ({ status: 200, body: drop(request) }) },
    { method: 'DELETE', path: MESSAGE, answer: (request) => ({ status: 200, body: drop(request) }) },
  ];
}

function store(waiting: WaitingMessages): MessageStore {
  const users = waiting.users();
  return {
    messages: users.reduce((sum, { messages }) => sum + messages, 0),
    bytes: users.reduce((sum, { bytes }) => sum + bytes, 0),
    users: users.slice(0, MOST_USERS),
    omittedUsers: Math.max(0, users.length - MOST_USERS),
  };
}

function stored(waiting: readonly WaitingMessage[]): StoredMessages {
  const messages = waiting.map(({ receivedAt, expiresAt, ...rest }) => ({
    ...rest,
    ...(receivedAt === undefined ? {} : { received: new Date(receivedAt).toISOString() }),
    expires: new Date(expiresAt).toISOString(),
  }));
  return { messages, bytes: waiting.reduce((sum, { bytes }) => sum + bytes, 0) };
}
