import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { LogLines } from '../helpers/log-lines.ts';
import { type InProcessServer, startServer } from '../helpers/server.ts';
import { mutate } from './mutate.ts';
import { generator } from './random.ts';

/** A phone that answers what is forwarded to it with anything but what it should: whoever asked gets one final response all the same. */

const ANSWERS = [
  '100 Trying',
  '180 Ringing',
  '183 Session Progress',
  '200 OK',
  '202 Accepted',
  '302 Moved',
  '407 Password',
  '486 Busy',
  '503 Busy',
  '603 No',
];
const METHODS = ['INVITE', 'MESSAGE', 'OPTIONS', 'INFO', 'UNHEARD'];

let server: InProcessServer;
let log: LogLines;
let phone: Socket;
let caller: Socket;

beforeEach(async () => {
  log = new LogLines('error');
  server = await startServer({ auth: 'none', t1: 20, dnsServers: ['127.0.0.1:9'], messageQueue: 0 }, log.logger);
  phone = createSocket('udp4').bind(0, '127.0.0.1');
  caller = createSocket('udp4').bind(0, '127.0.0.1');
  await Promise.all([once(phone, 'listening'), once(caller, 'listening')]);
});
afterEach(async () => {
  phone.close();
  caller.close();
  await server.stop();
});

const send = (socket: Socket, text: string): void => socket.send(Buffer.from(text, 'latin1'), server.sip.port, server.sip.address);

function fields(text: string): string[] {
  return (
    text
      .split('\r\n\r\n', 1)[0]
      ?.split('\r\n')
      .filter((line) => /^(via|from|to|call-id|cseq|record-route):/i.test(line)) ?? []
  );
}

it.each([1, 2])('no mutation of a response hangs a request or stops the server (seed %i)', { timeout: 60_000 }, async (seed) => {
  const random = generator(seed);
  const finals = new Map<string, string[]>();
  const head = (method: string, n: number, uri: string, to: string, port: number): string =>
    `${method} ${uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:${port};branch=z9hG4bKr${n};rport\r\nMax-Forwards: 70\r\nFrom: <sip:alice@example.com>;tag=f${n}\r\n` +
    `To: <${to}>\r\nCall-ID: r${n}@h\r\nCSeq: ${n} ${method}\r\n`;
  caller.on('message', (bytes) => {
    const text = bytes.toString('latin1');
    const status = Number(/^SIP\/2\.0 (\d{3})/.exec(text)?.[1]);
    const n = /z9hG4bKr(\d+)/.exec(text)?.[1] ?? '';
    if (status < 200) return;
    const known = finals.get(n) ?? [];
    finals.set(n, [...known, text.split('\r\n', 1)[0] ?? '']);
    if (status < 300 || !/^CSeq:.*INVITE/im.test(text)) return;
    // The transaction's own ACK.
    const [via = '', ...rest] = fields(text).filter((line) => !/^record-route/i.test(line));
    const uri = 'sip:bob@example.com';
    send(
      caller,
      `ACK ${uri} SIP/2.0\r\n${[via, ...rest].join('\r\n').replace(/^(CSeq: \d+) INVITE/im, '$1 ACK')}\r\nMax-Forwards: 70\r\n\r\n`,
    );
  });
  phone.on('message', (bytes) => {
    const text = bytes.toString('latin1');
    if (/^(SIP|ACK)/.test(text)) return;
    const copies = fields(text);
    for (let i = random(3); i >= 0; i--) {
      const answer = `SIP/2.0 ${ANSWERS[random(ANSWERS.length)]}\r\n${copies.join('\r\n').replace(/^(To: <[^>]*>)$/im, '$1;tag=b')}\r\nContact: <sip:bob@127.0.0.1:${phone.address().port}>\r\n\r\n`;
      send(phone, random(4) === 0 ? answer : mutate(answer, random));
    }
  });
  const register = `${head('REGISTER', 0, 'sip:example.com', 'sip:bob@example.com', phone.address().port).replaceAll('alice', 'bob')}Contact: <sip:bob@127.0.0.1:${phone.address().port}>\r\n\r\n`;
  send(phone, register);
  await sleep(100);
  const count = 600;
  const asked = new Map<string, string>();
  for (let n = 1; n <= count; n++) {
    const method = METHODS[random(METHODS.length)] ?? 'INVITE';
    asked.set(String(n), method);
    send(
      caller,
      `${head(method, n, 'sip:bob@example.com', 'sip:bob@example.com', caller.address().port)}Contact: <sip:alice@127.0.0.1:${caller.address().port}>\r\n\r\n`,
    );
    // What rings for ever is given up.
    if (method === 'INVITE')
      setTimeout(() => send(caller, `${head('CANCEL', n, 'sip:bob@example.com', 'sip:bob@example.com', caller.address().port)}\r\n`), 400);
    if (n % 20 === 0) await sleep(10);
  }
  const deadline = Date.now() + 30_000;
  // RFC 4320 4.2: where nobody answers another request than INVITE, nothing says so.
  const missing = (): string[] => [...asked].filter(([n, method]) => method === 'INVITE' && !finals.has(n)).map(([n]) => n);
  while (missing().length > 0 && Date.now() < deadline) await sleep(100);
  expect(missing()).toEqual([]);
  // Nothing of it stays but what Timer D keeps towards the phone, for half a minute (RFC 3261 17.1.1.2).
  const held = async (): Promise<string[]> => {
    const text = await (await fetch(`http://${server.http.address}:${server.http.port}/metrics`)).text();
    return text.match(/^rollcall_sip_held\{kind="(?:forwarding|serverTransactions)"\} [1-9].*$/gm) ?? [];
  };
  await expect.poll(held, { timeout: 20_000 }).toEqual([]);
  expect(log.lines).toEqual([]);
});
