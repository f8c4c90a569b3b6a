import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startWatchedServer, type WatchedServer } from '../helpers/watched-server.ts';
import { Stage } from '../scenarios/stage.ts';

/** Milliseconds for which nothing may hold the event loop up. */
const LIMIT = 50;
/** Other processes hold it up too: once of so many times must do. */
const TRIES = 6;

const stage = new Stage();
let server: WatchedServer;
const sockets: Socket[] = [];
beforeEach(async () => {
  server = await startWatchedServer();
  await stage.use(server);
});
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

const fields = (i: number): string =>
  `Via: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bKs${i};rport\r\nFrom: <sip:a@example.com>;tag=1\r\nTo: <sip:example.com>\r\nCall-ID: s${i}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n`;

describe('a stream of more than a peer has to say', () => {
  test.each([
    ['keep-alives (RFC 5626 4.4.1), each of which is answered', '\r\n\r\n'.repeat(200_000), 400_000],
    ['line ends', '\r'.repeat(800_000), 0],
    ['responses that belong to nothing', `SIP/2.0 200 OK\r\n${fields(0)}`.repeat(2500), 0],
  ])('%s: no turn of the event loop is longer than 50 ms', { timeout: 60_000 }, async (_, text, answered) => {
    const delays: number[] = [];
    for (let n = 0; n < TRIES && (delays.at(-1) ?? LIMIT) >= LIMIT; n++) {
      const socket = await open();
      let bytes = 0;
      socket.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      await server.longestDelay();
      socket.write(text);
      // What comes behind it is answered behind it.
      socket.write(`OPTIONS sip:example.com SIP/2.0\r\n${fields(n + 1)}`);
      while (bytes <= answered) await once(socket, 'data');
      delays.push(await server.longestDelay());
      socket.destroy();
    }
    expect(Math.min(...delays)).toBeLessThan(LIMIT);
  });
});
