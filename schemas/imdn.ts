/** Instant message disposition notifications (RFC 5438 11): what became of a message. */
import { escapeText } from './xml/escape.ts';

export const IMDN = 'urn:ietf:params:xml:ns:imdn';
export const IMDN_TYPE = 'message/imdn+xml';

/** What servers between sender and recipient may say (RFC 5438 8.1, 8.2). */
export type Disposition =
  | { readonly kind: 'processing'; readonly status: 'processed' | 'stored' | 'error' }
  | { readonly kind: 'delivery'; readonly status: 'failed' };

export interface Imdn {
  /** Of the message that it tells of. */
  readonly messageId: string;
  /** When that was sent, as it says itself. */
  readonly dateTime: string;
  readonly recipient: string;
  readonly originalRecipient: string;
  readonly subject: string | undefined;
  readonly disposition: Disposition;
}

/** Writes the document, with both recipients or none, and a subject only behind them (RFC 5438 11.1.9). */
export function writeImdn({ messageId, dateTime, recipient, originalRecipient, subject, disposition }: Imdn): string {
  const { kind, status } = disposition;
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<imdn xmlns="${IMDN}">`,
    `<message-id>${escapeText(messageId)}</message-id>`,
    `<datetime>${escapeText(dateTime)}</datetime>`,
    `<recipient-uri>${escapeText(recipient)}</recipient-uri>`,
    `<original-recipient-uri>${escapeText(originalRecipient)}</original-recipient-uri>`,
    ...(subject === undefined ? [] : [`<subject>${escapeText(subject)}</subject>`]),
    `<${kind}-notification><status><${status}/></status></${kind}-notification>`,
    '</imdn>',
    '',
  ];
  return lines.join('\r\n');
}
