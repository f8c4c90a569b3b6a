import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { Config } from '../../server/config.ts';
import { CallAgent, type CallAgentOptions } from '../helpers/call-agent.ts';
import { createAuthority, type IssuedCertificate } from '../helpers/certificates.ts';
import { LogLines } from '../helpers/log-lines.ts';
import { type InProcessServer, listenerOf, startServer } from '../helpers/server.ts';
import { headerList } from '../helpers/sip-message.ts';
import { SipPeer } from '../helpers/sip-peer.ts';

/** RFC 5922 7.8, RFC 6066 3: several domains, each with a certificate of its own, at one server; SIP, WebSocket and HTTP alike. */

const authority = createAuthority('Test authority');
const first = authority.issue('first', ['DNS:example.com', 'IP:127.0.0.1']);
const second = authority.issue('second', ['DNS:example.org', 'DNS:www.example.org']);
const third = authority.issue('third', ['DNS:*.example.net', 'DNS:example.com', 'DNS:example.org']);
const renewed = authority.issue('second renewed', ['DNS:example.org', 'DNS:new.example.org']);
const nameless = authority.issue('A name with spaces', ['IP:127.0.0.1']);
afterAll(() => authority.remove());

let server: InProcessServer | undefined;
afterEach(() => server?.stop());

const TLS = { host: '127.0.0.1', port: 0, transport: 'tls' } as const;
const files = (name: string) => ({ cert: join(authority.folder, `${name}.pem`), key: join(authority.folder, `${name}.key`) });

function put({ certFile, keyFile }: IssuedCertificate, to: { cert: string; key: string }): void {
  for (const [from, file] of [
    [certFile, to.cert],
    [keyFile, to.key],
  ] as const) {
    // biome-ignore format: a table
    copyFileSync(from, `${file}.new`);
    renameSync(`${file}.new`, file);
  }
}

async function start(log = new LogLines(), more: Partial<Config> = {}): Promise<InProcessServer> {
  server = undefined;
  for (const [name, issued] of [['one', first], ['two', second], ['three', third]] as const) put(issued, files(name)); // biome-ignore format: a table
  const { cert, key } = files('one');
  server = await startServer(
    {
      domains: ['example.com', 'example.org'],
      sip: [{ host: '127.0.0.1', port: 0 }, TLS, { ...TLS, transport: 'wss' }],
      http: [{ host: '127.0.0.1', port: 0, secure: true }],
      tlsCertificate: cert,
      tlsKey: key,
      tlsDomains: [files('two'), files('three')],
      ...more,
    },
    log.logger,
  );
  return server;
}

/** The common name of what is shown, and whether a client that trusts the authority takes it for that name. */
function shown(port: number, servername: string): Promise<[name: string, good: boolean]> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, servername, ca: authority.pem, rejectUnauthorized: false }, () => {
      resolve([String(socket.getPeerCertificate().subject.CN), socket.authorized]);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

describe('a server of several domains', () => {
  it('shows who asks for a name the certificate that has it, and all others the ordinary one', async () => {
    const running = await start();
    for (const port of [listenerOf(running, 'TLS').port, listenerOf(running, 'WSS').port, running.http.port]) {
      expect(await shown(port, 'example.com')).toEqual(['first', true]);
      expect((await shown(port, 'example.org'))[0]).toBe('second');
      expect(await shown(port, 'WWW.Example.Org')).toEqual(['second', true]);
      expect(await shown(port, 'sip.example.net')).toEqual(['third', true]);
      for (const name of ['a.sip.example.net', 'example.net', 'unknown.example', '']) expect((await shown(port, name))[0]).toBe('first');
    }
  });

  it('takes renewed ones for new connections, and keeps all it has when one of them is no good', async () => {
    const log = new LogLines();
    const running = await start(log);
    const { port } = listenerOf(running, 'TLS');
    const open = connect({ host: '127.0.0.1', port, servername: 'example.org', ca: authority.pem, rejectUnauthorized: false });
    await once(open, 'secureConnect');
    put(renewed, files('two'));
    await log.next('TLS certificate replaced');
    expect(await shown(port, 'new.example.org')).toEqual(['second renewed', true]);
    expect((await shown(port, 'example.com'))[0]).toBe('first');
    expect((await shown(running.http.port, 'example.org'))[0]).toBe('second renewed');
    expect((await shown(port, 'www.example.org'))[0]).toBe('first');
    open.write('\r\n\r\n');
    expect(String((await once(open, 'data'))[0])).toBe('\r\n');
    open.destroy();

    writeFileSync(files('two').key, readFileSync(files('one').key));
    running.running.reload();
    expect((await log.next('the new TLS certificate cannot be used: the old one stays')).reason).toMatch(/key values mismatch/);
    expect((await shown(port, 'new.example.org'))[0]).toBe('second renewed');
    expect((await shown(port, 'sip.example.net'))[0]).toBe('third');
  });

  it('takes calls and registrations whichever was shown, and knows peers by their certificates there, too (RFC 5922 7.4)', async () => {
    const running = await start(new LogLines(), { tlsAuthorities: authority.file });
    await running.addUser('alice', 'alice-pw');
    const options = { user: 'alice', password: 'alice-pw', domain: 'example.com', server: listenerOf(running, 'TLS'), transport: 'tls' } as const; // biome-ignore format: one line
    const peer = await SipPeer.create({ ...options, tls: { ca: authority.pem, servername: 'www.example.org' } });
    expect((await peer.register()).status).toBe(200);
    await peer.close();
    const { port } = listenerOf(running, 'TLS');
    const asked = new Promise<string>((resolve, reject) => {
      const openssl = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, '-servername', 'example.org'], { stdio: ['pipe', 'pipe', 'ignore'] }); // biome-ignore format: one line
      let text = '';
      openssl.stdout.on('data', (bytes: Buffer) => (text += bytes.toString('utf8')));
      openssl.on('error', reject).on('close', () => resolve(text));
      openssl.stdin.end();
    });
    expect(await asked).toMatch(/Acceptable client certificate CA names\n.*Test authority/);
  });

  it.each([
    ['www.example.org', /^<sip:www\.example\.org:\d+;transport=tls;/],
    ['example.org', /^<sip:example\.org;transport=tls;/],
    ['', /^<sip:127\.0\.0\.1:\d+;transport=tls;/],
  ])('records for a phone that asked for "%s" what it can find in the certificate (RFC 5922 7.5)', async (servername, recorded) => {
    const running = await start();
    for (const user of ['alice', 'bob']) await running.addUser(user, user);
    const at = (user: string, more: Partial<CallAgentOptions>) => CallAgent.open({ user, password: user, domain: 'example.com', server: running.sip, ...more }); // biome-ignore format: one line
    const bob = await at('bob', {});
    await bob.register();
    const alice = await at('alice', { transport: 'tls', server: listenerOf(running, 'TLS'), tls: { ca: authority.pem, servername } });
    const invite = await alice.invite(bob.address);
    const incoming = await bob.take('INVITE');
    expect(headerList(incoming.message, 'record-route').at(-1)).toMatch(recorded);
    incoming.answer(200);
    const ok = await invite.final();
    alice.inDialog('ACK', invite.message, ok);
    await bob.take('ACK');
    const bye = alice.inDialog('BYE', invite.message, ok);
    (await bob.take('BYE')).answer(200, { contact: false });
    expect((await bye.final()).status).toBe(200);
    for (const agent of [alice, bob]) await agent.close();
  });

  it.each([
    ['a certificate that names nobody', () => put(nameless, files('four')), /names no host/],
    ['a certificate that is not there', () => rmSync(files('four').cert, { force: true }), /ENOENT/],
    ['the key of another', () => [put(first, files('four')), copyFileSync(second.keyFile, files('four').key)], /key values mismatch/],
    ['an empty file', () => [put(first, files('four')), writeFileSync(files('four').cert, '')], /./],
  ])('does not start with %s', async (_, prepare, reason) => {
    prepare();
    await expect(start(new LogLines(), { tlsDomains: [files('four')] })).rejects.toThrow(reason);
  });
});
