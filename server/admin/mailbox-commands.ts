import { ConfigError, loadConfig } from '../config.ts';
import type { Surroundings } from '../surroundings.ts';
import { askServer } from './admin-client.ts';

export interface MailboxFlags {
  readonly data?: string;
  readonly config?: string;
}

/** `mailbox show`: what the running server tells the owner's phones, as JSON. */
export async function showMailbox(user: string, flags: MailboxFlags, surroundings: Surroundings): Promise<void> {
  surroundings.out(JSON.stringify(await ask('GET', user, flags, surroundings)));
}

/** `mailbox set`: counts such as `voice-message=2/8`, or `voice-message=2/8:0/2` with those of them that are urgent. */
export async function setMailbox(user: string, counts: readonly string[], flags: MailboxFlags, surroundings: Surroundings): Promise<void> {
  const messages = Object.fromEntries(counts.map(readCount));
  surroundings.out(JSON.stringify(await ask('PUT', user, flags, surroundings, { messages })));
}

/** `mailbox clear`: forgets what was set. */
export async function clearMailbox(user: string, flags: MailboxFlags, surroundings: Surroundings): Promise<void> {
  await ask('DELETE', user, flags, surroundings);
}

function ask(
  method: 'GET' | 'PUT' | 'DELETE',
  user: string,
  { data, config }: MailboxFlags,
  { environment }: Surroundings,
  body?: unknown,
): Promise<unknown> {
  const { dataDirectory } = loadConfig({ flags: { data, config }, environment });
  return askServer(dataDirectory, method, `/mailboxes/${encodeURIComponent(user)}`, body);
}

const COUNT = /^([a-z-]+)=(\d{1,10})\/(\d{1,10})(?::(\d{1,10})\/(\d{1,10}))?$/i;

function readCount(text: string): [kind: string, count: object] {
  const [, kind = '', fresh, old, urgentNew, urgentOld] = COUNT.exec(text) ?? [];
  if (kind === '') throw new ConfigError(`"${text}" is not a count such as voice-message=2/8 or, with urgent ones, voice-message=2/8:0/2`);
  const count = { new: Number(fresh), old: Number(old) };
  const urgent = urgentNew === undefined ? {} : { urgent: { new: Number(urgentNew), old: Number(urgentOld) } };
  return [kind.toLowerCase(), { ...count, ...urgent }];
}
