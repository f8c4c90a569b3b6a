/** What a watcher of dialogs asks for in the parameters of its Event header field (RFC 4235 3.2). */
import type { DialogEntry } from '../../schemas/dialog-info.ts';
import type { SipRequest } from '../message/message.ts';
import { parseNameAddr } from '../message/name-addr.ts';
import { parseParams } from '../message/params.ts';
import { SipError } from '../message/sip-error.ts';
import { detach, unquote } from '../message/text.ts';

/** Plain JSON, for it is kept with the subscription. */
export interface DialogTerms {
  /** One dialog, or with no remote tag all that one INVITE made. */
  readonly dialog?: { readonly callId: string; readonly localTag: string; readonly remoteTag?: string };
  /** Session descriptions are asked for. */
  readonly sessions?: true;
  /** URI in the watcher's Contact. */
  readonly contact?: string;
}

/** Reads the terms; throws SipError 400 for identifiers that name no dialog. */
export function readDialogTerms(request: SipRequest): DialogTerms {
  const event = request.headers.get('Event') ?? '';
  const params = parseParams(event, event.indexOf(';') < 0 ? event.length : event.indexOf(';'));
  const [callId, toTag, fromTag] = ['call-id', 'to-tag', 'from-tag'].map((name) => value(params.get(name)));
  if ((callId === undefined) !== (toTag === undefined) || (fromTag !== undefined && toTag === undefined)) {
    throw new SipError(400, 'Event names a dialog by call-id and to-tag, and maybe from-tag');
  }
  const contact = contactUri(request);
  return {
    ...(callId === undefined || toTag === undefined
      ? {}
      : { dialog: { callId, localTag: toTag, ...(fromTag === undefined ? {} : { remoteTag: fromTag }) } }),
    ...(params.has('include-session-description') ? { sessions: true } : {}),
    ...(contact === undefined ? {} : { contact }),
  };
}

function value(written: string | undefined): string | undefined {
  return written === undefined ? undefined : detach(unquote(written));
}

function contactUri(request: SipRequest): string | undefined {
  const contact = request.headers.get('Contact');
  return contact === undefined ? undefined : detach(parseNameAddr(contact).uri);
}

/** Whether the terms let the dialog be told: it is one of those asked for, and not the watcher's own call with the user (RFC 4235 3.3). */
export function isAskedFor({ callId, localTag, remoteTag, remoteTarget }: DialogEntry, { dialog, contact }: DialogTerms): boolean {
  if (!dialog) return remoteTarget === undefined || remoteTarget !== contact;
  if (dialog.callId !== callId || dialog.localTag !== localTag) return false;
  return dialog.remoteTag === undefined || dialog.remoteTag === remoteTag;
}
