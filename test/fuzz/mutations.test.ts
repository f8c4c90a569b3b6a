import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type InProcessServer, startServer } from '../helpers/server.ts';
import { SipPeer } from '../helpers/sip-peer.ts';
import { pidf } from '../scenarios/documents.ts';
import { mutate } from './mutate.ts';
import { generator } from './random.ts';

let server: InProcessServer;
let socket: Socket;
let answers: string[] = [];
beforeAll(async () => {
  // No name of a mutation is asked for outside this machine.
  server = await startServer({ auth: 'none', defaultDecision: 'allow', dnsServers: ['127.0.0.1:9'] });
  socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  socket.on('message', (bytes) => answers.push(bytes.toString('latin1').split('\r\n', 1)[0] ?? ''));
});
afterAll(async () => {
  socket.close();
  await server.stop();
});

/** Well-formed requests; where NOTIFYs go is never changed, so that nothing leaves this machine. */
function seeds(port: number, n: number): string[] {
  const head = (method: string, uri: string, user: string): string =>
    `${method} ${uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:${port};branch=z9hG4bK${n};rport\r\nMax-Forwards: 70\r\nFrom: "A" <sip:${user}@example.com>;tag=f${n}\r\nTo: <${uri}>\r\nCall-ID: c${n}@h\r\nCSeq: ${n} ${method}\r\n`;
  const body = pidf('sip:bob@example.com', { basic: 'open', im: 'x', contact: 'sip:b@h' });
  return [
    `${head('SUBSCRIBE', 'sip:bob@example.com', 'alice')}Event: presence;id=4\r\nExpires: 60\r\nAccept: application/pidf+xml, application/cpim-pidf+xml;q=0.5\r\n`,
    `${head('SUBSCRIBE', 'sip:bob@example.com', 'bob')}Event: presence.winfo\r\nExpires: 0\r\nAccept: application/watcherinfo+xml\r\n`,
    `${head('PUBLISH', 'sip:bob@example.com', 'bob')}Event: presence\r\nExpires: 60\r\nContent-Type: application/pidf+xml\r\n\r\n${body}`,
    `${head('REGISTER', 'sip:example.com', 'alice')}Contact: <sip:a@127.0.0.1:${port}>;q=0.5;+sip.instance="<urn:uuid:1>";expires=60\r\n`,
    head('OPTIONS', 'sip:example.com', 'alice'),
    `${head('INVITE', 'sip:bob@example.com', 'alice')}Content-Type: application/sdp\r\n\r\nv=0`,
    head('CANCEL', 'sip:bob@example.com', 'alice'),
    head('NOTIFY', 'sip:bob@example.com', 'alice'),
    head('ACK', 'sip:bob@example.com', 'alice'),
  ];
}

it.each([1, 2, 3])('no mutation of a request makes a 500 or stops the server (seed %i)', async (seed) => {
  const random = generator(seed);
  const { port } = socket.address();
  answers = [];
  for (let n = 1; n <= 1500; n++) {
    const all = seeds(port, seed * 10_000 + n);
    const chosen = all[random(all.length)] ?? '';
    const mutated = mutate(chosen, random);
    const contact = chosen.startsWith('SUBSCRIBE') ? `Contact: <sip:a@127.0.0.1:${port}>\r\n` : '';
    const end = mutated.indexOf('\r\n') + 2;
    const text = `${mutated.slice(0, end)}${contact}${mutated.slice(end)}${mutated.includes('\r\n\r\n') ? '' : '\r\n'}`;
    // A mutation may have moved a host name to where requests are sent.
    if (/(?:^|\n)(?:record-route|m|contact)\s*:(?!.*127\.0\.0\.1)/i.test(text.replace(contact, ''))) continue;
    socket.send(Buffer.from(text, 'latin1'), server.sip.port, server.sip.address);
    if (n % 25 === 0) await setImmediate();
  }
  const peer = await SipPeer.create({ user: 'carol', domain: server.domain, server: server.sip, transport: 'tcp' });
  expect((await peer.request({ method: 'OPTIONS', uri: 'sip:example.com' })).status).toBe(200);
  await peer.close();
  expect(answers.filter((line) => /^SIP\/2\.0 5(?!0[15]|13)/.test(line))).toEqual([]);
  expect(answers.length).toBeGreaterThan(500);
});
