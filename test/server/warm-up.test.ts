/** The rehearsal after the start: all its requests are answered as they should be, nobody is kept waiting, and nothing of it remains. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { resolveConfig } from '../../server/config.ts';
import { warmUp } from '../../server/warm-up/warm-up.ts';
import { type Served, serve } from './command.ts';

const root = mkdtempSync(join(tmpdir(), 'rollcall-warm-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const directory = () => mkdtempSync(join(root, 'case-'));
const sockets = () => process.getActiveResourcesInfo().filter((kind) => /^(?:TCP|UDP|Pipe)/.test(kind)).length;

describe('the rehearsal', { timeout: 60_000 }, () => {
  it.each(['none', 'digest'] as const)('plays every scene to its end and leaves nothing, with authentication %s', async (auth) => {
    const dataDirectory = directory();
    const before = sockets();
    // Any answer but the expected one rejects. Six rounds see every kind of rules, and whole lives of subscriptions.
    expect(await warmUp(resolveConfig({ auth, dataDirectory }), new AbortController().signal, 6)).toBe(6);
    expect(readdirSync(dataDirectory)).toEqual([]);
    await sleep(50);
    expect(sockets()).toBe(before);
  });

  it('ends when it is told to, and leaves nothing', async () => {
    const dataDirectory = directory();
    const stop = new AbortController();
    const rounds = warmUp(resolveConfig({ auth: 'none', dataDirectory }), stop.signal);
    while (!existsSync(join(dataDirectory, 'warm-up', '2'))) await sleep(5);
    stop.abort();
    expect(await rounds).toBeLessThan(100);
    expect(readdirSync(dataDirectory)).toEqual([]);
  });
});

describe('serve', { timeout: 60_000 }, () => {
  const start = (data: string): Promise<Served> => serve(['--data', data, '--auth', 'none'], { ROLLCALL_WARM_UP: 'yes' });

  it('answers while it warms up, and says when it is warm', async () => {
    const data = directory();
    // Left by a server that was killed in its rehearsal.
    mkdirSync(join(data, 'warm-up', '1'), { recursive: true });
    writeFileSync(join(data, 'warm-up', '1', 'documents.db'), 'half a database');
    const server = await start(data);
    const warm = server.logs(/"warmed up"/).then(() => true);
    let answered = 0;
    while (!(await Promise.race([warm, sleep(20, false)]))) {
      const { status } = await fetch(`${server.base}/xcap-root/resource-lists/users/sip:alice@localhost/index`);
      expect(status).toBe(404);
      answered++;
    }
    expect(answered).toBeGreaterThan(10);
    expect(existsSync(join(data, 'warm-up'))).toBe(false);
    // No user, document or figure of the rehearsal is the server's.
    expect(await (await fetch(`${server.base}/metrics`)).text()).toMatch(/^rollcall_document_changes_total 0$/m);
    expect((await server.stop('SIGTERM')).out).toMatch(/^ready\nwarm$/m);
  });

  it('stops in the midst of it, and leaves nothing', async () => {
    const data = directory();
    const server = await start(data);
    while (!existsSync(join(data, 'warm-up', '2', 'state.db'))) await sleep(5);
    const { code, out } = await server.stop('SIGTERM');
    expect(code).toBe(0);
    expect(out).not.toMatch(/^warm$/m);
    expect(existsSync(join(data, 'warm-up'))).toBe(false);
  });

  it('serves on, and says why, where it cannot', async () => {
    // SQLite opens no file whose path is longer than 512 bytes, its journal's name included: what lies two folders deeper is.
    const parent = join(directory(), 'd'.repeat(200));
    const data = join(parent, 'd'.repeat(488 - Buffer.byteLength(parent) - 1));
    const server = await start(data);
    await server.logs(/"not warmed up"/);
    expect((await fetch(`${server.base}/healthz`)).status).toBe(200);
    const { code, out } = await server.stop('SIGTERM');
    expect([code, /^warm$/m.test(out)]).toEqual([0, false]);
  });
});
