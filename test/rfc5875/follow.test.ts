import { Agent, request } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import type { Subscription } from '../helpers/sip-subscription.ts';
import { XcapDiffClient } from '../helpers/xcap-diff-client.ts';
import { RandomEditor } from '../rfc5261/random-document.ts';
import { Stage } from '../scenarios/stage.ts';
import { fetchAll, listDocument, pathOf, valid, watchResources } from './diff-stage.ts';

/** Takes some ten seconds; fewer may be asked for while working on it. */
const EDITS = Number(process.env.ROLLCALL_DIFF_EDITS ?? 10_000);
const CONNECTIONS = 8;

const stage = new Stage();
afterEach(() => stage.close());

type Edit = (editor: RandomEditor) => { method: 'PUT' | 'DELETE'; selector: string; body?: string };

const user = (editor: RandomEditor): string => `sip:u${editor.below(40)}@example.com`;
const entry = (uri: string): string => `/entry%5B@uri=%22${uri}%22%5D`;
const LIST = '/~~/resource-lists/list%5B@name=%22friends%22%5D';

/** What agents do with a list; some of it the server refuses, as it should. */
const EDITS_OF_A_LIST: readonly Edit[] = [
  (editor) => {
    const uri = user(editor);
    const name = editor.pick([
      '',
      '<display-name>Ü &amp; <![CDATA[<you>]]></display-name>',
      '\n      <!-- a --><display-name xml:lang="de">B</display-name>\n    ',
    ]);
    return { method: 'PUT', selector: LIST + entry(uri), body: `<entry uri="${uri}"${editor.pick([`>${name}</entry>`, '/>', ' />'])}` };
  },
  (editor) => ({ method: 'DELETE', selector: LIST + entry(user(editor)) }),
  (editor) => ({ method: 'DELETE', selector: `${LIST}/*%5B${1 + editor.below(9)}%5D` }),
  (editor) => ({
    method: 'PUT',
    selector: `${LIST}${entry(user(editor))}/display-name`,
    body: `<display-name>${editor.below(100)}</display-name>`,
  }),
  (editor) => ({ method: 'PUT', selector: `${LIST}/entry%5B${1 + editor.below(9)}%5D/@x`, body: 'never allowed' }),
  (editor) => ({
    method: 'PUT',
    selector: `${LIST}${entry(user(editor))}/display-name/@xml:lang?xmlns(xml=http://www.w3.org/XML/1998/namespace)`,
    body: editor.pick(['de', 'en']),
  }),
  (editor) => ({ method: 'PUT', selector: '', body: rewritten(editor) }),
];

/** A whole document with some entries, in one of several styles of white space. */
function rewritten(editor: RandomEditor): string {
  const uris = new Set(Array.from({ length: editor.below(30) }, () => user(editor)));
  const text = listDocument(...uris);
  return editor.pick([
    text,
    text.replaceAll('\n    ', ''),
    text.replaceAll('\n    <entry', '\r\n\t<entry'),
    text.replace('<list ', '<!-- all -->\n  <list '),
  ]);
}

/** One HTTP connection among several, on a server that asks for no login; gives the status. */
function send(agent: Agent, target: string, { method, body = '' }: ReturnType<Edit>, selector: string): Promise<number> {
  const type =
    selector === '' ? 'application/resource-lists+xml' : selector.includes('/@x') ? 'application/xcap-att+xml' : 'application/xcap-el+xml';
  const { address: host, port } = stage.server.http;
  return new Promise((resolve, reject) => {
    const headers = { 'Content-Type': type, 'Content-Length': String(Buffer.byteLength(body)) };
    const outgoing = request({ agent, host, port, method, path: target + selector, headers }, (incoming) => {
      incoming.resume().on('end', () => resolve(incoming.statusCode ?? 0));
    });
    outgoing.on('error', reject).end(body);
  });
}

/** Makes random edits over several connections at once; gives how many were accepted. */
async function editAtRandom(path: string, count: number, seed: number): Promise<number> {
  const editor = new RandomEditor(seed);
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  let left = count;
  let accepted = 0;
  const work = async (): Promise<void> => {
    while (left-- > 0) {
      const edit = editor.below(200) === 0 ? (EDITS_OF_A_LIST.at(-1) as Edit) : editor.pick(EDITS_OF_A_LIST.slice(0, -1));
      const made = edit(editor);
      const status = await send(agent, `${stage.server.root}/${path}`, made, made.selector);
      if (status < 300) accepted++;
      expect([200, 201, 404, 409]).toContain(status);
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, work));
  agent.destroy();
  return accepted;
}

interface Follower {
  readonly client: XcapDiffClient;
  readonly subscription: Subscription;
}

/** Takes notifications until the entity tag is the one given. */
async function catchUp({ client, subscription }: Follower, path: string, etag: string): Promise<void> {
  for (let n = 0; client.documents.get(path)?.etag !== etag; n++) {
    const notification = await subscription.notify(undefined, 10_000);
    client.receive((n % 20 === 0 ? valid(notification) : notification).body);
  }
}

describe('RFC 5874 6: a client that follows a document by notifications alone', () => {
  test(`has the server's bytes after ${EDITS} random edits, in either patching mode, over UDP and TCP`, { timeout: 120_000 }, async () => {
    await stage.boot({ diffInterval: 0, auth: 'none' });
    const xcap = await stage.xcap('A');
    const path = pathOf(stage, 'A');
    await xcap.put(`/${path}`, listDocument('sip:u1@example.com', 'sip:u2@example.com'));
    const followers: Follower[] = [];
    for (const [mode, transport] of [
      ['xcap-patching', 'udp'],
      ['aggregate', 'tcp'],
    ] as const) {
      const peer = await stage.peer('A', { transport });
      const subscription = await watchResources(peer, mode, [path]);
      const client = new XcapDiffClient();
      client.receive(valid(await subscription.notify()).body);
      await fetchAll(client, xcap);
      followers.push({ client, subscription });
    }
    const accepted = await editAtRandom(path, EDITS, 7);
    const { body, etag } = await xcap.get(`/${path}`);
    for (const follower of followers) await catchUp(follower, path, etag.replaceAll('"', ''));

    const [inSteps, aggregated] = followers;
    for (const { client } of followers) {
      expect(client.documents.get(path)?.text).toBe(body);
      expect(client.misses).toBe(0);
    }
    expect(accepted).toBeGreaterThan(EDITS / 5);
    // Every change that made another text, and fewer where they may be told together.
    expect(inSteps?.client.patches).toBeGreaterThan(accepted / 2);
    expect(inSteps?.client.patches).toBeLessThanOrEqual(accepted);
    expect(aggregated?.client.patches).toBeLessThanOrEqual(inSteps?.client.patches ?? 0);
  });
});
