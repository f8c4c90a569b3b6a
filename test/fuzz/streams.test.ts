import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NameServer } from '../helpers/name-server.ts';
import { type InProcessServer, startServer } from '../helpers/server.ts';
import { fieldOf, reasonOf, request, statusOf, TcpPeer, UdpPeer } from '../rfc3261/peer.ts';
import { generator } from './random.ts';

const FIXTURES = join(import.meta.dirname, '../fixtures/rfc4475');
const CORPUS = readdirSync(FIXTURES).map((name) => readFileSync(join(FIXTURES, name)));

let server: InProcessServer;
let dns: NameServer;
beforeAll(async () => {
  dns = await NameServer.open();
  server = await startServer({ auth: 'none', dnsServers: [dns.address] });
});
afterAll(async () => {
  await server.stop();
  dns.close();
});

async function isWell(): Promise<void> {
  const peer = await TcpPeer.open(server.sip.port);
  expect(statusOf(await peer.ask(request({ transport: 'TCP' })))).toBe(200);
  peer.close();
}

describe('streams of anything', () => {
  it.each([21, 22, 23])('get no 500 and stop nobody (seed %i)', async (seed) => {
    const random = generator(seed);
    let answers = '';
    for (let n = 0; n < 60; n++) {
      const socket = connect(server.sip.port, server.sip.address);
      socket.on('error', () => {});
      socket.on('data', (bytes) => (answers += bytes.toString('latin1')));
      await once(socket, 'connect');
      const bytes = Buffer.concat(Array.from({ length: 1 + random(6) }, () => CORPUS[random(CORPUS.length)] ?? Buffer.alloc(0)));
      for (let i = random(6); i > 0; i--) bytes[random(bytes.length)] = random(256);
      for (let at = 0; at < bytes.length; ) {
        const length = 1 + random(random(2) === 0 ? 30 : 3000);
        socket.write(bytes.subarray(at, at + length));
        at += length;
        if (random(4) === 0) await setImmediate();
      }
      if (random(2) === 0) socket.destroy();
      else socket.end();
    }
    await isWell();
    expect(answers.match(/^SIP\/2\.0 500 .*/gm) ?? []).toEqual([]);
    expect(answers.match(/^SIP\/2\.0 /gm)?.length ?? 0).toBeGreaterThan(20);
  });
});

describe('bounds', () => {
  it('1000 header fields are read, one more is refused with 400', async () => {
    const peer = await TcpPeer.open(server.sip.port);
    const lines = request({ transport: 'TCP' }).split('\r\n').length - 3;
    const fields = (count: number): string[] => Array.from({ length: count - lines }, (_, i) => `X-${i}: ${i}`);
    expect(statusOf(await peer.ask(request({ transport: 'TCP', fields: fields(1000) })))).toBe(200);
    peer.send(request({ transport: 'TCP', fields: fields(1001) }));
    await peer.closed;
    await isWell();
  });

  it('a header of more than 64 KB is refused with 513 over a stream, which is closed', async () => {
    const peer = await TcpPeer.open(server.sip.port);
    const response = await peer.ask(request({ transport: 'TCP', fields: [`X: ${'x'.repeat(70_000)}`] }));
    expect(statusOf(response)).toBe(513);
    await peer.closed;
  });

  it('a body of more than the limit is refused with 413 before it is read', async () => {
    const peer = await TcpPeer.open(server.sip.port);
    const response = await peer.ask(
      request({ transport: 'TCP', method: 'MESSAGE' }).replace('Content-Length: 0', 'Content-Length: 10000000'),
    );
    expect([413, 513]).toContain(statusOf(response));
    await peer.closed;
  });

  it.each([
    ['parameters in From', { from: `<sip:a@example.com>${';x=1'.repeat(10_000)};tag=1` }],
    ['values in Via', { via: `;rport${',SIP/2.0/UDP a.example.com'.repeat(1500)}` }],
    ['empty values in Via', { via: `;rport${','.repeat(40_000)}` }],
    ['backslashes in a quoted string', { from: `"${'\\\\'.repeat(20_000)}" <sip:a@example.com>;tag=1` }],
    ['quotes in a Contact', { method: 'REGISTER', fields: [`Contact: ${'"a" <sip:a@b>;q="'.repeat(2000)}`] }],
    ['colons in an IPv6 address', { from: `<sip:a@[${':'.repeat(40_000)}]>;tag=1` }],
    ['folded lines', { fields: [`Subject: a${'\r\n a'.repeat(12_000)}`] }],
    ['escapes in the Request-URI', { uri: `sip:${'%61'.repeat(15_000)}@example.com` }],
    ['dots in the host', { uri: `sip:a@${'a.'.repeat(20_000)}example.com` }],
    ['parameters of the Request-URI', { uri: `sip:a@example.com${';p'.repeat(20_000)}` }],
  ])('tens of thousands of %s are read in no time', async (_what, parts) => {
    const peer = await UdpPeer.open(server.sip.port);
    const start = performance.now();
    const response = await peer.ask(request(parts));
    // The same bound as for other slow messages: a quadratic reader takes seconds.
    expect(performance.now() - start).toBeLessThan(700);
    expect([200, 400, 403, 404, 420, 480], reasonOf(response)).toContain(statusOf(response));
    expect(fieldOf(response, 'CSeq')).toBeDefined();
    peer.close();
  });
});
