import { ConfigError, loadConfig } from '../config.ts';
import type { Surroundings } from '../surroundings.ts';
import { askServer } from './admin-client.ts';
import type { Dropped, MessageStore, StoredMessages } from './message-routes.ts';

export interface MessageFlags {
  readonly data?: string;
  readonly config?: string;
  readonly all?: boolean;
  readonly json?: boolean;
}

/** `messages list`: who has messages waiting, or, of one user, which. */
export async function listMessages(user: string | undefined, flags: MessageFlags, surroundings: Surroundings): Promise<void> {
  const { out } = surroundings;
  const answer = await ask('GET', user === undefined ? [] : [user], flags, surroundings);
  if (flags.json) return out(JSON.stringify(answer, null, 2));
  const lines = user === undefined ? describeStore(answer as MessageStore) : describeMessages(answer as StoredMessages);
  for (const line of lines) out(line);
}

/** `messages drop`: those named, or all of the user's. */
export async function dropMessages(user: string, ids: readonly string[], flags: MessageFlags, surroundings: Surroundings): Promise<void> {
  if (ids.length === 0 && !flags.all) throw new ConfigError('say which messages, by the ids that `messages list` shows, or --all');
  if (ids.length > 0 && flags.all) throw new ConfigError('either ids or --all, not both');
  let dropped = 0;
  for (const path of flags.all ? [[user]] : ids.map((id) => [user, id])) {
    dropped += ((await ask('DELETE', path, flags, surroundings)) as Dropped).dropped;
  }
  surroundings.out(`${dropped} dropped`);
}

function ask(method: 'GET' | 'DELETE', path: readonly string[], flags: MessageFlags, { environment }: Surroundings): Promise<unknown> {
  const { dataDirectory } = loadConfig({ flags: { data: flags.data, config: flags.config }, environment });
  return askServer(dataDirectory, method, ['/messages', ...path.map(encodeURIComponent)].join('/'));
}

/** What others have written must not command the admin's terminal. */
function visible(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200);
}

function describeStore({ messages, bytes, users, omittedUsers }: MessageStore): string[] {
  const lines = users.map((one) => `${one.user}  ${one.messages} messages, ${one.bytes} bytes`);
  if (omittedUsers > 0) lines.push(`and ${omittedUsers} users more`);
  return [...lines, `${messages} messages, ${bytes} bytes in all`];
}

function describeMessages({ messages, bytes }: StoredMessages): string[] {
  const lines = messages.map(({ id, from, verified, type, received, ...one }) => {
    const sender = verified ? from : `${from} (not proved)`;
    return `${id}  ${visible(sender)}  ${visible(type)}  ${one.bytes} bytes  received ${received ?? 'earlier'}  expires ${one.expires}`;
  });
  return [...lines, `${messages.length} messages, ${bytes} bytes`];
}
