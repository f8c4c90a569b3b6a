import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { Headers } from '../../sip/message/headers.ts';
import { SipRequest, type SipResponse } from '../../sip/message/message.ts';
import type { Flow } from '../../sip/transport/flow.ts';
import { CallStage } from '../helpers/call-stage.ts';
import { NameServer } from '../helpers/name-server.ts';
import { fieldOf, fieldsOf, Inbox, request, statusOf, TcpPeer } from './peer.ts';
import { startProxyStack } from './proxy-stack.ts';
import { type Stack, Stacks } from './stack.ts';

const cleanups = new Stacks();
afterEach(() => cleanups.close());

/** What came, and over which of the connections that were accepted. */
interface Arrival {
  readonly sent: string;
  readonly socket: Socket;
}

/** A SIP server over TCP that says and closes what it is told. */
class Neighbour {
  readonly port: number;
  accepted = 0;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private readonly inbox = new Inbox();
  private readonly cameOver: Socket[] = [];

  private constructor(server: Server) {
    this.server = server;
    const bound = server.address();
    this.port = bound !== null && typeof bound === 'object' ? bound.port : 0;
    server.on('connection', (socket) => {
      this.accepted++;
      this.sockets.add(socket);
      socket.on('error', () => {});
      socket.on('data', (bytes) => {
        this.cameOver.push(socket);
        this.inbox.put(bytes.toString('latin1'));
      });
    });
  }

  static async open(): Promise<Neighbour> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const neighbour = new Neighbour(server);
    cleanups.push(() => neighbour.close());
    return neighbour;
  }

  async next(): Promise<Arrival> {
    const sent = await this.inbox.next();
    const socket = this.cameOver.shift();
    if (socket === undefined) throw new Error('nothing came');
    return { sent, socket };
  }

  get left(): number {
    return this.inbox.left;
  }

  /** Takes no more connections. */
  async refuse(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.disconnect();
    await closed;
  }

  disconnect(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  private close(): void {
    this.server.close();
    this.disconnect();
  }
}

let sequence = 0;

function message(uri: string): SipRequest {
  const headers = new Headers();
  for (const [name, value] of [['From', '<sip:alice@example.com>;tag=1'], ['To', '<sip:bob@elsewhere.test>'], ['Call-ID', 'again@here'], ['CSeq', `${++sequence} MESSAGE`], ['Max-Forwards', '70']] as const) headers.add(name, value); // biome-ignore format: a table
  return new SipRequest('MESSAGE', uri, headers);
}

function send(stack: Stack, sent: SipRequest): Promise<string> {
  return new Promise((resolve) => {
    stack.uac.send(sent, {}, { onResponse: ({ status }: SipResponse) => resolve(String(status)), onFailure: resolve });
  });
}

function answer(sent: string, status = 200): string {
  const copied = ['Via', 'From', 'Call-ID', 'CSeq'].flatMap((name) => fieldsOf(sent, name).map((value) => `${name}: ${value}`));
  return [`SIP/2.0 ${status} X`, ...copied, `To: ${fieldOf(sent, 'To')};tag=p`, 'Content-Length: 0', '', ''].join('\r\n');
}

const branch = (sent: string): string | undefined => /branch=([^;]+)/.exec(fieldOf(sent, 'Via') ?? '')?.[1];

/** A stack, and a neighbour to whom it has a connection open. */
async function connected(): Promise<{ stack: Stack; neighbour: Neighbour; uri: string }> {
  const stack = await cleanups.start();
  const neighbour = await Neighbour.open();
  const uri = `sip:bob@127.0.0.1:${neighbour.port};transport=tcp`;
  const done = send(stack, message(uri));
  const { sent, socket } = await neighbour.next();
  socket.write(answer(sent));
  expect(await done).toBe('200');
  return { stack, neighbour, uri };
}

describe('RFC 3261 18.4, RFC 5923 8.1: a connection that was there ends under a request', () => {
  it('which comes again, the very same, over a new one', async () => {
    const { stack, neighbour, uri } = await connected();
    const done = send(stack, message(uri));
    const lost = await neighbour.next();
    lost.socket.destroy();
    const { sent, socket } = await neighbour.next();
    expect(sent).toBe(lost.sent);
    socket.write(answer(sent));
    expect(await done).toBe('200');
    expect(neighbour.accepted).toBe(2);
    expect(stack.transactions.counts).toMatchObject({ client: 0, waitingConnections: 1 });
  });

  it('also after a provisional response, for a peer may have closed what was silent for long', async () => {
    const { stack, neighbour, uri } = await connected();
    const done = send(stack, message(uri));
    const lost = await neighbour.next();
    lost.socket.end(answer(lost.sent, 100));
    const { sent, socket } = await neighbour.next();
    expect(sent).toBe(lost.sent);
    socket.write(answer(sent));
    expect(await done).toBe('200');
  });

  it('18.2.2: the answer to the first may come over a connection of the peer', async () => {
    const { stack, neighbour, uri } = await connected();
    const done = send(stack, message(uri));
    const lost = await neighbour.next();
    lost.socket.destroy();
    await neighbour.next();
    const other = await TcpPeer.open(stack.port);
    cleanups.push(() => other.close());
    other.send(answer(lost.sent));
    expect(await done).toBe('200');
  });

  it('once: who closes again has failed', async () => {
    const { stack, neighbour, uri } = await connected();
    const done = send(stack, message(uri));
    (await neighbour.next()).socket.destroy();
    (await neighbour.next()).socket.destroy();
    expect(await done).toBe('transport');
    expect([neighbour.accepted, neighbour.left]).toEqual([2, 0]);
  });

  it('who answers 100 and closes each time is not asked for ever', async () => {
    const { stack, neighbour, uri } = await connected();
    const done = send(stack, message(uri));
    let copies = 0;
    void (async () => {
      for (;;) {
        const { sent, socket } = await neighbour.next();
        copies++;
        socket.end(answer(sent, 100));
      }
    })().catch(() => {});
    expect(await done).toBe('transport');
    expect(copies).toBeLessThan(6);
  });

  it('one that was opened for the request and ends without a word has failed', async () => {
    const stack = await cleanups.start();
    const neighbour = await Neighbour.open();
    const done = send(stack, message(`sip:bob@127.0.0.1:${neighbour.port};transport=tcp`));
    (await neighbour.next()).socket.destroy();
    expect(await done).toBe('transport');
    expect(neighbour.accepted).toBe(1);
  });

  it('of very many requests, and others have their turn between them', async () => {
    const { stack, neighbour, uri } = await connected();
    let turns = 0;
    let finished = false;
    const turn = (): void => {
      turns++;
      if (!finished) setImmediate(turn);
    };
    const ends: number[] = [];
    const all = Array.from({ length: 500 }, () =>
      send(stack, message(uri)).then((outcome) => {
        expect(outcome).toBe('transport');
        ends.push(turns);
      }),
    );
    await neighbour.next();
    setImmediate(turn);
    await neighbour.refuse();
    await Promise.all(all);
    finished = true;
    expect(new Set(ends).size).toBeGreaterThan(2);
    expect(stack.transactions.counts).toMatchObject({ client: 0, waitingConnections: 0 });
  });

  it('a peer that is gone has failed', async () => {
    const { stack, neighbour, uri } = await connected();
    const done = send(stack, message(uri));
    await neighbour.next();
    await neighbour.refuse();
    expect(await done).toBe('transport');
  });

  it('RFC 3263 4.3: after it comes the next server, with another branch', async () => {
    const dns = await NameServer.open();
    const stack = await cleanups.start({ names: { servers: [dns.address] } });
    cleanups.push(() => dns.close());
    const [first, second] = [await Neighbour.open(), await Neighbour.open()];
    dns.a('s.lost.example', '127.0.0.1');
    dns.srv('_sip._tcp.lost.example', 1, 0, first.port, 's.lost.example');
    dns.srv('_sip._tcp.lost.example', 2, 0, second.port, 's.lost.example');
    const uri = 'sip:bob@lost.example;transport=tcp';
    const opened = send(stack, message(uri));
    const { sent, socket } = await first.next();
    socket.write(answer(sent));
    expect(await opened).toBe('200');
    const done = send(stack, message(uri));
    const lost = await first.next();
    lost.socket.destroy();
    const again = await first.next();
    expect(again.sent).toBe(lost.sent);
    again.socket.destroy();
    const elsewhere = await second.next();
    expect(branch(elsewhere.sent)).not.toBe(branch(lost.sent));
    elsewhere.socket.write(answer(elsewhere.sent));
    expect(await done).toBe('200');
  });
});

describe('RFC 3261 18.4, RFC 5923 8.1: the connection of an agent ends under a request to it', () => {
  it('which goes to where its Contact leads, a copy by its branch', async () => {
    const stack = await cleanups.start();
    const flow = new Promise<Flow>((resolve) => stack.router.handle('INFO', (context) => resolve(context.flow)));
    const agent = await TcpPeer.open(stack.port);
    cleanups.push(() => agent.close());
    agent.send(request({ method: 'INFO', transport: 'TCP' }));
    const neighbour = await Neighbour.open();
    const sent = message(`sip:bob@127.0.0.1:${neighbour.port};transport=tcp`);
    const target = { flow: await flow };
    const done = new Promise<string>((resolve) => {
      stack.uac.send(sent, target, { onResponse: ({ status }) => resolve(String(status)), onFailure: resolve });
    });
    const lost = await agent.inbox.next();
    agent.close();
    const again = await neighbour.next();
    expect(again.sent).toBe(lost);
    again.socket.write(answer(again.sent));
    expect(await done).toBe('200');
  });

  it('and so does a message that has waited for it', async () => {
    const stage = await CallStage.open({ auth: 'none' });
    cleanups.push(() => stage.close());
    const alice = await stage.agent('alice');
    const text = { headers: [['Content-Type', 'text/plain'] as const], body: 'hello' };
    expect((await alice.request('MESSAGE', 'sip:bob@example.com', text)).status).toBe(202);
    const neighbour = await Neighbour.open();
    const bob = await TcpPeer.open(stage.server.sip.port);
    cleanups.push(() => bob.close());
    const who = { from: '<sip:bob@example.com>;tag=1', to: '<sip:bob@example.com>' };
    const fields = [`Contact: <sip:bob@127.0.0.1:${neighbour.port};transport=tcp>`];
    expect(statusOf(await bob.ask(request({ method: 'REGISTER', transport: 'TCP', ...who, fields })))).toBe(200);
    const lost = await bob.inbox.next();
    bob.close();
    const again = await neighbour.next();
    expect(again.sent).toBe(lost);
    again.socket.write(answer(again.sent));
  });

  it('RFC 5923 8.1: a CANCEL goes over a new connection, too, and the call is over', async () => {
    const { stack, agent: phone, close } = await startProxyStack();
    cleanups.push(close);
    const alice = await phone('alice');
    const neighbour = await Neighbour.open();
    const bob = await cleanups.peerOf(stack);
    const who = { from: '<sip:bob@example.com>;tag=1', to: '<sip:bob@example.com>' };
    const fields = [`Contact: <sip:bob@127.0.0.1:${neighbour.port};transport=tcp>`];
    expect(statusOf(await bob.ask(request({ method: 'REGISTER', ...who, fields })))).toBe(200);
    const call = alice.send('INVITE', 'sip:bob@example.com', { headers: [['Contact', `<${alice.contact}>`]] });
    const invite = await neighbour.next();
    invite.socket.write(answer(invite.sent, 180));
    while ((await call.provisional.next('180')).status !== 180);
    void alice.cancel(call);
    const lost = await neighbour.next();
    expect(lost.sent).toMatch(/^CANCEL /);
    lost.socket.destroy();
    const again = await neighbour.next();
    expect(again.sent).toBe(lost.sent);
    again.socket.write(answer(again.sent));
    expect((await call.final()).status).toBe(487);
  });

  for (const outbound of [false, true]) {
    it(
      outbound ? 'RFC 5626 5.3: and nowhere where its flow is the only way' : '16.9: and so does one that the proxy forwards',
      async () => {
        const { stack, agent: phone, close } = await startProxyStack();
        const alice = await phone('alice');
        const neighbour = await Neighbour.open();
        const bob = await TcpPeer.open(stack.port);
        cleanups.push(close);
        cleanups.push(() => bob.close());
        const flow = outbound ? ';reg-id=1;+sip.instance="<urn:uuid:00000000-0000-1000-8000-000a95a0e128>"' : '';
        const registration = {
          method: 'REGISTER',
          transport: 'TCP',
          from: '<sip:bob@example.com>;tag=1',
          to: '<sip:bob@example.com>',
          fields: [`Contact: <sip:bob@127.0.0.1:${neighbour.port};transport=tcp>${flow}`, 'Supported: outbound, path'],
        };
        expect(statusOf(await bob.ask(request(registration)))).toBe(200);
        const done = alice.request('MESSAGE', 'sip:bob@example.com', { body: 'hello' });
        const lost = await bob.inbox.next();
        bob.close();
        if (outbound) {
          expect((await done).status).toBe(480);
          expect(neighbour.accepted).toBe(0);
          return;
        }
        const again = await neighbour.next();
        expect(again.sent).toBe(lost);
        again.socket.write(answer(again.sent));
        expect((await done).status).toBe(200);
      },
    );
  }
});
