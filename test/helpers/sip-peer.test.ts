import { afterEach, describe, expect, test } from 'vitest';
import { DigestClient, digestResponse } from './digest-client.ts';
import { header, headerLines, parseMessage, type SipMessage, serialise } from './sip-message.ts';
import { SipPeer } from './sip-peer.ts';
import { type Frame, openSipSocket, type SipSocket } from './sip-socket.ts';

/** Changes the text of a message that the script would send rightly. */
type Mutation = (text: string) => string;

interface Script {
  /** The final response to SUBSCRIBE and PUBLISH. */
  readonly response?: Mutation;
  /** The NOTIFYs, in order, with what is wrong with each. */
  readonly notifies?: readonly Mutation[];
  /** Each NOTIFY is sent this many times. */
  readonly times?: number;
}

const right: Mutation = (text) => text;
const open: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  // A peer that has seen a fault says so once more when it is closed.
  for (const close of open.splice(0)) await close().catch(() => {});
});

/** A server that knows nothing but what a test tells it to send. */
async function scriptedServer(transport: 'udp' | 'tcp', script: Script): Promise<SipSocket> {
  const socket: SipSocket = await openSipSocket(
    transport,
    (frame) => respond(frame),
    () => {},
  );
  open.push(() => socket.close());
  let cseq = 100;
  const respond = (frame: Frame): void => {
    const { message } = parseMessage(frame.bytes);
    if (!message || message.kind === 'response') return;
    frame.reply(Buffer.from((script.response ?? right)(ok(message, frame, socket))));
    if (message.method !== 'SUBSCRIBE') return;
    for (const mutate of script.notifies ?? []) {
      const bytes = Buffer.from(mutate(notify(message, socket, ++cseq)));
      for (let time = 0; time < (script.times ?? 1); time++) frame.reply(bytes);
    }
  };
  return socket;
}

function ok(request: SipMessage, frame: Frame, socket: SipSocket): string {
  const via = (header(request, 'via') ?? '').replace(';rport', `;received=127.0.0.1;rport=${frame.remote.port}`);
  const fields: [string, string][] = [
    ['Via', via],
    ['From', header(request, 'from') ?? ''],
    ['To', `${header(request, 'to')};tag=server`],
    ['Call-ID', header(request, 'call-id') ?? ''],
    ['CSeq', header(request, 'cseq') ?? ''],
    ['Expires', header(request, 'expires') ?? '3600'],
  ];
  if (request.method === 'SUBSCRIBE') fields.push(['Contact', `<sip:127.0.0.1:${socket.local.port}>`]);
  if (request.method === 'PUBLISH') fields.push(['SIP-ETag', 'tag1']);
  for (const route of headerLines(request, 'record-route')) fields.push(['Record-Route', route]);
  return serialise('SIP/2.0 200 OK', fields).toString();
}

function notify(request: SipMessage, socket: SipSocket, cseq: number): string {
  const contact = (header(request, 'contact') ?? '').slice(1, -1);
  const fields: [string, string][] = [
    ['Via', `SIP/2.0/${socket.transport} 127.0.0.1:${socket.local.port};branch=z9hG4bKnotify${cseq}`],
    ['Max-Forwards', '70'],
    ['From', `${header(request, 'to')};tag=server`],
    ['To', header(request, 'from') ?? ''],
    ['Call-ID', header(request, 'call-id') ?? ''],
    ['CSeq', `${cseq} NOTIFY`],
    ['Contact', `<sip:127.0.0.1:${socket.local.port}>`],
    ['Event', header(request, 'event') ?? ''],
    ['Subscription-State', `active;expires=${header(request, 'expires') ?? '3600'}`],
    ['Content-Type', 'application/pidf+xml'],
  ];
  return serialise(`NOTIFY ${contact} SIP/2.0`, fields, '<presence/>').toString();
}

async function watcher(transport: 'udp' | 'tcp', script: Script): Promise<SipPeer> {
  const socket = await scriptedServer(transport, script);
  const peer = await SipPeer.create({ user: 'a', domain: 'example.com', transport, server: socket.local });
  open.push(() => peer.close());
  return peer;
}

/** Replaces the one line of that name; '' takes it away. */
const line =
  (name: string, replacement: string): Mutation =>
  (text) =>
    text.replace(new RegExp(`^${name}: .*\r\n`, 'm'), replacement === '' ? '' : `${replacement}\r\n`);
const swap =
  (from: string | RegExp, to: string): Mutation =>
  (text) =>
    text.replace(from, to);

describe.each(['udp', 'tcp'] as const)('a peer over %s', (transport) => {
  test('finds nothing wrong with what is right', async () => {
    const peer = await watcher(transport, { notifies: [right, right] });
    const subscription = await peer.subscribe('sip:b@example.com', { expires: 60, accept: ['application/pidf+xml'] });
    expect((await subscription.notify()).cseq).toBe(101);
    expect((await subscription.notify()).body).toBe('<presence/>');
    expect((await peer.publish('<presence/>', { expires: 30 })).etag).toBe('tag1');
    await peer.close();
  });

  test('says in words and with the messages what it waited for in vain', async () => {
    const peer = await watcher(transport, {});
    const subscription = await peer.subscribe('sip:b@example.com');
    await expect(subscription.notify(() => true, 50)).rejects.toThrow(
      /no NOTIFY as expected within 50 ms for sip:b@example\.com[\s\S]*SIP\/2\.0 200 OK/,
    );
  });

  test('answers a NOTIFY as it is told to', async () => {
    const answers: number[] = [];
    const socket: SipSocket = await openSipSocket(
      transport,
      (frame) => {
        const { message } = parseMessage(frame.bytes);
        if (message?.kind === 'response') return void answers.push(message.status);
        if (!message) return;
        frame.reply(Buffer.from(ok(message, frame, socket)));
        frame.reply(Buffer.from(notify(message, socket, 1)));
      },
      () => {},
    );
    open.push(() => socket.close());
    const peer = await SipPeer.create({ user: 'a', domain: 'example.com', transport, server: socket.local });
    open.push(() => peer.close());
    const subscription = await peer.subscribe('sip:b@example.com', { answer: 481 });
    await subscription.notify();
    await expect.poll(() => answers).toEqual([481]);
  });
});

const EVERY_MESSAGE: [fault: string, mutation: Mutation, found: RegExp][] = [
  ['no Content-Length', line('Content-Length', ''), /Content-Length is missing/],
  ['a wrong Content-Length', swap(/Content-Length: \d+/, 'Content-Length: 500'), /Content-Length says 500/],
  ['two Content-Lengths', swap(/(Content-Length: \d+\r\n)/, '$1$1'), /content-length stands 2 times/],
  ['no Call-ID', line('Call-ID', ''), /without Call-ID|no request of ours|in no dialog/],
  ['no CSeq', line('CSeq', ''), /CSeq is not/],
  ['a CSeq without a space', swap(/CSeq: (\d+) /, 'CSeq: $1'), /CSeq is not/],
  ['header folding', swap(/;tag=server/, '\r\n ;tag=server'), /header folding/],
  ['a compact name', swap('Call-ID:', 'i:'), /compact header name "i"/],
  ['an empty parameter', swap(';tag=server', ';;tag=server'), /empty parameter/],
  ['white space before the colon', swap('Call-ID:', 'Call-ID :'), /before the colon/],
  ['bare line feeds', swap(/\r\nCSeq/, '\nCSeq'), /does not end in CRLF/],
  ['a Contact in no angle brackets', swap(/Contact: <([^>]+)>/, 'Contact: $1'), /not in angle brackets/],
  ['a Contact that leads elsewhere', swap(/Contact: <[^>]+>/, 'Contact: <sip:192.0.2.1>'), /does not lead to the server/],
  ['no Contact', line('Contact', ''), /without Contact|0 Contact header fields/],
];

const RESPONSES: [fault: string, mutation: Mutation, found: RegExp][] = [
  ['no To tag', swap(';tag=server', ''), /has no tag/],
  ['another To', swap('b@example.com', 'c@example.com'), /To is changed/],
  ['another From tag', swap(/(From: .*;tag=)\w+/, '$1other'), /From is not echoed/],
  ['another Via branch', swap(/branch=z9hG4bK/, 'branch=z9hG4bKx'), /a response to no request of ours/],
  ['another Via port', swap(/(Via: .*127\.0\.0\.1:)\d+/, '$19'), /Via is changed/],
  ['an unfilled rport', swap(/;rport=\d+/, ';rport'), /rport is not filled in/],
  ['two Vias', swap(/(Via: .*\r\n)/, '$1Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKelse\r\n'), /sent 1 Via, 2 came back/],
  ['202 to SUBSCRIBE', swap('200 OK', '202 Accepted'), /deprecated/],
  ['no Expires', line('Expires', ''), /without Expires/],
  ['a longer Expires', swap(/Expires: \d+/, 'Expires: 7200'), /longer than/],
  ['489 without Allow-Events', swap('200 OK', '489 Bad Event'), /without Allow-Events/],
  ['401 without a challenge', swap('200 OK', '401 Unauthorized'), /without WWW-Authenticate/],
];

const NOTIFIES: [fault: string, mutation: Mutation, found: RegExp][] = [
  ['a Via without the magic cookie', swap('z9hG4bK', ''), /magic cookie/],
  ['a Via of the other transport', swap('SIP/2.0/UDP', 'SIP/2.0/TCP'), /Via says TCP/],
  ['a Via with another port', swap(/(Via: .*127\.0\.0\.1:)\d+/, '$19'), /responses would be lost/],
  ['no Max-Forwards', line('Max-Forwards', ''), /without Max-Forwards/],
  ['no From tag', swap(';tag=server', ''), /From has no tag/],
  ['a From in no angle brackets', swap(/From: <([^>]+)>/, 'From: $1'), /From is not in angle brackets/],
  ['another From tag', swap(';tag=server', ';tag=other'), /server's tag is other/],
  ['another To tag', swap(/(To: .*;tag=)\w+/, '$1other'), /in no dialog of ours/],
  ['another Call-ID', swap(/Call-ID: \w+/, 'Call-ID: other'), /in no dialog of ours/],
  ['another From', swap('b@example.com', 'c@example.com'), /remote URI/],
  ['another Request-URI', swap(/^NOTIFY sip:a@/, 'NOTIFY sip:z@'), /Request-URI is/],
  ['another Event', swap('Event: presence', 'Event: presence;id=1'), /Event is/],
  ['no Subscription-State', line('Subscription-State', ''), /without Subscription-State/],
  ['a state that does not exist', swap('active;', 'alive;'), /Subscription-State is "alive"/],
  ['no expires', swap(/active;expires=\d+/, 'active'), /without expires/],
  ['expires that rises', swap(/;expires=\d+/, ';expires=90'), /it rises/],
  ['a reason that does not exist', swap(/active;expires=\d+/, 'terminated;reason=bored'), /unknown Subscription-State reason/],
  ['a type we do not accept', swap('application/pidf', 'application/xpidf'), /not among what we accept/],
  ['a body without Content-Type', line('Content-Type', ''), /body without Content-Type/],
  ['a Route that nobody recorded', swap('Event:', 'Route: <sip:192.0.2.1;lr>\r\nEvent:'), /Route is/],
];

describe('a peer catches in a NOTIFY', () => {
  test.each([...EVERY_MESSAGE, ...NOTIFIES])('%s', async (_fault, mutation, found) => {
    const peer = await watcher('udp', { notifies: [mutation] });
    const awaited = peer.subscribe('sip:b@example.com', { expires: 60 }).then((subscription) => subscription.notify());
    await expect(awaited).rejects.toThrow(found);
    await expect(peer.close()).rejects.toThrow(found);
  });

  test('a CSeq that skips', async () => {
    const peer = await watcher('udp', { notifies: [right, swap(/CSeq: 102/, 'CSeq: 103')] });
    const subscription = await peer.subscribe('sip:b@example.com', { expires: 60 });
    await subscription.notify();
    await expect(subscription.notify()).rejects.toThrow(/CSeq is 103 after 101/);
  });

  test('a CSeq that falls across a restart, but not one that skips', async () => {
    const peer = await watcher('udp', { notifies: [right] });
    const subscription = await peer.subscribe('sip:b@example.com', { expires: 60 });
    const { message } = await subscription.notify();
    const numbered = (cseq: number): SipMessage => {
      const text = message.raw.toString().replace('CSeq: 101', `CSeq: ${cseq}`);
      return parseMessage(Buffer.from(text)).message ?? message;
    };
    subscription.serverRestarted();
    expect(subscription.receive(numbered(150), false)).toEqual([]);
    subscription.serverRestarted();
    expect(subscription.receive(numbered(149), false)).toEqual(['CSeq is 149 after 150 across a restart']);
  });

  test('one that comes after the end', async () => {
    const peer = await watcher('udp', { notifies: [swap(/active;expires=\d+/, 'terminated;reason=timeout'), right] });
    const subscription = await peer.subscribe('sip:b@example.com', { expires: 60 });
    await expect(subscription.notify().then(() => subscription.notify())).rejects.toThrow(/after the one that terminated/);
  });

  test('one that passes the route set by', async () => {
    const peer = await watcher('udp', { notifies: [(text) => text.replace('Event:', 'Route: <sip:192.0.2.1;lr>\r\nEvent:')] });
    const awaited = peer
      .subscribe('sip:b@example.com', { recordRoutes: ['<sip:192.0.2.1;lr>'] })
      .then((subscription) => subscription.notify());
    await expect(awaited).rejects.toThrow(/did not come through the route set/);
  });

  test('a branch used twice for different requests', async () => {
    const peer = await watcher('udp', { notifies: [right, swap('z9hG4bKnotify102', 'z9hG4bKnotify101')] });
    const subscription = await peer.subscribe('sip:b@example.com', { expires: 60 });
    await subscription.notify();
    await expect(subscription.notify()).rejects.toThrow(/used for two different requests/);
  });

  test('a retransmission over TCP, which over UDP is answered again and counted once', async () => {
    const stream = await watcher('tcp', { notifies: [right], times: 2 });
    await stream.subscribe('sip:b@example.com', { expires: 60 }).catch(() => {});
    await expect.poll(() => stream.faults).toContain('a request was retransmitted over TCP');
    const peer = await watcher('udp', { notifies: [right], times: 2 });
    const subscription = await peer.subscribe('sip:b@example.com', { expires: 60 });
    await subscription.notify();
    const answered = (): number =>
      peer.transcript.entries.filter(({ direction, message }) => direction === 'sent' && message?.method === 'NOTIFY').length;
    await expect.poll(answered).toBe(2);
    expect(subscription.notifications).toHaveLength(1);
    await peer.close();
  });
});

describe('a peer catches in a response', () => {
  test.each([...EVERY_MESSAGE, ...RESPONSES])('%s', async (_fault, mutation, found) => {
    const peer = await watcher('udp', { response: mutation });
    await expect(peer.subscribe('sip:b@example.com', { expires: 60 })).rejects.toThrow(found);
  });

  test('PUBLISH without SIP-ETag', async () => {
    const peer = await watcher('udp', { response: line('SIP-ETag', '') });
    await expect(peer.publish('<presence/>')).rejects.toThrow(/without SIP-ETag/);
  });

  test('a Record-Route that is not copied', async () => {
    const peer = await watcher('udp', { response: line('Record-Route', '') });
    await expect(peer.subscribe('sip:b@example.com', { recordRoutes: ['<sip:192.0.2.1;lr>'] })).rejects.toThrow(
      /Record-Route is not copied/,
    );
  });
});

describe('the digest client', () => {
  // The inputs and results of RFC 7616 3.9.1.
  const input = {
    user: 'Mufasa',
    realm: 'http-auth@example.org',
    password: 'Circle of Life',
    method: 'GET',
    uri: '/dir/index.html',
    nonce: '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v',
    counted: { nc: '00000001', cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ' },
  };

  test('computes what RFC 7616 3.9.1 computes', () => {
    expect(digestResponse({ ...input, algorithm: 'MD5' })).toBe('8ca523f5e9506fed4657c9700eebdbec');
    expect(digestResponse({ ...input, algorithm: 'SHA-256' })).toBe('753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1');
  });

  test('counts the uses of a nonce, and answers the first algorithm it may', () => {
    const challenges = [
      'Digest realm="r", nonce="n1", algorithm=SHA-512-256, qop="auth"',
      'Digest realm="r", nonce="n2", algorithm=SHA-256, qop="auth"',
    ];
    const client = new DigestClient('u', 'p');
    expect(client.authorize('GET', '/')).toBeUndefined();
    expect(client.accept(challenges)).toBe(true);
    expect(client.authorize('GET', '/')).toMatch(/nonce="n2".*nc=00000001/);
    expect(client.authorize('GET', '/')).toMatch(/nc=00000002/);
    expect(new DigestClient('u', 'p', 'MD5').accept(challenges)).toBe(false);
  });
});
