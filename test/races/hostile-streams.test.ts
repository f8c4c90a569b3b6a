import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { startWatchedServer, type WatchedServer } from '../helpers/watched-server.ts';
import { Stage } from '../scenarios/stage.ts';

/** Milliseconds for which nothing may hold the event loop up. */
const LIMIT = 50;
/** Other processes hold it up too: once of so many times must do. */
const TRIES = 6;

const stage = new Stage();
let server: WatchedServer;
const sockets: Socket[] = [];
async function start(transport?: 'ws'): Promise<void> {
  server = await startWatchedServer(transport === undefined ? {} : { sip: [{ host: '127.0.0.1', port: 0, transport }] });
  await stage.use(server);
}

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await stage.close();
});

async function open(): Promise<Socket> {
  const socket = connect(server.sip.port, server.sip.address);
  sockets.push(socket);
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

async function openWebSocket(): Promise<Socket> {
  const socket = await open();
  socket.write(
    'GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  );
  expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 101/);
  return socket;
}

/** Sends to a new peer's socket, until more bytes are answered, or what is waited for. */
async function expectFree(connection: () => Promise<Socket>, sent: (n: number) => Buffer, answered: number, wanted = /^/): Promise<void> {
  const delays: number[] = [];
  for (let n = 0; n < TRIES && (delays.at(-1) ?? LIMIT) >= LIMIT; n++) {
    const socket = await connection();
    let bytes = 0;
    let found = false;
    await server.longestDelay();
    socket.write(sent(n));
    while (bytes <= answered || !found) {
      const [chunk] = (await once(socket, 'data')) as [Buffer];
      bytes += chunk.length;
      found ||= wanted.test(chunk.toString('latin1'));
    }
    delays.push(await server.longestDelay());
    socket.destroy();
  }
  expect(Math.min(...delays)).toBeLessThan(LIMIT);
}

const fields = (i: number): string =>
  `Via: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bKs${i};rport\r\nFrom: <sip:a@example.com>;tag=1\r\nTo: <sip:example.com>\r\nCall-ID: s${i}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n`;

describe('a stream of more than a peer has to say', () => {
  test.each([
    ['keep-alives (RFC 5626 4.4.1), each of which is answered', '\r\n\r\n'.repeat(200_000), 400_000],
    ['line ends', '\r'.repeat(800_000), 0],
    ['responses that belong to nothing', `SIP/2.0 200 OK\r\n${fields(0)}`.repeat(2500), 0],
  ])('%s: no turn of the event loop is longer than 50 ms', { timeout: 60_000 }, async (_, text, answered) => {
    await start();
    // What comes behind it is answered behind it.
    await expectFree(open, (n) => Buffer.from(`${text}OPTIONS sip:example.com SIP/2.0\r\n${fields(n)}`), answered);
  });

  test('pings over a WebSocket (RFC 6455 5.5.2): the same', { timeout: 60_000 }, async () => {
    await start('ws');
    const pings = Buffer.alloc(6 * 100_000, Buffer.from([0x89, 0x80, 0, 0, 0, 0]));
    const message = (n: number): Buffer => {
      const text = Buffer.from(`OPTIONS sip:example.com SIP/2.0\r\n${fields(n)}`);
      return Buffer.concat([Buffer.from([0x81, 0xfe, text.length >> 8, text.length & 0xff, 0, 0, 0, 0]), text]);
    };
    await expectFree(openWebSocket, (n) => Buffer.concat([pings, message(n)]), 0, /SIP\/2\.0 200/);
  });
});
