import { createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { readListState } from '../helpers/rlmi-reader.ts';
import { type InProcessServer, startServer } from '../helpers/server.ts';
import { SipPeer } from '../helpers/sip-peer.ts';
import { readWatcherinfo } from '../helpers/watcherinfo-reader.ts';
import { buddiesDocument, buddiesPath, pidf, servicesDocument, servicesPath } from '../scenarios/documents.ts';
import { Stage } from '../scenarios/stage.ts';
import { writeRules } from '../scenarios/steps.ts';
import { RawWatcher } from './raw-watcher.ts';

const BOB = 'sip:bob@example.com';

describe('removed accounts', () => {
  const stage = new Stage();
  afterEach(() => stage.close());
  it('a watcher whose account is removed sees nothing more', async () => {
    const { running } = await stage.boot();
    const a = await stage.peer('A');
    const b = await stage.peer('B');
    await writeRules(stage, 'B', 'allow', ['A']);
    const s = await a.subscribe(b.address, { expires: 600 });
    await s.notify();
    running.accounts.remove(a.address);
    await new Promise((r) => setTimeout(r, 60));
    await b.publish(pidf(b.address, { basic: 'open', im: 'secret' }), { expires: 60 });
    await new Promise((r) => setTimeout(r, 300));
    expect(s.notifications.filter(({ body }) => body.includes('secret'))).toHaveLength(0);
  });
  it('the watchers of a user whose account is removed are told, and its publications are gone', async () => {
    const { running } = await stage.boot();
    const a = await stage.peer('A');
    const b = await stage.peer('B');
    await writeRules(stage, 'B', 'allow', ['A']);
    await b.publish(pidf(b.address, { basic: 'open', im: 'secret' }), { expires: 60 });
    const s = await a.subscribe(b.address, { expires: 600 });
    await s.notify();
    running.accounts.remove(b.address);
    expect((await s.notify(undefined, 1000)).reason).toBe('noresource');
  });
});

describe('raw', () => {
  let server: InProcessServer;
  const open: { close(): unknown }[] = [];
  afterEach(async () => {
    for (const one of open.splice(0)) await one.close();
    await server.stop();
  });

  it('RFC 6665 4.2.2: a NOTIFY refused for the moment comes again although nothing changed since but the same was published meanwhile', {
    timeout: 45000,
  }, async () => {
    server = await startServer({ auth: 'none', defaultDecision: 'allow' });
    const bob = await SipPeer.create({ user: 'bob', domain: server.domain, server: server.sip, transport: 'udp' });
    const alice = await RawWatcher.open(server.sip);
    open.push(bob, alice);
    await alice.subscribe('alice', BOB);
    await alice.until(() => alice.notifications.length === 1);
    let held: string | undefined;
    alice.answer = (n) => {
      held = n;
      return undefined;
    };
    const body = pidf(BOB, { basic: 'open', im: 'news' });
    const { etag } = await bob.publish(body, { expires: 600 });
    await alice.until(() => held !== undefined);
    await bob.publish(body, { expires: 600, etag });
    const copied = (held ?? '').split('\r\n').filter((line) => /^(Via|From|To|Call-ID|CSeq):/i.test(line));
    alice.answer = () => 'SIP/2.0 200 OK';
    await alice.send(`SIP/2.0 503 Later\r\nRetry-After: 5\r\n${copied.join('\r\n')}\r\nContent-Length: 0\r\n\r\n`);
    await alice.until(() => alice.notifications.some((n) => n.includes('CSeq: 3 NOTIFY')), 36000);
  });

  it('RFC 3261 20.33: nothing is sent before Retry-After, whatever changes', async () => {
    server = await startServer({ auth: 'none', defaultDecision: 'allow' });
    const bob = await SipPeer.create({ user: 'bob', domain: server.domain, server: server.sip, transport: 'udp' });
    const alice = await RawWatcher.open(server.sip);
    open.push(bob, alice);
    alice.answer = () => 'SIP/2.0 503 Later\r\nRetry-After: 600';
    await alice.subscribe('alice', BOB);
    await alice.until(() => alice.notifications.length === 1);
    let etag: string | undefined;
    for (const im of ['a', 'b', 'c', 'd']) {
      ({ etag } = await bob.publish(pidf(BOB, { basic: 'open', im }), { expires: 600, ...(etag === undefined ? {} : { etag }) }));
      await new Promise((r) => setTimeout(r, 50));
    }
    expect(alice.notifications).toHaveLength(1);
  });

  const field = (text: string, name: string): string => new RegExp(`^${name}: (.*)$`, 'im').exec(text)?.[1]?.trim() ?? '';
  it('RFC 3261 8.1.1.8: the Contact of a dialog leads to a listener, also when the SUBSCRIBE came over a connection that the server opened', async () => {
    server = await startServer({ auth: 'none', defaultDecision: 'allow' });
    const alice = await RawWatcher.open(server.sip);
    let connection: Socket | undefined;
    let text = '';
    const listener = createServer((c) => {
      connection = c;
      c.on('data', (d) => {
        text += d.toString('latin1');
        const copied = d
          .toString('latin1')
          .split('\r\n')
          .filter((line) => /^(Via|From|To|Call-ID|CSeq):/i.test(line));
        if (/^NOTIFY/.test(d.toString('latin1'))) c.write(`SIP/2.0 200 OK\r\n${copied.join('\r\n')}\r\nContent-Length: 0\r\n\r\n`);
      });
    }).listen(0, '127.0.0.1');
    await new Promise((r) => listener.once('listening', r));
    const { port } = listener.address() as { port: number };
    open.push(alice, {
      close: () => {
        connection?.destroy();
        listener.close();
      },
    });
    await alice.subscribe('alice', BOB, { Contact: `<sip:alice@127.0.0.1:${port};transport=tcp>` });
    await alice.until(() => alice.responses.length === 1);
    for (let i = 0; i < 50 && !connection; i++) await new Promise((r) => setTimeout(r, 10));
    connection?.write(
      `SUBSCRIBE ${BOB} SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:${port};branch=z9hG4bKx\r\nMax-Forwards: 70\r\nFrom: <sip:alice@example.com>;tag=9\r\nTo: <${BOB}>\r\nCall-ID: second\r\nCSeq: 1 SUBSCRIBE\r\nContact: <sip:alice@127.0.0.1:${port};transport=tcp>\r\nEvent: presence\r\nExpires: 60\r\nContent-Length: 0\r\n\r\n`,
    );
    for (let i = 0; i < 50 && !text.includes('SIP/2.0 200'); i++) await new Promise((r) => setTimeout(r, 10));
    expect(field(text.slice(text.indexOf('SIP/2.0 200')), 'Contact')).toContain(`127.0.0.1:${server.sip.port}`);
  });

  it('RFC 3261 18.1.1: what is too large for a datagram goes over TCP', async () => {
    server = await startServer({ auth: 'none', defaultDecision: 'allow' });
    const bob = await SipPeer.create({ user: 'bob', domain: server.domain, server: server.sip, transport: 'tcp' });
    const alice = await RawWatcher.open(server.sip);
    const tcp = createServer().listen(alice.port, '127.0.0.1');
    const got = new Promise<string>((resolve) => tcp.on('connection', (c) => c.once('data', (d) => resolve(d.toString('latin1')))));
    open.push(bob, alice, tcp);
    await alice.subscribe('alice', BOB);
    await alice.until(() => alice.notifications.length === 1);
    for (const tuple of ['phone', 'desk']) {
      expect((await bob.publish(pidf(BOB, { basic: 'open', im: 'x'.repeat(40_000), tuple }), { expires: 600 })).status).toBe(200);
    }
    const winner = await Promise.race([got, new Promise((r) => setTimeout(r, 1500, 'nothing'))]);
    expect(winner).toMatch(/^NOTIFY/);
  });
});

describe('lists over UDP', () => {
  const stage = new Stage();
  afterEach(() => stage.close());
  it('a list of 150 buddies works over UDP', async () => {
    await stage.boot({ defaultDecision: 'allow', auth: 'none' });
    const a = await stage.peer('A');
    const xcap = await stage.xcap('A');
    const service = stage.address('A-list');
    await xcap.put(
      buddiesPath('A'),
      buddiesDocument(
        'A',
        Array.from({ length: 150 }, (_, i) => ({ uri: `sip:friend${i}@example.com`, name: `Friend number ${i}` })),
      ),
    );
    await xcap.put(servicesPath('A'), servicesDocument(service, stage.root, 'A'));
    const s = await a.subscribe(service, {
      supported: ['eventlist'],
      accept: ['application/pidf+xml', 'application/rlmi+xml', 'multipart/related'],
      expires: 600,
    });
    expect(s.response.status).toBe(200);
    const told = new Set<string>();
    for (let version = 0; told.size < 150; version++) {
      const state = readListState(await s.notify(undefined, 1500));
      expect([state.version, state.fullState]).toEqual([version, version === 0]);
      for (const { uri, instances } of state.resources) if (instances.length > 0) told.add(uri);
    }
  });
});

describe('RFC 3857 4.7.1: waiting watchers', () => {
  const stage = new Stage();
  afterEach(() => stage.close());
  it('are decided about when a rule begins to hold', async () => {
    await stage.boot();
    const a = await stage.peer('A');
    const b = await stage.peer('B');
    const winfo = await b.subscribe(b.address, { event: 'presence.winfo', accept: ['application/watcherinfo+xml'], expires: 600 });
    await winfo.notify();
    await (await a.subscribe(b.address, { expires: 0 })).notify();
    expect(readWatcherinfo((await winfo.notify()).body).watchers[0]?.status).toBe('waiting');
    const from = new Date(Date.now() + 800).toISOString();
    const xcap = await stage.xcap('B');
    const status = (
      await xcap.put(
        '/pres-rules/users/B/index',
        `<cr:ruleset xmlns="urn:ietf:params:xml:ns:pres-rules" xmlns:cr="urn:ietf:params:xml:ns:common-policy"><cr:rule id="a"><cr:conditions><cr:identity><cr:one id="${a.address}"/></cr:identity><cr:validity><cr:from>${from}</cr:from><cr:until>2100-01-01T00:00:00Z</cr:until></cr:validity></cr:conditions><cr:actions><sub-handling>allow</sub-handling></cr:actions></cr:rule></cr:ruleset>`,
      )
    ).status;
    expect(status).toBe(201);
    expect(readWatcherinfo((await winfo.notify(undefined, 2500)).body).watchers[0]).toMatchObject({
      status: 'terminated',
      event: 'approved',
    });
  });
});
