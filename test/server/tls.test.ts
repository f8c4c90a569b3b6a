import { execFileSync, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { pino } from 'pino';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { type Config, resolveConfig } from '../../server/config.ts';
import { type RunningRollcall, startRollcall } from '../../server/server.ts';
import { send } from '../helpers/http-exchange.ts';
import { run, serve } from './command.ts';

/** RFC 4825 8, RFC 9110 4.2.2: HTTP over TLS. */

const root = mkdtempSync(join(tmpdir(), 'rollcall-tls-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

interface Files {
  readonly folder: string;
  readonly cert: string;
  readonly key: string;
}

/** A new self-signed certificate in a folder of its own. */
function certificate(name: string): Files {
  const folder = mkdtempSync(join(root, 'cert-'));
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '30'];
  execFileSync('openssl', [...request, '-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert], { stdio: 'ignore' }); // biome-ignore format: one line
  return { folder, cert, key };
}

const first = certificate('first');
const second = certificate('second');

/** The name in the certificate that a new connection is shown. */
function shownAt(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

describe('a server with a certificate', () => {
  const logged = new EventEmitter();
  const log = pino({ level: 'info' }, { write: (line: string) => void logged.emit(JSON.parse(line).msg) });
  const replaced = () => once(logged, 'TLS certificate replaced');
  const refused = () => once(logged, 'the new TLS certificate cannot be used: the old one stays');
  let running: RunningRollcall | undefined;
  let port = 0;
  let files: Files;
  /** Starts with a copy of the first certificate. */
  async function start(settings: Partial<Config> = {}): Promise<RunningRollcall> {
    const folder = mkdtempSync(join(root, 'live-'));
    files = { folder, cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
    put(first);
    return serveFiles(settings);
  }
  async function serveFiles(settings: Partial<Config> = {}): Promise<RunningRollcall> {
    const http = [{ host: '127.0.0.1', port: 0, secure: true as const }, { host: '127.0.0.1', port: 0 }]; // biome-ignore format: one line
    const dataDirectory = join(mkdtempSync(join(root, 'data-')), 'data');
    const tls = { tlsCertificate: files.cert, tlsKey: files.key };
    running = await startRollcall(resolveConfig({ http, sip: [{ host: '127.0.0.1', port: 0 }], dataDirectory, auth: 'none', ...tls, ...settings }), { logger: log }); // biome-ignore format: one line
    port = running.http[0]?.port ?? 0;
    return running;
  }
  /** Puts other files in the place of those in use, as renewing tools do. */
  function put({ cert, key }: { cert: string; key: string }): void {
    for (const [from, to] of [
      [cert, files.cert],
      [key, files.key],
    ] as const) {
      // biome-ignore format: one line
      writeFileSync(`${to}.new`, readFileSync(from));
      renameSync(`${to}.new`, to);
    }
  }
  afterEach(() => running?.stop());

  it('speaks TLS where it was told to, and only there', async () => {
    const { http } = await start();
    const ca = readFileSync(first.cert, 'utf8');
    expect((await send({ port, path: '/healthz', ca })).body).toBe('ok\n');
    expect((await send({ port: http[1]?.port ?? 0, path: '/healthz' })).body).toBe('ok\n');
    expect(http.map(({ secure }) => secure)).toEqual([true, false]);
    await expect(send({ port, path: '/healthz' })).rejects.toThrow();
    await expect(send({ port, path: '/healthz', ca: readFileSync(second.cert, 'utf8') })).rejects.toThrow(/certificate/);
    const path = '/xcap-root/resource-lists/users/alice/index';
    const body = '<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"/>';
    const headers = { 'content-type': 'application/resource-lists+xml' };
    expect((await send({ port, method: 'PUT', path, headers, body, ca })).status).toBe(201);
    expect((await send({ port, path, ca })).body).toBe(body);
  });

  it('shows a new certificate to new connections as soon as it is there, and goes on with those it has', async () => {
    await start();
    const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: readFileSync(first.cert, 'utf8') });
    const ask = () => send({ port, path: '/healthz', agent, ca: readFileSync(first.cert, 'utf8') });
    expect((await ask()).status).toBe(200);
    const done = replaced();
    put(second);
    await done;
    expect(await shownAt(port)).toBe('second');
    expect((await ask()).status).toBe(200);
    agent.destroy();
    await expect(ask()).rejects.toThrow();
  });

  it('follows links that are put in the place of others', async () => {
    await start();
    const done = replaced();
    for (const name of ['cert', 'key'] as const) {
      symlinkSync(second[name], `${files[name]}.link`);
      renameSync(`${files[name]}.link`, files[name]);
    }
    await done;
    expect(await shownAt(port)).toBe('second');
  });

  /** Where the server's files are: a folder of links to what is in `store`. */
  const layouts: Record<string, { from(store: string, live: string): string; swap(store: string, live: string): void | Promise<void> }> = {
    'the link to a folder that holds both (Kubernetes)': {
      from(store, live) {
        mkdirSync(live);
        symlinkSync(join(store, '1'), join(live, '..data'));
        for (const name of ['cert.pem', 'key.pem']) symlinkSync(join('..data', name), join(live, name));
        return live;
      },
      swap(store, live) {
        symlinkSync(join(store, '2'), join(live, '..new'));
        renameSync(join(live, '..new'), join(live, '..data'));
      },
    },
    'a link higher up': {
      from(store, live) {
        symlinkSync(join(store, '1'), live);
        return live;
      },
      swap(store, live) {
        symlinkSync(join(store, '2'), `${live}.new`);
        renameSync(`${live}.new`, live);
      },
    },
    'what a link leads to': {
      from(store, live) {
        mkdirSync(live);
        for (const name of ['cert.pem', 'key.pem']) symlinkSync(join(store, '1', name), join(live, name));
        return live;
      },
      swap(store) {
        for (const name of ['cert.pem', 'key.pem']) renameSync(join(store, '2', name), join(store, '1', name));
      },
    },
    'the folder itself': {
      from(store, live) {
        renameSync(join(store, '1'), live);
        return live;
      },
      swap(store, live) {
        renameSync(live, `${live}.old`);
        renameSync(join(store, '2'), live);
      },
    },
    'the folder, which is away for a while': {
      from(store, live) {
        renameSync(join(store, '1'), live);
        return live;
      },
      async swap(store, live) {
        const told = refused();
        rmSync(live, { recursive: true });
        await told;
        renameSync(join(store, '2'), live);
      },
    },
  };
  it.each(Object.entries(layouts))(
    'takes a new certificate when another thing is put in the place of %s, twice',
    async (_, { from, swap }) => {
      const [store, live] = [mkdtempSync(join(root, 'store-')), join(mkdtempSync(join(root, 'linked-')), 'live')];
      const fill = (folder: string, { cert, key }: Files) => {
        mkdirSync(join(store, folder));
        writeFileSync(join(store, folder, 'cert.pem'), readFileSync(cert));
        writeFileSync(join(store, folder, 'key.pem'), readFileSync(key));
      };
      fill('1', first);
      fill('2', second);
      const folder = from(store, live);
      files = { folder, cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
      await serveFiles();
      expect(await shownAt(port)).toBe('first');
      let done = replaced();
      await swap(store, live);
      await done;
      expect(await shownAt(port)).toBe('second');
      // What is there now is followed as well.
      done = replaced();
      put(first);
      await done;
      expect(await shownAt(port)).toBe('first');
    },
  );

  it('closes TLS connections beyond the bound before their handshake, and serves the others', async () => {
    await start({ maxHttpConnectionsPerAddress: 3 });
    const idle = Array.from({ length: 3 }, () => connectTcp(port, '127.0.0.1'));
    for (const socket of idle) await once(socket, 'connect');
    for (let n = 0; n < 3; n++) await expect(shownAt(port)).rejects.toThrow();
    idle[0]?.destroy();
    await expect.poll(() => shownAt(port).catch(() => 'refused')).toBe('first');
    for (const socket of idle) socket.destroy();
  });

  it('a handshake that is under way when the certificate changes ends with the one it began with, and floods of them do no harm', async () => {
    await start();
    const idle = Array.from({ length: 50 }, () => connectTcp(port, '127.0.0.1'));
    for (const [i, socket] of idle.entries()) {
      socket.on('error', () => {});
      await once(socket, 'connect');
      // Nothing, the beginning of a ClientHello, or what is none.
      if (i % 3 === 1) socket.write(Buffer.from('16030100f8010000f40303', 'hex'));
      if (i % 3 === 2) socket.write('GET / HTTP/1.1\r\n\r\n');
    }
    const slow = connectTcp(port, '127.0.0.1');
    await once(slow, 'connect');
    const done = replaced();
    put(second);
    await done;
    const late = connect({ socket: slow, rejectUnauthorized: false });
    await once(late, 'secureConnect');
    expect(['first', 'second']).toContain(String(late.getPeerCertificate().subject.CN));
    expect(await shownAt(port)).toBe('second');
    late.write('GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    expect(String((await once(late, 'data'))[0])).toMatch(/^HTTP\/1\.1 200/);
    for (const socket of [...idle, slow]) socket.destroy();
  });

  it.each([
    ['no certificate', () => writeFileSync(files.cert, 'nonsense')],
    ["another certificate's key", () => writeFileSync(files.key, readFileSync(second.key))],
    ['nothing', () => rmSync(files.cert)],
    ['a folder', () => [rmSync(files.key), mkdirSync(files.key)]],
    ['half a file', () => writeFileSync(files.cert, readFileSync(second.cert).subarray(0, 200))],
  ])('keeps the old one and tells the log when there is %s, and takes the next good one', async (_, spoil) => {
    const server = await start();
    const told = refused();
    spoil();
    server.reload();
    await told;
    expect(await shownAt(port)).toBe('first');
    rmSync(files.key, { recursive: true });
    put(second);
    server.reload();
    expect(await shownAt(port)).toBe('second');
  });
});

describe('the compiled program', { timeout: 30_000 }, () => {
  it('names its https endpoint and reads the certificate again on SIGHUP', async () => {
    const data = join(mkdtempSync(join(root, 'data-')), 'data');
    const live = certificate('third');
    const words = ['--http', 'https://127.0.0.1:0', '--tls-cert', live.cert, '--tls-key', live.key, '--auth', 'none', '--data', data];
    const server = await serve(words);
    const port = Number(/XCAP {3}https:\/\/127\.0\.0\.1:(\d+)\/xcap-root/.exec(server.lines.join('\n'))?.[1]);
    expect(await shownAt(port)).toBe('third');
    writeFileSync(live.cert, readFileSync(second.cert));
    writeFileSync(live.key, readFileSync(second.key));
    server.signal('SIGHUP');
    await server.logs(/TLS certificate replaced/);
    expect(await shownAt(port)).toBe('second');
    expect(await server.stop('SIGTERM')).toMatchObject({ code: 0 });
  });

  it('names its SIP endpoints by what is spoken there, and asks peers for certificates once it knows whom to trust', async () => {
    const data = join(mkdtempSync(join(root, 'data-')), 'data');
    const endpoints = ['--sip', 'tls://127.0.0.1:0', '--sip', 'wss://127.0.0.1:0', '--sip', 'ws://127.0.0.1:0'];
    const server = await serve([...endpoints, '--tls-cert', first.cert, '--tls-key', first.key, '--tls-ca', second.cert, '--data', data]);
    const listening = server.lines.filter((line) => /^SIP {4}(?!udp|tcp)/.test(line)).map((line) => line.replace(/\d+$/, 'PORT'));
    expect(listening).toEqual(['SIP    tls 127.0.0.1:PORT', 'SIP    wss 127.0.0.1:PORT', 'SIP    ws 127.0.0.1:PORT']);
    const port = Number(/SIP {4}tls 127\.0\.0\.1:(\d+)/.exec(server.lines.join('\n'))?.[1]);
    const asked = await new Promise<string>((resolve, reject) => {
      const openssl = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${port}`], { stdio: ['pipe', 'pipe', 'ignore'] });
      let text = '';
      openssl.stdout.on('data', (bytes: Buffer) => (text += bytes.toString('utf8')));
      openssl.on('error', reject).on('close', () => resolve(text));
      openssl.stdin.end();
    });
    expect(asked).toMatch(/Acceptable client certificate CA names\n.*second/);
    expect(await server.stop('SIGTERM')).toMatchObject({ code: 0 });
  });

  it.each([
    ['a key', () => first.key],
    ['nothing', () => '/nowhere.pem'],
  ])('does not start with %s in the place of authorities: one line, exit 2', async (_, file) => {
    const data = join(mkdtempSync(join(root, 'data-')), 'data');
    const words = ['--http', '127.0.0.1:0', '--sip', '127.0.0.1:0', '--tls-ca', file(), '--data', data, '--log', 'silent'];
    const { code, err } = await run(['serve', ...words]);
    expect([code, err]).toEqual([2, expect.stringMatching(/^rollcall: cannot use the TLS files: [^\n]+\n$/)]);
  });

  it.each([
    ['a certificate that is not there', () => ['/nowhere.pem', first.key], /^rollcall: cannot serve https: ENOENT[^\n]*\n$/],
    ['a key of another', () => [first.cert, second.key], /^rollcall: cannot serve https: [^\n]*key values mismatch[^\n]*\n$/],
  ])('does not start with %s: one line, exit 2', async (_, files, message) => {
    const [cert = '', key = ''] = files();
    const data = join(mkdtempSync(join(root, 'data-')), 'data');
    const endpoints = ['--http', 'https://127.0.0.1:0', '--sip', '127.0.0.1:0'];
    const { code, err } = await run(['serve', ...endpoints, '--tls-cert', cert, '--tls-key', key, '--data', data, '--log', 'silent']);
    expect([code, err]).toEqual([2, expect.stringMatching(message)]);
  });
});
