import { STATUS_CODES } from 'node:http';
import { readMessageSummary } from '../helpers/message-summary-reader.ts';
import { type ReadPidf, readPidf } from '../helpers/pidf-reader.ts';
import { readListState } from '../helpers/rlmi-reader.ts';
import { bodyText, header, type SipMessage } from '../helpers/sip-message.ts';
import type { Traffic } from '../helpers/transcript.ts';
import { readWatcherinfo } from '../helpers/watcherinfo-reader.ts';
import type { XcapExchange } from '../helpers/xcap-client.ts';

export interface Description {
  readonly what: string;
  readonly meaning: string;
}

/** A SIP message in one line: what it is, and what it means. */
export function describeTraffic({ message, bytes }: Traffic): Description {
  if (!message) return { what: '(unreadable)', meaning: bytes.subarray(0, 40).toString('latin1') };
  if (message.kind === 'response') return { what: `${message.status} ${message.reason}`, meaning: responseMeaning(message) };
  if (message.method === 'NOTIFY') {
    return { what: `NOTIFY ${header(message, 'subscription-state') ?? ''}`, meaning: bodyMeaning(message) };
  }
  return { what: `${message.method} ${message.requestUri}`, meaning: requestMeaning(message) };
}

function requestMeaning(message: SipMessage): string {
  const expires = header(message, 'expires');
  const again = /;tag=/.test(header(message, 'to') ?? '');
  if (message.method === 'REGISTER') return expires === '0' ? 'logs off' : 'logs on';
  if (message.method === 'SUBSCRIBE') {
    const event = header(message, 'event') ?? '';
    const list = /eventlist/.test(header(message, 'supported') ?? '') ? ', takes lists' : '';
    if (expires === '0') return `${event}: ends the subscription`;
    return `${event}${list}: ${again ? 'refreshes' : 'asks to watch'}${expires === undefined ? '' : ` for ${expires} s`}`;
  }
  if (message.method === 'PUBLISH') {
    const etag = header(message, 'sip-if-match');
    const name = etag === undefined ? 'initial' : expires === '0' ? 'remove' : message.body.length > 0 ? 'modify' : 'refresh';
    return message.body.length > 0 ? `${name}: ${bodyMeaning(message)}` : name;
  }
  if (message.method === 'INVITE' && !again) {
    const [diverter] = (header(message, 'diversion') ?? '').split(',');
    return diverter ? `calls, diverted by ${shortName(diverter.replace(/^[^<]*</, ''))}` : 'calls';
  }
  return MEANINGS[message.method] ?? '';
}

const MEANINGS: Readonly<Record<string, string>> = {
  INVITE: 'changes the session',
  ACK: 'has the answer',
  CANCEL: 'wants it no more',
  BYE: 'hangs up',
  MESSAGE: 'says something',
  OPTIONS: 'asks what is possible',
};

function responseMeaning(message: SipMessage): string {
  if (message.status === 401 || message.status === 407) return 'credentials, please';
  const parts: string[] = [];
  if (message.method === 'NOTIFY') return 'received';
  if (/eventlist/.test(header(message, 'require') ?? '')) parts.push('it is a list');
  const expires = header(message, 'expires');
  if (expires !== undefined) parts.push(`for ${expires} s`);
  const etag = header(message, 'sip-etag');
  if (etag !== undefined) parts.push(`entity-tag ${etag}`);
  return `${message.method}${parts.length > 0 ? `: ${parts.join(', ')}` : ''}`;
}

function bodyMeaning(message: SipMessage): string {
  const body = bodyText(message);
  const type = header(message, 'content-type') ?? '';
  try {
    if (body === '') return 'no state';
    if (type.startsWith('multipart/related')) return listMeaning(message, body);
    if (type.startsWith('application/watcherinfo+xml')) {
      const { version, state, watchers } = readWatcherinfo(body);
      const each = watchers.map(({ uri, status, event }) => `${shortName(uri)} ${status}/${event}`);
      return `watchers v${version} ${state}: ${each.join(', ') || 'none'}`;
    }
    if (type.startsWith('application/simple-message-summary')) {
      const { waiting, lines } = readMessageSummary(body);
      const each = Object.entries(lines).map(([name, count]) => `${name} ${count}`);
      return `${waiting ? 'messages wait' : 'no messages'}${each.length > 0 ? `: ${each.join(', ')}` : ''}`;
    }
    if (type.startsWith('application/pidf+xml')) return pidfMeaning(body);
  } catch {
    // The scenario's own reading of the body says what is wrong with it.
  }
  return type;
}

function listMeaning(message: SipMessage, body: string): string {
  const state = readListState({ message, body, state: 'active', expires: undefined, reason: undefined, cseq: 0, type: '' });
  const each = state.resources.map(({ uri, instances }) => {
    const [instance] = instances;
    const told = instance?.pidf && tuplesMeaning(instance.pidf);
    return `${shortName(uri)} ${told ?? instance?.reason ?? instance?.state ?? 'unknown'}`;
  });
  return `list v${state.version} ${state.fullState ? 'full' : 'partial'}: ${each.join(', ')}`;
}

function pidfMeaning(body: string): string {
  const document = readPidf(body);
  return `${shortName(document.entity)} is ${tuplesMeaning(document) || 'silent'}`;
}

/** `open online + closed` */
function tuplesMeaning({ tuples }: ReadPidf): string {
  return tuples.map(({ basic, status }) => [basic, ...status.map((extension) => extension.text)].join(' ')).join(' + ');
}

function shortName(uri: string): string {
  return /^[a-z]+:([^@]+)@/.exec(uri)?.[1] ?? uri;
}

/** An HTTP request and its response, each in one line. */
export function describeExchange({ method, target, requestBody, response }: XcapExchange): { request: Description; response: Description } {
  const path = decodeURIComponent(target.replace(/\?.*$/, '')).replace(/^\/xcap-root\//, '');
  const [document = '', selector] = path.split('/~~/');
  const node = selector?.slice(selector.lastIndexOf('/') + 1);
  // Application usage and user say enough of an element's document.
  const what = node === undefined ? document : `${document.replace(/\/users\/([^/]+)\/.*$/, '/$1')} ${node}`;
  const handling = /<sub-handling>([a-z-]+)</.exec(requestBody)?.[1];
  const verb = method === 'PUT' ? 'writes' : method === 'DELETE' ? 'removes' : 'reads';
  const thing = node === undefined ? 'the document' : node.startsWith('@') ? 'an attribute' : 'an element';
  return {
    request: { what: `${method} ${what}`, meaning: `${verb} ${thing}${handling === undefined ? '' : `: ${handling}`}` },
    response: {
      what: `${response.status} ${STATUS_CODES[response.status] ?? ''}`,
      meaning: response.status === 401 ? 'credentials, please' : response.etag === '' ? 'HTTP' : `HTTP: ETag ${response.etag}`,
    },
  };
}
