import { Agent } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parseXml } from '../../schemas/xml/parse.ts';
import { type SentAnswer, send } from '../helpers/http-exchange.ts';
import { type InProcessServer, startServer } from '../helpers/server.ts';

/** RFC 4825 7.11, 8.5: clients edit one document at the same time, over the wire and onto the disk. */

const D = '/xcap-root/resource-lists/users/alice/index';
const LISTS = `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">
  <!-- kept -->
  <list name="f"/><list name="g"><entry uri="sip:0@x"><display-name>0</display-name></entry></list>
</resource-lists>`;
const list = (name: string) => `${D}/~~/resource-lists/list%5B@name=%22${name}%22%5D`;
const entry = (name: string, uri: string) => `${list(name)}/entry%5B@uri=%22${uri}%22%5D`;

let server: InProcessServer;
const agent = new Agent({ keepAlive: true, maxSockets: 64 });
beforeAll(async () => {
  server = await startServer({ auth: 'none' });
});
afterAll(async () => {
  agent.destroy();
  await server.stop();
});
const ask = (method: string, path: string, headers: Record<string, string> = {}, body?: string): Promise<SentAnswer> =>
  send({ port: server.http.port, method, path, headers, body, agent });
const put = (path: string, body: string, headers: Record<string, string> = {}) => {
  const type = path === D ? 'application/resource-lists+xml' : `application/xcap-${/@name$/.test(path) ? 'att' : 'el'}+xml`;
  return ask('PUT', path, { 'content-type': type, ...headers }, body);
};
beforeEach(async () => {
  await put(D, LISTS);
});

test('six hundred edits over sixty-four connections: each is made, each has an entity tag of its own', async () => {
  const uris = Array.from({ length: 200 }, (_, i) => `sip:u${i}@x`);
  const inserted = uris.map((uri) => put(entry('f', uri), `<entry uri="${uri}"/>`));
  const more = uris.map((_, i) => put(list(`h${i}`), `<list name="h${i}"/>`));
  const renamed = put(`${D}/~~/resource-lists/list%5B2%5D/@name`, 'g2');
  const answers = await Promise.all([...inserted, ...more, renamed]);
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(400);
  expect((await renamed).status).toBe(200);
  expect(new Set(answers.map(({ headers }) => headers.etag)).size).toBe(401);

  const named = uris.map((uri, i) => put(`${entry('f', uri)}/display-name`, `<display-name>${i}</display-name>`));
  const removed = uris.map((_, i) => ask('DELETE', list(`h${i}`)));
  const second = await Promise.all([...named, ...removed]);
  expect(new Set(second.map(({ status }) => status))).toEqual(new Set([201, 200]));

  const { body, headers } = await ask('GET', D);
  const [f, g, ...others] = parseXml(body).root.elements;
  expect(others).toEqual([]);
  expect(g?.attributes[0]?.value).toBe('g2');
  const entries = f?.elements.map((element) => [element.attributes[0]?.value, element.elements[0] && body.slice(element.elements[0].start, element.elements[0].end)]); // biome-ignore format: one line
  expect(new Map(entries as [string, string][])).toEqual(new Map(uris.map((uri, i) => [uri, `<display-name>${i}</display-name>`])));
  expect(body.startsWith('<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">\n  <!-- kept -->\n')).toBe(true);
  expect([...answers, ...second].map((answer) => answer.headers.etag)).toContain(headers.etag);
});

test('a counter that clients read and write on condition loses no step', async () => {
  const counter = `${entry('g', 'sip:0@x')}/display-name`;
  const steps: string[] = [];
  let refused = 0;
  const client = async () => {
    for (let done = 0; done < 20; ) {
      const { headers, body } = await ask('GET', counter);
      const next = Number(/\d+/.exec(body)?.[0]) + 1;
      const answer = await put(counter, `<display-name>${next}</display-name>`, { 'if-match': headers.etag ?? '' });
      if (answer.status === 412) refused++;
      else {
        expect(answer.status).toBe(200);
        steps.push(String(next));
        done++;
      }
    }
  };
  await Promise.all(Array.from({ length: 10 }, client));
  expect(refused).toBeGreaterThan(0);
  expect(steps.toSorted((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 200 }, (_, i) => String(i + 1)));
  expect((await ask('GET', counter)).body).toBe('<display-name>200</display-name>');
});

describe('of two hundred changes on one entity tag exactly one is made', () => {
  test.each(['PUT', 'DELETE'])('%s', async (method) => {
    const etag = (await ask('GET', D)).headers.etag ?? '';
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, i) =>
        method === 'PUT'
          ? put(entry('f', `sip:u${i}@x`), `<entry uri="sip:u${i}@x"/>`, { 'if-match': etag })
          : ask('DELETE', list('g'), { 'if-match': etag }),
      ),
    );
    const made = answers.filter(({ status }) => status === 200 || status === 201);
    expect(made).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 412)).toHaveLength(199);
    expect((await ask('GET', D)).headers.etag).toBe(made[0]?.headers.etag);
  });
});
