/** Ten thousand TCP and two thousand WebSocket connections held, and others that do what they should not meanwhile. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { WebSocket } from 'ws';
import type { Target } from './target.ts';

const TCP_CONNECTIONS = 10_000;
const WEB_SOCKETS = 2000;
/** As many come from one address, fewer than one may have. */
const PER_ADDRESS = 800;
const ROUNDS = 15;
/** So many times the memory after the first round may be there after the last: the collector takes its time. */
const STEADY = 1.3;
const AT_A_TIME = 200;
const ATTACKER = '127.0.200.1';
const MEGABYTE = 1_048_576;

interface Client {
  /** Sends a request and waits for its answer. */
  ask(): Promise<void>;
  close(): void;
}

let counter = 0;
function options(domain: string, transport: string): string {
  const id = ++counter;
  return `OPTIONS sip:${domain} SIP/2.0\r\nVia: SIP/2.0/${transport} held.invalid;branch=z9hG4bK${id}\r\nMax-Forwards: 70\r\nFrom: <sip:u${id}@${domain}>;tag=1\r\nTo: <sip:${domain}>\r\nCall-ID: c${id}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n`;
}

async function overTcp(target: Target, localAddress: string): Promise<Client> {
  const socket = connect({ host: '127.0.0.1', port: target.sipPort, localAddress });
  await once(socket, 'connect');
  let answered: (() => void) | undefined;
  let failed: ((error: Error) => void) | undefined;
  socket.on('data', (bytes: Buffer) => {
    // Answers are short and come one at a time.
    if (bytes.includes('SIP/2.0 200')) answered?.();
    else failed?.(new Error(`answered ${bytes.toString('latin1').slice(0, 40)}`));
  });
  socket.on('error', () => {});
  socket.on('close', () => failed?.(new Error('a held connection was closed')));
  return {
    ask: () =>
      new Promise((resolve, reject) => {
        [answered, failed] = [resolve, reject];
        socket.write(options(target.domain, 'TCP'));
      }),
    close: () => {
      failed = undefined;
      socket.destroy();
    },
  };
}

async function overWebSocket(target: Target, localAddress: string): Promise<Client> {
  const socket = new WebSocket(`ws://127.0.0.1:${target.webSocketPort}/`, 'sip', { localAddress, perMessageDeflate: false });
  await once(socket, 'open');
  return {
    ask: async () => {
      socket.send(options(target.domain, 'WS'));
      const [data] = (await once(socket, 'message')) as [Buffer];
      if (!data.includes('SIP/2.0 200')) throw new Error(`answered ${data.toString('latin1').slice(0, 40)}`);
    },
    close: () => socket.terminate(),
  };
}

/** Does it with each, so many at a time. */
async function each<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await work(item);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
}

const addressOf = (block: number, index: number): string => `127.0.${block}.${1 + Math.floor(index / PER_ADDRESS)}`;

/** Opens all connections, uses each in several rounds, and says what they cost; throws where one is not served. */
export async function holdConnections(target: Target): Promise<void> {
  const empty = target.memory();
  const clients: Client[] = [];
  await each(
    Array.from({ length: TCP_CONNECTIONS }, (_, index) => addressOf(101, index)),
    async (address) => clients.push(await overTcp(target, address)),
  );
  await each(
    Array.from({ length: WEB_SOCKETS }, (_, index) => addressOf(102, index)),
    async (address) => clients.push(await overWebSocket(target, address)),
  );
  const memory: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await each(clients, (client) => client.ask());
    memory.push(target.memory());
  }
  const megabytes = memory.map((bytes) => (bytes / MEGABYTE).toFixed(0)).join(', ');
  console.log(
    `connections     ${TCP_CONNECTIONS} TCP and ${WEB_SOCKETS} WebSocket: ${(empty / MEGABYTE).toFixed(0)} MB without them, ${megabytes} MB after each round of requests`,
  );
  console.log(`connections     ${Math.round(((memory.at(-1) ?? 0) - empty) / clients.length)} bytes of resident memory each`);
  const [first = 0, last = 0] = [memory[0], memory.at(-1)];
  if (last > first * STEADY) throw new Error('the memory of held connections is not steady');
  await attacked(target, clients);
  for (const client of clients) client.close();
}

/** The slowest answer that the others get while one address does all that is not allowed, and what the log says of it. */
async function attacked(target: Target, clients: readonly Client[]): Promise<void> {
  const attackers: Socket[] = [];
  const attack = async (bytes: string | Buffer): Promise<void> => {
    const socket = connect({ host: '127.0.0.1', port: target.sipPort, localAddress: ATTACKER });
    attackers.push(socket);
    socket.on('error', () => {});
    await Promise.race([once(socket, 'connect'), once(socket, 'close')]).catch(() => {});
    socket.write(bytes);
  };
  const large = Buffer.alloc(10 * MEGABYTE, 0x78);
  large.write(
    `MESSAGE sip:${target.domain} SIP/2.0\r\nVia: SIP/2.0/TCP x;branch=z9hG4bKl\r\nMax-Forwards: 70\r\nFrom: <sip:x@x>;tag=1\r\nTo: <sip:x@x>\r\nCall-ID: l\r\nCSeq: 1 MESSAGE\r\nContent-Length: 10485000\r\n\r\n`,
  );
  const before = target.memory();
  const attacks = Promise.all([
    ...Array.from({ length: 20 }, () => attack(large)),
    // A little longer than one may take for a message.
    ...Array.from({ length: 200 }, () => attack('OPTIONS sip:slow SIP/2.0\r\nVia: ')),
    ...Array.from({ length: 3000 }, () => attack('')),
  ]);
  let slowest = 0;
  let asked = 0;
  const deadline = Date.now() + MESSAGE_TIMEOUT_MS + 3000;
  for (let index = 0; Date.now() < deadline; index++) {
    const started = performance.now();
    await clients[(index * 7) % clients.length]?.ask();
    slowest = Math.max(slowest, performance.now() - started);
    asked++;
    if (index % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await attacks;
  for (const socket of attackers) socket.destroy();
  const grown = ((target.memory() - before) / MEGABYTE).toFixed(0);
  console.log(
    `connections     attacked: ${asked} requests of the others all answered, the slowest in ${slowest.toFixed(0)} ms; memory ${grown} MB more`,
  );
  for (const line of target.log()) console.log(`connections     log: ${line}`);
}

const MESSAGE_TIMEOUT_MS = 30_000;
