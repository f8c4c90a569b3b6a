import { serialise } from './sip-message.ts';
import type { HeaderField, RequestSpec, SubscribeOptions } from './sip-peer-options.ts';
import { hostPort, type SipSocket } from './sip-socket.ts';
import { token } from './token.ts';

export interface RequestFrame {
  readonly socket: SipSocket;
  readonly callId: string;
  readonly cseq: number;
  readonly from: string;
  readonly authorization: string | undefined;
  /** The credentials are for a proxy (RFC 3261 22.3). */
  readonly byProxy?: boolean;
  /** For requests outside a dialog. */
  readonly routes: readonly string[] | undefined;
}

/** The bytes of a request (RFC 3261 8.1.1), with a branch of its own. */
export function composeRequest(spec: RequestSpec, frame: RequestFrame): Buffer {
  const { transport, local } = frame.socket;
  const outside = !/;tag=/.test(spec.to ?? '');
  const fields: HeaderField[] = [
    ['Via', `SIP/2.0/${transport} ${hostPort(local)};branch=z9hG4bK${token()}${transport === 'UDP' ? ';rport' : ''}`],
    ['Max-Forwards', '70'],
    ...(outside ? (frame.routes ?? []) : (spec.routes ?? [])).map((route): HeaderField => ['Route', route]),
    ['From', frame.from],
    ['To', spec.to ?? `<${spec.uri}>`],
    ['Call-ID', frame.callId],
    ['CSeq', `${frame.cseq} ${spec.method}`],
    ...(frame.authorization === undefined ? [] : [[frame.byProxy ? 'Proxy-Authorization' : 'Authorization', frame.authorization] as const]),
    ...(spec.headers ?? []),
  ];
  return serialise(`${spec.method} ${spec.uri} SIP/2.0`, fields, spec.body);
}

/** What a SUBSCRIBE says besides its dialog, the first time and in each refresh. */
export function subscribeHeaders(event: string, options: SubscribeOptions, expires: number | undefined): HeaderField[] {
  const fields: HeaderField[] = [['Event', event]];
  if (expires !== undefined) fields.push(['Expires', String(expires)]);
  if (options.supported) fields.push(['Supported', options.supported.join(', ')]);
  for (const type of options.accept ?? []) fields.push(['Accept', type]);
  return [...fields, ...(options.headers ?? [])];
}
