/** What a package must have in memory before it can decide about a resource or tell its state. */
import type { Logger } from '../core/log.ts';
import { SipError } from '../message/sip-error.ts';
import type { EventPackage } from './event-package.ts';

/**
 * Documents may change while they are read: what decides is in memory only when there is nothing left to wait for. Undefined when it is there
 * already.
 * Rejects with a SipError 503 where it cannot be read.
 */
export function whenReady(eventPackage: EventPackage, resource: string, log: Logger): Promise<void> | undefined {
  return eventPackage.ready?.(resource)?.then(
    () => whenReady(eventPackage, resource, log),
    (error: unknown) => {
      throw unreadable(error, log);
    },
  );
}

/** Seconds after which who has been told that documents cannot be read may ask again. */
const RETRY_AFTER = '30';

/** The answer to a request for which documents are needed that cannot be read: the fault is not the request's (RFC 3261 21.5.4). */
export function unreadable(error: unknown, log: Logger): SipError {
  if (error instanceof SipError) return error;
  log.error({ err: error }, 'documents cannot be read');
  return new SipError(503, 'The documents that decide cannot be read', [['Retry-After', RETRY_AFTER]]);
}
