/** The body of a list's NOTIFY: multipart/related with an RLMI document at its root (RFC 4662 5, RFC 2387). */
import { hash } from 'node:crypto';
import { type InstanceState, RLMI_TYPE, type RlmiResource, writeRlmi } from '../../schemas/rlmi.ts';
import type { Body } from '../events/event-package.ts';
import type { MemberState } from '../events/watch.ts';
import { randomHex } from '../message/identifiers.ts';
import type { ListMember, MemberList } from './resolved-list.ts';

export interface MemberReport {
  readonly member: ListMember;
  /** Undefined when nothing is known of it. */
  readonly state: MemberState | undefined;
}

/**
 * How parts are named: as RFC 2045 7 says, or bare: `Content-Id`, without the angle brackets. Agents exist that find parts only by the very
 * text of RLMI's cid under that very name.
 */
export type PartNaming = 'standard' | 'bare';

export interface ListBody {
  readonly list: MemberList;
  readonly version: number;
  readonly fullState: boolean;
  /** In the order of the list. */
  readonly reports: readonly MemberReport[];
  readonly naming: PartNaming;
  /** Tells the parts of a list within another from those of the other; '' for the outermost. */
  readonly path: string;
}

export function writeListBody({ list, version, fullState, reports, naming, path }: ListBody): Body {
  const boundary = randomHex(12);
  const heads: string[] = [];
  const bodies: Buffer[] = [];
  const resources: RlmiResource[] = [];
  let size = 0;
  for (const { member, state } of reports) {
    const { uri, names } = member;
    // RFC 4662 5.5: an active instance must have its state with it.
    if (!state || (state.status === 'active' && !state.body)) {
      resources.push({ uri, names, instances: NONE });
      continue;
    }
    const { status, reason, body } = state;
    const id = instanceId(member.canonical);
    const cid = body && `${path}${id}@${CID_DOMAIN}`;
    resources.push({ uri, names, instances: [{ id, state: status satisfies InstanceState, reason, cid }] });
    if (!body || !cid) continue;
    const head = partHead(boundary, cid, body.contentType, naming);
    heads.push(head);
    bodies.push(body.bytes);
    size += head.length + body.bytes.length + 2;
  }
  const rlmi = writeRlmi({ uri: list.uri, version, fullState, names: list.names, resources });
  const rootCid = `${path}list@${CID_DOMAIN}`;
  const root = `${partHead(boundary, rootCid, `${RLMI_TYPE};charset="UTF-8"`, naming)}${rlmi}\r\n`;
  const end = `--${boundary}--\r\n`;
  // Written once, into place: with many members every copy would cost.
  const bytes = Buffer.allocUnsafe(Buffer.byteLength(root, 'utf8') + size + end.length);
  let at = bytes.write(root, 0, 'utf8');
  for (const [i, body] of bodies.entries()) {
    at += bytes.write(heads[i] ?? '', at, 'latin1');
    at += body.copy(bytes, at);
    at += bytes.write('\r\n', at, 'latin1');
  }
  bytes.write(end, at, 'latin1');
  // RFC 2387 3.2: without a start the first part is the root. A bare Content-Id is none that start could name.
  const start = naming === 'standard' ? `;start="<${rootCid}>"` : '';
  // The boundary is a token, so it needs no quotes; agents exist that read it only so, and only at the end.
  return { contentType: `multipart/related;type="${RLMI_TYPE}"${start};boundary=${boundary}`, bytes };
}

const NONE: RlmiResource['instances'] = [];
const CID_DOMAIN = 'rollcall';

function partHead(boundary: string, cid: string, contentType: string, naming: PartNaming): string {
  const id = naming === 'standard' ? `Content-ID: <${cid}>` : `Content-Id: ${cid}`;
  return `--${boundary}\r\nContent-Transfer-Encoding: binary\r\n${id}\r\nContent-Type: ${contentType}\r\n\r\n`;
}

const INSTANCE_CACHE_LIMIT = 50_000;
const instanceIds = new Map<string, string>();

/** Stable for a resource, over restarts too, and unlike that of any other. */
export function instanceId(canonical: string): string {
  let id = instanceIds.get(canonical);
  if (id === undefined) {
    id = hash('sha256', canonical).slice(0, 16);
    if (instanceIds.size >= INSTANCE_CACHE_LIMIT) instanceIds.clear();
    instanceIds.set(canonical, id);
  }
  return id;
}
