/** Message summaries, application/simple-message-summary (RFC 3842 5.2): whether messages wait, whose, and how many of each kind. */
import { MalformedDocument } from './malformed-document.ts';

export const MESSAGE_SUMMARY_TYPE = 'application/simple-message-summary';

/** RFC 3842 3.5: counters end here. */
export const MAX_MESSAGES = 4_294_967_295;

export interface MessageSummary {
  readonly waiting: boolean;
  /** URI of the account; undefined where the summary names none. */
  readonly account?: string | undefined;
  /** By message context class in lower case (RFC 3458 6.2: `voice-message`, `fax-message`, ...), in the order written. */
  readonly counts: ReadonlyMap<string, MessageCount>;
}

/** Whole numbers from 0 to MAX_MESSAGES; those of urgent messages are part of the others. */
export interface MessageCount {
  readonly new: number;
  readonly old: number;
  readonly urgent?: { readonly new: number; readonly old: number } | undefined;
}

/** Classes of one summary; RFC 3458 knows six. */
export const MAX_CLASSES = 20;
const MAX_ACCOUNT = 1000;

/** A message context class: a token, as a header field's name. */
export function isMessageClass(text: string): boolean {
  return /^[a-z0-9][a-z0-9-]{0,63}$/.test(text) && text !== 'messages-waiting' && text !== 'message-account';
}

/** An absolute URI that can stand in a line of the summary, without angle brackets (RFC 3842 3.5). */
export function isAccountUri(text: string): boolean {
  return text.length <= MAX_ACCOUNT && /^[A-Za-z][A-Za-z0-9+.-]*:[^\s<>"\x00-\x20\x7f-\uffff]+$/.test(text);
}

/** Writes the summary (RFC 3842 5.2). */
export function writeMessageSummary({ waiting, account, counts }: MessageSummary): string {
  let out = `Messages-Waiting: ${waiting ? 'yes' : 'no'}\r\n`;
  if (account !== undefined) out += `Message-Account: ${account}\r\n`;
  for (const [name, { new: fresh, old, urgent }] of counts) {
    out += `${fieldName(name)}: ${fresh}/${old}${urgent ? ` (${urgent.new}/${urgent.old})` : ''}\r\n`;
  }
  return out;
}

/** `voice-message` is written `Voice-Message`. */
function fieldName(messageClass: string): string {
  return messageClass.replace(/(?:^|-)[a-z]/g, (start) => start.toUpperCase());
}

const COUNT = /^(\d{1,30})[ \t]*\/[ \t]*(\d{1,30})(?:[ \t]*\([ \t]*(\d{1,30})[ \t]*\/[ \t]*(\d{1,30})[ \t]*\))?$/;

/**
 * Reads a summary. Lines may end in LF alone, the last in nothing; an account may stand in angle brackets; larger counters count as the
 * greatest (RFC 3842 3.5). Header fields of single messages, which follow an empty line, are passed over: they are not state, and no
 * synchronising NOTIFY may hold them. Throws MalformedDocument for anything else.
 */
export function parseMessageSummary(text: string): MessageSummary {
  let waiting: boolean | undefined;
  let account: string | undefined;
  const counts = new Map<string, MessageCount>();
  for (const line of summaryLines(text)) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon)).trim();
    const value = line.slice(colon + 1).trim();
    const field = name.toLowerCase();
    if (field === 'messages-waiting') {
      if (waiting !== undefined) throw new MalformedDocument('there is more than one Messages-Waiting');
      waiting = readStatus(value);
    } else if (waiting === undefined) throw new MalformedDocument('the first line is not Messages-Waiting');
    else if (field === 'message-account') {
      account = value.replace(/^<(.*)>$/, '$1');
      if (!isAccountUri(account)) throw new MalformedDocument('Message-Account is not a URI');
    } else if (!isMessageClass(field)) throw new MalformedDocument('a line is not a count of messages');
    else {
      if (counts.size >= MAX_CLASSES) throw new MalformedDocument(`there are more than ${MAX_CLASSES} kinds of messages`);
      counts.set(field, readCount(name, value));
    }
  }
  if (waiting === undefined) throw new MalformedDocument('there is no Messages-Waiting');
  return { waiting, account, counts };
}

/** Lines up to the first empty one. */
function summaryLines(text: string): string[] {
  const lines = text.split('\n', MAX_CLASSES + 4).map((line) => line.replace(/\r$/, ''));
  const end = lines.findIndex((line) => line.trim() === '');
  return end < 0 ? lines : lines.slice(0, end);
}

function readStatus(value: string): boolean {
  const status = value.toLowerCase();
  if (status !== 'yes' && status !== 'no') throw new MalformedDocument('Messages-Waiting is neither yes nor no');
  return status === 'yes';
}

function readCount(name: string, value: string): MessageCount {
  const match = COUNT.exec(value);
  if (!match) throw new MalformedDocument(`${name} is not NEW/OLD or NEW/OLD (NEW/OLD)`);
  const [fresh = 0, old = 0, urgentNew, urgentOld] = match.slice(1).map((digits) => Math.min(Number(digits), MAX_MESSAGES));
  if (match[3] === undefined) return { new: fresh, old };
  return { new: fresh, old, urgent: { new: urgentNew ?? 0, old: urgentOld ?? 0 } };
}
