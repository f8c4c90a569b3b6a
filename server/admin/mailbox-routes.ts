/** `/admin/mailboxes/USER`: what waits in a user's mailbox (RFC 3842), for messaging systems that speak HTTP. */
import {
  isAccountUri,
  isMessageClass,
  MAX_CLASSES,
  MAX_MESSAGES,
  type MessageCount,
  type MessageSummary,
} from '../../schemas/message-summary.ts';
import type { Mailboxes } from '../../sip/packages/mailboxes.ts';
import type { XuiDirectory } from '../../xcap/access.ts';
import { AdminRefusal, type AdminRequest, type AdminRoute } from './admin-route.ts';

const PATH = '/mailboxes/:user';

export function mailboxRoutes(mailboxes: Mailboxes, users: XuiDirectory): AdminRoute[] {
  const ownerOf = ({ parameters }: AdminRequest): string => {
    const owner = users.resolveXui(parameters.user ?? '');
    if (owner === undefined) throw new AdminRefusal(404, 'there is no such user');
    return owner;
  };
  return [
    {
      method: 'GET',
      path: PATH,
      answer: (request) => ({ status: 200, body: toJson(mailboxes.summary(ownerOf(request))) }),
    },
    {
      method: 'PUT',
      path: PATH,
      async answer(request) {
        const owner = ownerOf(request);
        await mailboxes.set(owner, readSummary(request.body));
        return { status: 200, body: toJson(mailboxes.summary(owner)) };
      },
    },
    {
      method: 'DELETE',
      path: PATH,
      async answer(request) {
        if (!(await mailboxes.clear(ownerOf(request)))) throw new AdminRefusal(404, 'no admin has set what waits in this mailbox');
        return { status: 204 };
      },
    },
  ];
}

function toJson({ waiting, account, counts }: MessageSummary): object {
  return { waiting, ...(account === undefined ? {} : { account }), messages: Object.fromEntries(counts) };
}

/** `{"waiting": true, "account": URI, "messages": {"voice-message": {"new": 2, "old": 8, "urgent": {"new": 0, "old": 2}}}}`, all optional. */
function readSummary(body: unknown): MessageSummary {
  const { waiting, account, messages, ...others } = record(body, 'the body');
  refuseOthers(others, 'the body');
  if (account !== undefined && !(typeof account === 'string' && isAccountUri(account))) throw bad('account is not a URI');
  const counts = new Map<string, MessageCount>();
  for (const [name, value] of Object.entries(messages === undefined ? {} : record(messages, 'messages'))) {
    if (!isMessageClass(name))
      throw bad(`messages: ${JSON.stringify(name.slice(0, 100))} is not a kind of messages such as "voice-message"`);
    if (counts.size >= MAX_CLASSES) throw bad(`messages has more than ${MAX_CLASSES} kinds`);
    counts.set(name, readCount(value, name));
  }
  if (waiting !== undefined && typeof waiting !== 'boolean') throw bad('waiting is neither true nor false');
  // Who gives counts alone need not say it twice.
  return { waiting: waiting ?? [...counts.values()].some((count) => count.new > 0), account, counts };
}

function readCount(value: unknown, name: string): MessageCount {
  const { new: fresh, old, urgent, ...others } = record(value, name);
  refuseOthers(others, name);
  const count = { new: whole(fresh, `${name}.new`), old: whole(old, `${name}.old`) };
  if (urgent === undefined) return count;
  const { new: urgentNew, old: urgentOld, ...unknown } = record(urgent, `${name}.urgent`);
  refuseOthers(unknown, `${name}.urgent`);
  return { ...count, urgent: { new: whole(urgentNew, `${name}.urgent.new`), old: whole(urgentOld, `${name}.urgent.old`) } };
}

function record(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad(`${what} is not a JSON object`);
  return value as Readonly<Record<string, unknown>>;
}

function refuseOthers(others: object, what: string): void {
  const [name] = Object.keys(others);
  if (name !== undefined) throw bad(`${what} has ${JSON.stringify(name.slice(0, 100))}, which means nothing here`);
}

function whole(value: unknown, what: string): number {
  const number = value ?? 0;
  if (typeof number !== 'number' || !Number.isInteger(number) || number < 0 || number > MAX_MESSAGES) {
    throw bad(`${what} is not a whole number from 0 to ${MAX_MESSAGES}`);
  }
  return number;
}

function bad(message: string): AdminRefusal {
  return new AdminRefusal(400, message);
}
