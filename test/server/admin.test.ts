import { statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readMessageSummary } from '../helpers/message-summary-reader.ts';
import { XcapClient, type XcapResponse } from '../helpers/xcap-client.ts';
import { Stage } from '../scenarios/stage.ts';
import { run } from './command.ts';

const EVENT = 'message-summary';
const JSON_TYPE = { 'Content-Type': 'application/json' };

let stage: Stage;
let boss: XcapClient;
beforeEach(async () => {
  stage = new Stage();
  await stage.boot();
  await stage.admin('boss');
  await stage.user('alice');
  boss = client('boss');
});
afterEach(() => stage.close());

function client(user: string, password = `secret of ${user}`): XcapClient {
  const { http } = stage.server;
  return new XcapClient({ host: http.address, port: http.port, root: '/admin', user, password, auth: 'digest' });
}

const MAILBOX = '/mailboxes/sip:alice@example.com';
const put = (body: unknown, path = MAILBOX): Promise<XcapResponse> =>
  boss.put(path, typeof body === 'string' ? body : JSON.stringify(body), JSON_TYPE);
const says = ({ status, body }: XcapResponse) => [status, body === '' ? undefined : JSON.parse(body)];

describe('/admin/mailboxes', () => {
  it('sets what waits, and the phones of the owner hear it', async () => {
    const alice = await stage.peer('alice');
    const watched = await alice.subscribe(alice.address, { event: EVENT, expires: 600 });
    await watched.notify();
    const messages = { 'voice-message': { new: 2, old: 8, urgent: { new: 0, old: 2 } } };
    expect(says(await put({ messages }))).toEqual([200, { waiting: true, messages }]);
    expect(readMessageSummary((await watched.notify()).body)).toEqual({
      waiting: true,
      account: alice.address,
      lines: { 'Voice-Message': '2/8 (0/2)' },
    });
    expect(says(await boss.get('/mailboxes/alice'))).toEqual([200, { waiting: true, messages }]);
    expect(says(await boss.delete(MAILBOX))).toEqual([204, undefined]);
    expect(readMessageSummary((await watched.notify()).body)).toEqual({ waiting: false, account: alice.address, lines: {} });
  });

  it('stands beside what is published: the newest word holds', async () => {
    const alice = await stage.peer('alice');
    const type = { event: EVENT, contentType: 'application/simple-message-summary', expires: 600 };
    await put({ messages: { 'voice-message': { new: 1 }, 'fax-message': { new: 1 } } });
    const published = await alice.publish('Messages-Waiting: no\r\nVoice-Message: 0/3\r\n', type);
    const both = { waiting: true, messages: { 'voice-message': { new: 0, old: 3 }, 'fax-message': { new: 1, old: 0 } } };
    expect(says(await boss.get(MAILBOX))).toEqual([200, both]);
    await put({ waiting: false, account: 'sip:box@vm.example.com', messages: { 'voice-message': {} } });
    const newest = { waiting: false, account: 'sip:box@vm.example.com', messages: { 'voice-message': { new: 0, old: 0 } } };
    expect(says(await boss.get(MAILBOX))).toEqual([200, newest]);
    // What an agent publishes ends without what the admin has set.
    expect((await alice.publish(undefined, { ...type, etag: published.etag, expires: 0 })).status).toBe(200);
    expect(says(await boss.get(MAILBOX))).toEqual([200, newest]);
  });

  it('is for admins: 401 without a login, 403 for others, the owner too', async () => {
    const { http } = stage.server;
    const bare = await fetch(`http://${http.address}:${http.port}/admin${MAILBOX}`);
    expect([bare.status, bare.headers.get('www-authenticate')]).toEqual([401, expect.stringContaining('Digest')]);
    expect(await bare.json()).toEqual({ error: expect.any(String) });
    expect((await client('alice').get(MAILBOX)).status).toBe(403);
    expect((await client('alice').put(MAILBOX, '{}', JSON_TYPE)).status).toBe(403);
    expect((await client('boss', 'guessed').get(MAILBOX)).status).toBe(401);
    expect(says(await boss.get(MAILBOX))).toEqual([200, { waiting: false, messages: {} }]);
  });

  it('answers 404 for who is no user here, and where nothing was set, 414 for a name without end', async () => {
    expect((await boss.get('/mailboxes/nobody')).status).toBe(404);
    expect((await boss.get('/mailboxes/sip:alice@example.org')).status).toBe(404);
    expect((await put({}, '/mailboxes/nobody')).status).toBe(404);
    expect((await boss.delete(MAILBOX)).status).toBe(404);
    expect((await boss.get('/nothing')).status).toBe(404);
    expect((await boss.get(`/mailboxes/${'a'.repeat(5000)}`)).status).toBe(414);
  });

  it('answers 405 with Allow for other methods', async () => {
    const { status, headers } = await boss.request('POST', MAILBOX, { headers: JSON_TYPE, body: '{}' });
    expect([status, headers.allow]).toEqual([405, 'GET, HEAD, PUT, DELETE']);
  });

  it('answers 415 for a body that is not JSON by its type, and 413 for a long one', async () => {
    expect((await boss.put(MAILBOX, '<a/>', { 'Content-Type': 'application/xml' })).status).toBe(415);
    expect((await boss.put(MAILBOX, '{}', { ...JSON_TYPE, 'Content-Encoding': 'gzip' })).status).toBe(415);
    expect((await put(JSON.stringify({ account: `sip:${'a'.repeat(100_000)}` }))).status).toBe(413);
  });

  it.each([
    ['no JSON', '{'],
    ['nothing', ''],
    ['an array', []],
    ['null', 'null'],
    ['a name that means nothing', { voice: 1 }],
    ['a prototype', '{"__proto__": {"waiting": true}}'],
    ['a status that is none', { waiting: 'yes' }],
    ['an account with a line break', { account: 'sip:a\r\nVoice-Message: 1/1' }],
    ['an account in brackets', { account: '<sip:alice@example.com>' }],
    ['a kind with a line break', { messages: { 'voice-message\r\nx': { new: 1 } } }],
    ['a kind that is a line of its own', { messages: { 'messages-waiting': { new: 1 } } }],
    ['a count that is text', { messages: { 'voice-message': { new: '1' } } }],
    ['a count below none', { messages: { 'voice-message': { new: -1 } } }],
    ['a count that is not whole', { messages: { 'voice-message': { new: 1.5 } } }],
    ['a count beyond 2^32-1', { messages: { 'voice-message': { new: 4_294_967_296 } } }],
    ['urgent ones that are a number', { messages: { 'voice-message': { new: 1, urgent: 1 } } }],
    ['kinds without end', { messages: Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`k${i}`, { new: 1 }])) }],
  ])('answers 400 with the reason for %s', async (_, body) => {
    expect(says(await put(body))).toEqual([400, { error: expect.stringMatching(/.{10}/) }]);
    expect(says(await boss.get(MAILBOX))).toEqual([200, { waiting: false, messages: {} }]);
  });

  it('are told to commands beside the server, without a login', { timeout: 30_000 }, async () => {
    const { dataDirectory } = (await stageConfig()).config;
    expect(statSync(join(dataDirectory, 'admin.sock')).mode & 0o077).toBe(0);
    const mailbox = (...words: string[]) => run(['mailbox', ...words, '--data', dataDirectory]);
    const set = await mailbox('set', 'alice', 'voice-message=2/8:0/2', 'fax-message=1/0');
    expect([set.code, set.err]).toEqual([0, '']);
    const messages = { 'voice-message': { new: 2, old: 8, urgent: { new: 0, old: 2 } }, 'fax-message': { new: 1, old: 0 } };
    expect(JSON.parse((await mailbox('show', 'sip:alice@example.com')).out)).toEqual({ waiting: true, messages });
    expect(await mailbox('clear', 'alice')).toEqual({ code: 0, out: '', err: '' });
    expect(await mailbox('clear', 'nobody')).toEqual({ code: 1, out: '', err: 'rollcall: there is no such user\n' });
    expect(await mailbox('set', 'alice', 'many')).toMatchObject({ code: 2, err: expect.stringContaining('"many" is not a count') });
    const elsewhere = await run(['mailbox', 'show', 'alice', '--data', join(dataDirectory, 'none')]);
    expect([elsewhere.code, elsewhere.err]).toEqual([1, expect.stringMatching(/^rollcall: no server answers at .*\n$/)]);
  });
});

async function stageConfig() {
  const { server } = stage;
  if (!('running' in server)) throw new Error('the server is another process');
  return (server as Awaited<ReturnType<Stage['boot']>>).running;
}
