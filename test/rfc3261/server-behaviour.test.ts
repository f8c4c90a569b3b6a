import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { fieldOf, fieldsOf, reasonOf, request, statusOf, TcpPeer, UdpPeer } from './peer.ts';
import { type Stack, startStack } from './stack.ts';

let stack: Stack;
let peer: UdpPeer;

beforeAll(async () => {
  stack = await startStack({ supported: ['eventlist'] });
  stack.router.handle('REGISTER', (context) => context.respond(200));
  stack.router.handle('SUBSCRIBE', (context) => context.respond(202, { toTag: 'chosen' }));
  stack.router.handle('PUBLISH', () => {
    throw new TypeError('a bug');
  });
  stack.router.handle('MESSAGE', async () => {
    await Promise.resolve();
    throw new TypeError('a later bug');
  });
  peer = await UdpPeer.open(stack.port);
});
afterAll(async () => {
  peer.close();
  await stack.close();
});
afterEach(() => {
  expect(stack.failures).toEqual([]);
  expect(peer.inbox.left).toBe(0);
});

describe('RFC 3261 8.2: a user agent server', () => {
  it('8.2.6: copies Via, From, To with a tag, Call-ID and CSeq', async () => {
    const sent = request({ callId: 'copied@here', from: '"Ä" <sip:alice@example.com>;tag=77;other=x' });
    const response = await peer.ask(sent);
    expect(statusOf(response)).toBe(200);
    for (const name of ['From', 'Call-ID', 'CSeq']) expect(fieldOf(response, name)).toBe(fieldOf(sent, name));
    expect(fieldOf(response, 'To')).toMatch(/^<sip:alice@example\.com>;tag=[0-9a-f]{16}$/);
    expect(fieldOf(response, 'Content-Length')).toBe('0');
  });

  it('8.2.6.2: keeps the To tag of the request and takes the one the handler chose', async () => {
    expect(fieldOf(await peer.ask(request({ to: '<sip:example.com>;tag=mine' })), 'To')).toBe('<sip:example.com>;tag=mine');
    const response = await peer.ask(request({ method: 'SUBSCRIBE', uri: 'sip:bob@example.com' }));
    expect(fieldOf(response, 'To')).toBe('<sip:alice@example.com>;tag=chosen');
  });

  it('12.1.1: copies Record-Route into a 2xx that makes a dialog, in order', async () => {
    const fields = ['Record-Route: <sip:one.example.net;lr>, <sip:two.example.net;lr>', 'Record-Route: <sip:three.example.net;lr>'];
    const response = await peer.ask(request({ method: 'SUBSCRIBE', uri: 'sip:bob@example.com', fields }));
    expect(fieldsOf(response, 'Record-Route')).toEqual([
      '<sip:one.example.net;lr>, <sip:two.example.net;lr>',
      '<sip:three.example.net;lr>',
    ]);
  });

  it('11.2: answers OPTIONS with what it can', async () => {
    const response = await peer.ask(request());
    expect(fieldOf(response, 'Allow')?.split(', ')).toEqual(expect.arrayContaining(['OPTIONS', 'REGISTER', 'SUBSCRIBE']));
    expect(fieldOf(response, 'Supported')).toBe('eventlist');
    expect(fieldOf(response, 'Allow-Events')).toBe('presence');
    for (const name of ['Accept', 'Accept-Encoding', 'Accept-Language']) expect(fieldOf(response, name)).toBeTruthy();
  });

  it('8.2.1: 405 with Allow for a method it knows and does not serve, 501 for one it does not know', async () => {
    const invite = request({ method: 'INVITE', uri: 'sip:bob@example.com' });
    const refused = await peer.ask(invite);
    expect(statusOf(refused)).toBe(405);
    expect(fieldOf(refused, 'Allow')).toContain('SUBSCRIBE');
    peer.send(invite.replace(/^INVITE/, 'ACK').replace('1 INVITE', '1 ACK'));
    expect(statusOf(await peer.ask(request({ method: 'FLY' })))).toBe(501);
  });

  it('8.2.2.1: 404 for a domain it does not serve, 416 for a scheme it does not know', async () => {
    expect(statusOf(await peer.ask(request({ uri: 'sip:bob@elsewhere.test' })))).toBe(404);
    expect(statusOf(await peer.ask(request({ uri: 'nobodyknows:bob' })))).toBe(416);
  });

  it('serves requests to the address it listens at', async () => {
    expect(statusOf(await peer.ask(request({ uri: `sip:127.0.0.1:${stack.port}` })))).toBe(200);
    expect(statusOf(await peer.ask(request({ uri: 'sip:127.0.0.1:9' })))).toBe(404);
  });

  it('8.2.2.2: 482 for a request that comes a second time on another way', async () => {
    const sent = request({ method: 'SUBSCRIBE', uri: 'sip:bob@example.com' });
    expect(statusOf(await peer.ask(sent))).toBe(202);
    expect(statusOf(await peer.ask(sent.replace('branch=z9hG4bK', 'branch=z9hG4bKother')))).toBe(482);
  });

  it('8.2.2.3: 420 with Unsupported for an extension it does not have', async () => {
    const response = await peer.ask(request({ method: 'REGISTER', fields: ['Require: eventlist, path', 'Require: outbound'] }));
    expect(statusOf(response)).toBe(420);
    expect(fieldOf(response, 'Unsupported')).toBe('path, outbound');
    expect(statusOf(await peer.ask(request({ method: 'REGISTER', fields: ['Require: eventlist'] })))).toBe(200);
  });

  it('21.5.6: 505 for another version', async () => {
    expect(statusOf(await peer.ask(request().replace('SIP/2.0\r\n', 'SIP/7.0\r\n')))).toBe(505);
  });

  it.each(['BYE', 'NOTIFY', 'INFO', 'UPDATE', 'PRACK'])('12.2.2: 481 for %s in a dialog it does not know', async (method) => {
    const response = await peer.ask(request({ method, uri: `sip:127.0.0.1:${stack.port}`, to: '<sip:bob@example.com>;tag=gone' }));
    expect(statusOf(response)).toBe(481);
  });

  it('9.2: 481 for a CANCEL that cancels nothing, 200 for one that comes too late', async () => {
    expect(statusOf(await peer.ask(request({ method: 'CANCEL', uri: 'sip:bob@example.com' })))).toBe(481);
    const invite = request({ method: 'INVITE', uri: 'sip:bob@example.com' });
    expect(statusOf(await peer.ask(invite))).toBe(405);
    expect(statusOf(await peer.ask(invite.replace(/^INVITE/, 'CANCEL').replace('1 INVITE', '1 CANCEL')))).toBe(200);
    peer.send(invite.replace(/^INVITE/, 'ACK').replace('1 INVITE', '1 ACK'));
  });

  it('never answers an ACK', async () => {
    peer.send(request({ method: 'ACK', uri: 'sip:bob@example.com' }));
    peer.send(request({ method: 'ACK', uri: 'nonsense' }));
    expect(statusOf(await peer.ask(request()))).toBe(200);
  });

  it.each([
    ['From', /^From:[^\r]*\r\n/m, 'Missing From header field'],
    ['To', /^To:[^\r]*\r\n/m, 'Missing To header field'],
    ['Call-ID', /^Call-ID:[^\r]*\r\n/m, 'Missing Call-ID header field'],
    ['CSeq', /^CSeq:[^\r]*\r\n/m, 'Missing CSeq header field'],
  ])('8.1.1: 400 that names the missing %s', async (_, line, reason) => {
    const response = await peer.ask(request().replace(line, ''));
    expect(statusOf(response)).toBe(400);
    expect(reasonOf(response)).toBe(reason);
  });

  it('answers 500 for a bug of a handler and lives on', async () => {
    expect(statusOf(await peer.ask(request({ method: 'PUBLISH' })))).toBe(500);
    expect(statusOf(await peer.ask(request({ method: 'MESSAGE' })))).toBe(500);
    expect(statusOf(await peer.ask(request()))).toBe(200);
  });
});

describe('RFC 3261 18: transport', () => {
  it('18.3: cuts a stream by Content-Length, however it arrives', async () => {
    const tcp = await TcpPeer.open(stack.port);
    const one = request({ transport: 'TCP', body: 'x'.repeat(300), callId: 'stream1', fields: ['Content-Type: text/plain'] });
    const two = request({ transport: 'TCP', callId: 'stream2' });
    const bytes = Buffer.from(one + two + one.replace('stream1', 'stream3').replace('branch=z9hG4bK', 'branch=z9hG4bKz'), 'latin1');
    for (let at = 0; at < bytes.length; at += 7) tcp.send(bytes.subarray(at, at + 7));
    for (const callId of ['stream1', 'stream2', 'stream3']) expect(fieldOf(await tcp.inbox.next(), 'Call-ID')).toBe(callId);
    tcp.close();
  });

  it('18.3: 400 and the end of the connection without Content-Length over a stream', async () => {
    const tcp = await TcpPeer.open(stack.port);
    const response = await tcp.ask(request({ transport: 'TCP' }).replace(/Content-Length: 0\r\n/, ''));
    expect(statusOf(response)).toBe(400);
    await tcp.closed;
  });

  it('RFC 5626 4.4.1: answers a double CRLF with one', async () => {
    const tcp = await TcpPeer.open(stack.port);
    expect(await tcp.ask('\r\n\r\n')).toBe('\r\n');
    tcp.send('\r\n');
    expect(await tcp.ask('\r\n')).toBe('\r\n');
    expect(statusOf(await tcp.ask(request({ transport: 'TCP' })))).toBe(200);
    tcp.close();
  });

  it('refuses a body and a header beyond the bounds', async () => {
    const small = await startStack({ transport: { maxBodyBytes: 1000 } });
    const one = await TcpPeer.open(small.port);
    expect(statusOf(await one.ask(request({ transport: 'TCP' }).replace('Content-Length: 0', 'Content-Length: 1001')))).toBe(413);
    await one.closed;
    const two = await TcpPeer.open(small.port);
    expect(statusOf(await two.ask(request({ transport: 'TCP', fields: [`X: ${'y'.repeat(70_000)}`] })))).toBe(513);
    await two.closed;
    await small.close();
  });

  it('closes a connection whose message does not end, and lets an idle one be', async () => {
    const hasty = await startStack({ transport: { messageTimeoutMs: 100, idleTimeoutMs: 600_000 } });
    const idle = await TcpPeer.open(hasty.port);
    expect(statusOf(await idle.ask(request({ transport: 'TCP' })))).toBe(200);
    const slow = await TcpPeer.open(hasty.port);
    slow.send('OPTIONS sip:example.com SIP/2.0\r\n');
    await slow.closed;
    expect(statusOf(await idle.ask(request({ transport: 'TCP' })))).toBe(200);
    idle.close();
    await hasty.close();
  });

  it('bounds the connections of one source', async () => {
    const narrow = await startStack({ transport: { maxConnectionsPerSource: 1 } });
    const first = await TcpPeer.open(narrow.port);
    expect(statusOf(await first.ask(request({ transport: 'TCP' })))).toBe(200);
    const second = await TcpPeer.open(narrow.port);
    await second.closed;
    first.close();
    await narrow.close();
  });

  it('18.2.2: answers over a new connection to the port of sent-by when the old one is gone', async () => {
    let respond = (): void => {};
    const arrived = new Promise<void>((resolve) => {
      stack.router.handle('SUBSCRIBE', (context) => {
        respond = () => context.respond(200);
        context.flow.onClose(resolve);
        tcp.close();
      });
    });
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const tcp = await TcpPeer.open(stack.port);
    tcp.send(request({ method: 'SUBSCRIBE', uri: 'sip:bob@example.com', transport: 'TCP', sentBy: `127.0.0.1:${port}` }));
    await arrived;
    respond();
    const [socket] = await once(server, 'connection');
    const [bytes] = await once(socket, 'data');
    expect(statusOf(String(bytes))).toBe(200);
    socket.destroy();
    server.close();
  });

  it('speaks IPv6', async () => {
    const six = await startStack({ host: '::1' });
    const udp = await UdpPeer.open(six.port, '::1');
    const response = await udp.ask(request({ sentBy: `[::1]:${udp.port}`, via: '' }));
    expect(statusOf(response)).toBe(200);
    expect(fieldOf(response, 'Via')).not.toContain('received');
    udp.close();
    await six.close();
  });

  it('18.3: drops what follows the body of a datagram, and refuses a body that is cut off', async () => {
    const sent = request({ body: 'hello', fields: ['Content-Type: text/plain'] });
    expect(statusOf(await peer.ask(`${sent}trailing`))).toBe(200);
    const cut = await peer.ask(request({ body: 'hello' }).slice(0, -1));
    expect(statusOf(cut)).toBe(400);
    expect(reasonOf(cut)).toContain('Content-Length');
  });

  it('stays silent to keep-alives and to bytes that are no SIP', async () => {
    for (const noise of ['\r\n\r\n', '\0\x01\0\0', 'x', 'GET / HTTP/1.1\r\n\r\n', 'SIP/2.0 200 OK\r\n\r\n']) peer.send(noise);
    expect(statusOf(await peer.ask(request()))).toBe(200);
  });
});
