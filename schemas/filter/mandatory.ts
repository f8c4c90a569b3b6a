/** What a document cannot be valid without (RFC 4661 3.5.1): presence and watcher information, and what extends them. */
import { CPIM_PIDF, DATA_MODEL, PIDF } from '../pidf.ts';

const WINFO = 'urn:ietf:params:xml:ns:watcherinfo';

interface Mandatory {
  readonly attributes?: readonly string[];
  /** In the element's own namespace. */
  readonly elements?: readonly string[];
}

const NOTHING: Mandatory = {};

/** By namespace and local name. */
const MANDATORY: Readonly<Record<string, Mandatory>> = {
  [`${PIDF} presence`]: { attributes: ['entity'] },
  [`${PIDF} tuple`]: { attributes: ['id'], elements: ['status'] },
  [`${CPIM_PIDF} presence`]: { attributes: ['entity'] },
  [`${CPIM_PIDF} tuple`]: { attributes: ['id'], elements: ['status'] },
  [`${DATA_MODEL} person`]: { attributes: ['id'] },
  [`${DATA_MODEL} device`]: { attributes: ['id'], elements: ['deviceID'] },
  'urn:ietf:params:xml:ns:pidf:timed-status timed-status': { attributes: ['from'] },
  [`${WINFO} watcherinfo`]: { attributes: ['version', 'state'] },
  [`${WINFO} watcher-list`]: { attributes: ['resource', 'package'] },
  [`${WINFO} watcher`]: { attributes: ['id', 'status', 'event'] },
};

export function mandatoryIn(namespace: string, local: string): Mandatory {
  return MANDATORY[`${namespace} ${local}`] ?? NOTHING;
}
