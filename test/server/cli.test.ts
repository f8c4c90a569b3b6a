import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { run, runUnread, serve } from './command.ts';

const root = mkdtempSync(join(tmpdir(), 'rollcall-cli-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const directory = () => join(mkdtempSync(join(root, 'case-')), 'data');
const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8'));

const basic = (user: string, password: string) => ({
  authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
});
const LIST = '<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="friends"/></resource-lists>';

describe('serve', { timeout: 60_000 }, () => {
  it('prints one line per listener, then ready; makes the first admin once; answers; and stops on SIGTERM', async () => {
    const data = directory();
    const words = ['--data', data, '--domain', 'example.com', '--xcap-root', '/', '--xcap-root', '/services'];
    const first = await serve(words);
    expect(first.lines).toEqual([
      expect.stringMatching(/^admin {2}user admin \(sip:admin@example\.com\), password \S{16} /),
      expect.stringMatching(/^XCAP {3}http:\/\/127\.0\.0\.1:\d+\/$/),
      expect.stringMatching(/^XCAP {3}http:\/\/127\.0\.0\.1:\d+\/services$/),
      expect.stringMatching(/^SIP {4}udp 127\.0\.0\.1:\d+$/),
      expect.stringMatching(/^SIP {4}tcp 127\.0\.0\.1:\d+$/),
      'ready',
    ]);
    expect(first.lines[3]?.replace('udp', 'tcp')).toBe(first.lines[4]);
    const password = /password (\S+)/.exec(first.lines[0] ?? '')?.[1] ?? '';
    const document = `${first.base}/services/resource-lists/users/sip:admin@example.com/index`;
    const headers = { ...basic('admin', password), 'content-type': 'application/resource-lists+xml' };
    expect((await fetch(document, { method: 'PUT', headers, body: LIST })).status).toBe(201);
    expect((await fetch(document)).status).toBe(401);
    expect(await first.stop('SIGTERM')).toMatchObject({ code: 0 });
    expect(first.log()).not.toContain(password);

    const second = await serve(words);
    expect(second.lines[0]).toMatch(/^XCAP/);
    const found = await fetch(`${second.base}/resource-lists/users/sip:admin@example.com/index`, { headers: basic('admin', password) });
    expect([found.status, await found.text()]).toEqual([200, LIST]);
    expect(await second.stop('SIGINT')).toMatchObject({ code: 0 });
    expect(statSync(data).mode & 0o077).toBe(0);
    for (const file of readdirSync(data).filter((name) => name.endsWith('.db')))
      expect(statSync(join(data, file)).mode & 0o077, file).toBe(0);
  });

  it('keeps its promises in stdout and its log in stderr, one JSON line per request', async () => {
    const server = await serve(['--data', directory(), '--auth', 'none']);
    expect(server.lines[0]).toMatch(/^XCAP/);
    expect((await fetch(`${server.base}/healthz`)).status).toBe(200);
    const { out, err } = await server.stop('SIGTERM');
    expect(out.trimEnd().endsWith('ready')).toBe(true);
    const lines = err.trimEnd().split('\n').map((line) => JSON.parse(line)); // biome-ignore format: one line
    expect(lines).toContainEqual(expect.objectContaining({ method: 'GET', target: '/healthz', status: 200 }));
  });

  it('answers /healthz and /metrics to those who read only', async () => {
    const server = await serve(['--data', directory(), '--auth', 'none', '--xcap-root', '/']);
    const metrics = await fetch(`${server.base}/metrics`);
    expect(metrics.headers.get('content-type')).toMatch(/^text\/plain/);
    expect(await metrics.text()).toMatch(new RegExp(`rollcall_info{version="${version}"} 1`));
    for (const path of ['/healthz', '/metrics']) {
      for (const method of ['PUT', 'POST', 'DELETE', 'PATCH', 'OPTIONS']) {
        const refused = await fetch(`${server.base}${path}`, { method, ...(method === 'PUT' && { body: 'x' }) });
        expect([method, refused.status, refused.headers.get('allow')]).toEqual([method, 405, 'GET, HEAD']);
      }
    }
    await server.stop('SIGTERM');
  });

  it('tells its figures to whom the settings name, and to nobody behind a proxy', async () => {
    const status = async (base: string, headers: Record<string, string> = {}) => (await fetch(`${base}/metrics`, { headers })).status;
    const open = await serve(['--data', directory(), '--auth', 'none']);
    expect(await status(open.base)).toBe(200);
    for (const name of ['X-Forwarded-For', 'Forwarded', 'Via'])
      expect([name, await status(open.base, { [name]: 'for=127.0.0.1' })]).toEqual([name, 403]);
    await open.stop('SIGTERM');
    const closed = await serve(['--data', directory(), '--auth', 'none', '--metrics-from', '10.0.0.0/8']);
    expect([await status(closed.base), await status(closed.base, { 'X-Forwarded-For': '10.0.0.1' })]).toEqual([403, 403]);
    expect((await fetch(`${closed.base}/healthz`)).status).toBe(200);
    await closed.stop('SIGTERM');
  });

  it('shares neither its data nor its port: one line, exit 2', async () => {
    const data = directory();
    const server = await serve(['--data', data]);
    const endpoints = ['--http', '127.0.0.1:0', '--sip', '127.0.0.1:0'];
    const same = await run(['serve', '--data', data, ...endpoints]);
    expect(same).toEqual({
      code: 2,
      out: '',
      err: expect.stringMatching(/^rollcall: the data directory \S+ is in use by another server\n$/),
    });

    const port = new URL(server.base).port;
    const http = await run(['serve', '--data', directory(), '--http', `127.0.0.1:${port}`, '--sip', '127.0.0.1:0', '--log', 'silent']);
    expect(http).toEqual({ code: 2, out: '', err: `rollcall: cannot listen for HTTP on 127.0.0.1:${port}: the port is in use\n` });

    const taken = /udp 127\.0\.0\.1:(\d+)/.exec(server.lines.join('\n'))?.[1];
    const sip = await run(['serve', '--data', directory(), '--http', '127.0.0.1:0', '--sip', `127.0.0.1:${taken}`, '--log', 'silent']);
    expect(sip).toEqual({ code: 2, out: '', err: `rollcall: cannot listen for SIP on 127.0.0.1:${taken}: the port is in use\n` });
    await server.stop('SIGTERM');
  });

  it('names a port that TCP alone has taken', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as { port: number };
    const sip = await run(['serve', '--data', directory(), '--http', '127.0.0.1:0', '--sip', `127.0.0.1:${port}`, '--log', 'silent']);
    expect(sip).toEqual({ code: 2, out: '', err: `rollcall: cannot listen for SIP on 127.0.0.1:${port}: the port is in use\n` });
    other.close();
  });
});

describe('user', { timeout: 60_000 }, () => {
  it('adds, lists, changes and removes beside a running server, which follows at once', async () => {
    const data = directory();
    const server = await serve(['--data', data, '--domain', 'example.com', '--log', 'silent']);
    const user = (...words: string[]) => run(['user', ...words, '--data', data]);
    const document = `${server.base}/xcap-root/resource-lists/users/sip:alice@example.com/index`;
    const status = async (password: string) => (await fetch(document, { headers: basic('alice', password) })).status;

    expect(await status('one')).toBe(401);
    expect(await user('add', 'alice', '--password', 'one')).toEqual({ code: 0, out: 'added sip:alice@example.com\n', err: '' });
    const headers = { ...basic('alice', 'one'), 'content-type': 'application/resource-lists+xml' };
    expect((await fetch(document, { method: 'PUT', headers, body: LIST })).status).toBe(201);
    expect(await user('add', 'alice@example.com', '--password', 'x')).toMatchObject({
      code: 1,
      err: 'rollcall: sip:alice@example.com exists already\n',
    });

    expect(await run(['user', 'passwd', 'sip:alice@example.com', '--password-stdin', '--data', data], { stdin: 'two\n' })).toMatchObject({
      code: 0,
    });
    expect([await status('one'), await status('two')]).toEqual([401, 200]);

    expect(await user('add', 'root@EXAMPLE.com', '--admin')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/\(admin\)\npassword \S{16}\n$/),
    });
    expect((await user('list')).out).toBe('sip:admin@example.com admin\nsip:alice@example.com\nsip:root@example.com admin\n');

    expect(await user('remove', 'alice')).toMatchObject({ code: 0, out: 'removed sip:alice@example.com\n' });
    expect(await status('two')).toBe(401);
    expect(await user('remove', 'alice')).toMatchObject({ code: 1, err: 'rollcall: there is no account sip:alice@example.com\n' });
    expect(await user('passwd', 'alice', '--password', 'x')).toMatchObject({ code: 1 });
    expect(await user('add', 'bob@elsewhere.net', '--password', 'x')).toMatchObject({
      code: 0,
      err: expect.stringContaining('elsewhere.net is not among'),
    });
    await server.stop('SIGTERM');
  });

  it('never stores a password', async () => {
    const data = directory();
    await run(['user', 'add', 'alice', '--password', 'Correct-Horse-Battery', '--data', data]);
    for (const file of readdirSync(data)) expect(readFileSync(join(data, file)).includes('Correct-Horse'), file).toBe(false);
  });

  it.each([
    ['no address', ['add', 'a b', '--password', 'x'], /^rollcall: "a b" is not an address/],
    ['an empty password', ['add', 'alice', '--password', ''], /^rollcall: the password is empty\n$/],
    ['two passwords', ['add', 'alice', '--password', 'x', '--password-stdin'], /cannot be used with/],
    ['a missing directory', ['list'], /^rollcall: there is no data directory/],
  ])('tells %s in one line', async (_, words, message) => {
    const { code, out, err } = await run(['user', ...words, '--data', directory()]);
    expect(err).toMatch(message);
    expect(err.trimEnd()).not.toContain('\n');
    expect(out).toBe('');
    expect(code).toBeGreaterThan(0);
  });
});

describe('the command line', () => {
  it('prints its version, and help on everything', async () => {
    expect(await run(['version'])).toEqual({ code: 0, out: `rollcall ${version}\n`, err: '' });
    for (const words of [
      ['help'],
      ['--help'],
      ['help', 'serve'],
      ['serve', '--help'],
      ['help', 'user'],
      ['user', 'help', 'add'],
      ['user', 'add', '--help'],
    ]) {
      const { code, out, err } = await run(words);
      expect([words, code, err]).toEqual([words, 0, '']);
      expect(out).toMatch(/^Usage: rollcall/);
    }
  });

  it('does not fail where nobody reads what it prints', async () => {
    expect(await runUnread(['help'])).toEqual({ code: 0, err: '' });
  });

  it('check-config prints what would be used, as a file that can be used', async () => {
    const words = ['--domain', 'example.com', '--http', '[::1]:8080', '--log', 'debug'];
    const { code, out } = await run(['check-config', ...words], { environment: { ROLLCALL_AUTH: 'none' } });
    expect(code).toBe(0);
    expect(out).toMatch(/^domain:\n {2}- example\.com\nhttp:\n {2}- "?\[::1\]:8080"?\n/);
    expect(out).toMatch(/^auth: none$/m);
    const file = join(root, 'printed.yaml');
    writeFileSync(file, out);
    expect(await run(['check-config', '--config', file])).toEqual({ code: 0, out, err: '' });
  });

  it.each([
    ['a wrong flag', ['serve', '--prot', '1'], /unknown option '--prot'/],
    ['a wrong command', ['sevre'], /unknown command 'sevre'/],
    ['a wrong port', ['serve', '--sip', '127.0.0.1:http'], /--sip: "127\.0\.0\.1:http" is not HOST:PORT/],
    ['a missing file', ['serve', '--config', '/nowhere.yaml'], /cannot read \/nowhere\.yaml/],
    ['a word too many', ['version', 'please'], /too many arguments/],
    ['a data directory that cannot be', ['serve', '--data', '/proc/rollcall'], /cannot make the data directory \/proc\/rollcall/],
  ])('tells %s in one line, exit 2', async (_, words, message) => {
    const { code, out, err } = await run(words);
    expect(err).toMatch(message);
    expect(err.trimEnd()).not.toContain('\n');
    expect([code, out]).toEqual([2, '']);
  });
});
