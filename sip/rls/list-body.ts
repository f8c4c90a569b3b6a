/** The body of a list's NOTIFY: multipart/related with an RLMI document at its root (RFC 4662 5, RFC 2387). */
import { createHash } from 'node:crypto';
import { type InstanceState, RLMI_TYPE, type RlmiResource, writeRlmi } from '../../schemas/rlmi.ts';
import type { Body } from '../events/event-package.ts';
import type { MemberState } from '../events/watch.ts';
import { randomHex } from '../message/identifiers.ts';
import type { ListMember, ResolvedList } from './resolved-list.ts';

export interface MemberReport {
  readonly member: ListMember;
  /** Undefined when nothing is known of it. */
  readonly state: MemberState | undefined;
}

/** `reports` in the order of the list. */
export function writeListBody(list: ResolvedList, version: number, fullState: boolean, reports: readonly MemberReport[]): Body {
  const boundary = randomHex(12);
  const parts: Buffer[] = [];
  const resources: RlmiResource[] = [];
  let text = '';
  for (const { member, state } of reports) {
    const { uri, names } = member;
    if (!state) {
      resources.push({ uri, names, instances: [] });
      continue;
    }
    const id = instanceId(member.canonical);
    const cid = state.body && `${id}@${CID_DOMAIN}`;
    const instance = { id, state: state.status satisfies InstanceState, reason: state.reason, cid };
    resources.push({ uri, names, instances: [instance] });
    if (state.body && cid) {
      text = partHead(boundary, cid, state.body.contentType);
      parts.push(Buffer.from(text, 'latin1'), state.body.bytes, CRLF);
    }
  }
  const rlmi = writeRlmi({ uri: list.uri, version, fullState, names: list.names, resources });
  const root = Buffer.from(`${partHead(boundary, ROOT_CID, `${RLMI_TYPE};charset="UTF-8"`)}${rlmi}\r\n`, 'utf8');
  const bytes = Buffer.concat([root, ...parts, Buffer.from(`--${boundary}--\r\n`, 'latin1')]);
  // The boundary is a token, so it needs no quotes; agents exist that read it only so, and only at the end.
  return { contentType: `multipart/related;type="${RLMI_TYPE}";start="<${ROOT_CID}>";boundary=${boundary}`, bytes };
}

const CRLF = Buffer.from('\r\n', 'latin1');
const CID_DOMAIN = 'rollcall';
const ROOT_CID = `list@${CID_DOMAIN}`;

function partHead(boundary: string, cid: string, contentType: string): string {
  return `--${boundary}\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <${cid}>\r\nContent-Type: ${contentType}\r\n\r\n`;
}

const INSTANCE_CACHE_LIMIT = 50_000;
const instanceIds = new Map<string, string>();

/** Stable for a resource, over restarts too, and unlike that of any other. */
export function instanceId(canonical: string): string {
  let id = instanceIds.get(canonical);
  if (id === undefined) {
    id = createHash('sha256').update(canonical).digest('hex').slice(0, 16);
    if (instanceIds.size >= INSTANCE_CACHE_LIMIT) instanceIds.clear();
    instanceIds.set(canonical, id);
  }
  return id;
}
