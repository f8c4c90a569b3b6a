import { Agent } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseXml } from '../../schemas/xml/parse.ts';
import { type SentAnswer, send } from '../helpers/http-exchange.ts';
import { type ServerProcess, startServerProcess } from '../helpers/server-process.ts';

/** RFC 4825 8.5, RFC 9110 15.3: what was answered 200 or 201 is there, whatever becomes of the process. */

const ROUNDS = 8;
const WRITERS = 12;
const TYPE = 'application/resource-lists+xml';
const shared = '/xcap-root/resource-lists/users/shared/index';
const own = (writer: number) => `/xcap-root/resource-lists/users/w${writer}/index`;
const entry = (uri: string) => `${shared}/~~/resource-lists/list/entry%5B@uri=%22${uri}%22%5D`;

/** Some pages long, each line with the number, so that two versions in one would show. */
function version(number: number): string {
  const entries = Array.from({ length: 200 }, (_, i) => `<entry uri="sip:${i}@x"><display-name>${number}</display-name></entry>`);
  return `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="${number}">${entries.join('\n')}</list></resource-lists>`;
}

let server: ServerProcess;
beforeAll(async () => {
  server = await startServerProcess(['--auth', 'none', '--log', 'silent', '--max-documents', '10']);
}, 30_000);
afterAll(() => server.stop());

interface Own {
  /** The last version answered, with its entity tag. */
  acknowledged: number;
  etag: string | undefined;
  sent: number;
}

test(`kill -9 in a storm of writes, ${ROUNDS} times`, { timeout: 120_000 }, async () => {
  const owns: Own[] = Array.from({ length: WRITERS }, () => ({ acknowledged: 0, etag: undefined, sent: 0 }));
  /** Entries of the shared document that must be there, must not, and may: those whose answer did not come. */
  const there = new Set<string>();
  const gone = new Set<string>();
  const open = new Set<string>();
  let total = 0;
  await send({ port: server.http.port, method: 'PUT', path: shared, headers: { 'content-type': TYPE }, body: version(0).replace(/<entry[\s\S]*<\/entry>/, '') }); // biome-ignore format: one line

  for (let round = 0; round < ROUNDS; round++) {
    const agent = new Agent({ keepAlive: true, maxSockets: 3 * WRITERS });
    let acknowledged = 0;
    let dying = false;
    /** At another moment in each round: in the middle of parsing, of a commit, of an answer. */
    const last = 60 + round * 47;
    const write = async (method: string, path: string, body?: string): Promise<SentAnswer | undefined> => {
      const type = path.includes('~~') ? 'application/xcap-el+xml' : TYPE;
      try {
        const answer = await send({ port: server.http.port, method, path, headers: { 'content-type': type }, body, agent });
        expect([200, 201]).toContain(answer.status);
        if (++acknowledged >= last && !dying) {
          dying = true;
          void server.kill();
        }
        return answer;
      } catch (error) {
        // Only a connection that broke is no answer.
        if (error instanceof Error && 'code' in error) return undefined;
        throw error;
      }
    };
    const whole = async (writer: number, state: Own) => {
      for (;;) {
        state.sent = Math.max(state.sent, state.acknowledged) + 1;
        const answer = await write('PUT', own(writer), version(state.sent));
        if (!answer) return;
        state.acknowledged = state.sent;
        state.etag = answer.headers.etag;
      }
    };
    const nodes = async (writer: number) => {
      for (let i = 0; ; i++) {
        const uri = `sip:r${round}-w${writer}-${i}@x`;
        open.add(uri);
        if (!(await write('PUT', entry(uri), `<entry uri="${uri}"/>`))) return;
        there.add(uri);
        open.delete(uri);
        if (i % 3 !== 0) continue;
        there.delete(uri);
        open.add(uri);
        if (!(await write('DELETE', entry(uri)))) return;
        open.delete(uri);
        gone.add(uri);
      }
    };
    await Promise.all(owns.flatMap((state, writer) => [whole(writer, state), nodes(writer)]));
    agent.destroy();
    await server.kill();
    total += acknowledged;
    await server.start();

    for (const [writer, state] of owns.entries()) {
      const found = await send({ port: server.http.port, path: own(writer) });
      if (state.acknowledged === 0 && found.status === 404) continue;
      const number = Number(/list name="(\d+)"/.exec(found.body)?.[1]);
      expect(found.body === version(number), `document ${writer} is one version, whole`).toBe(true);
      // A write may be on the disk without its answer having left, never the other way round.
      expect([state.acknowledged, state.sent]).toContain(number);
      if (number === state.acknowledged) expect(found.headers.etag).toBe(state.etag);
      Object.assign(state, { acknowledged: number, etag: found.headers.etag });
    }
    const { body } = await send({ port: server.http.port, path: shared });
    const uris = new Set(parseXml(body).root.elements[0]?.elements.map((element) => element.attributes[0]?.value ?? ''));
    expect(
      [...there].filter((uri) => !uris.has(uri)),
      'acknowledged and lost',
    ).toEqual([]);
    expect(
      [...gone].filter((uri) => uris.has(uri)),
      'deleted and back',
    ).toEqual([]);
    expect(
      [...uris].filter((uri) => !there.has(uri) && !open.has(uri)),
      'never asked for',
    ).toEqual([]);
    for (const uri of open) (uris.has(uri) ? there : gone).add(uri);
    open.clear();
  }
  expect(total).toBeGreaterThan(ROUNDS * 100);
});
