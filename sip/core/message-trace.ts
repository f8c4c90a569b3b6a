import type { MessageTrace } from '../transaction/transaction-layer.ts';
import type { Logger } from './log.ts';

/** Writes every message to the log at level debug, credentials hidden. For `TransactionLayer.trace`. */
export function messageTrace(log: Logger): MessageTrace {
  return (direction, message, flow) => {
    if (!log.isLevelEnabled('debug')) return;
    const bytes = Buffer.isBuffer(message) ? message : message.toBuffer();
    const peer = `${flow.protocol} ${flow.remoteAddress}:${flow.remotePort}`;
    log.debug({ peer, sip: redact(bytes.toString('utf8')) }, direction === 'in' ? 'SIP received' : 'SIP sent');
  };
}

/** Hides the values of Authorization and Proxy-Authorization, folded lines included, and the passwords in URIs. */
export function redact(message: string): string {
  const end = message.search(/\r?\n\r?\n/);
  const head = end < 0 ? message : message.slice(0, end);
  return (
    withoutPassword(head.replace(/^((?:Proxy-)?Authorization[ \t]*:)[^\n]*(?:\n[ \t][^\n]*)*/gim, '$1 [hidden]')) +
    (end < 0 ? '' : message.slice(end))
  );
}

/** Hides the passwords that SIP URIs may carry (RFC 3261 19.1.1). */
export function withoutPassword(text: string): string {
  return text.replace(PASSWORD, '$1[hidden]@');
}

/** Bounded, so that a text full of colons takes no quadratic time. */
const PASSWORD = /(sips?:[^\s:@<>"]{1,256}:)[^\s@<>"]{0,256}@/gi;
