import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parseRlsServices } from '../../schemas/rls-services.ts';
import { parseXml } from '../../schemas/xml/parse.ts';
import { attribute, inScopeNamespaces, textContent } from '../../schemas/xml/tree.ts';
import { schemaViolations } from '../../schemas/xml/validate.ts';
import type { DocumentStore, StoredDocument } from '../../xcap/document-store.ts';
import { ServiceIndex } from '../../xcap/usages/rls-services-index.ts';
import { ELEMENT, RLS_SERVICES, type XcapResponse, XcapServer } from '../rfc4825/xcap-server.ts';

let server: XcapServer;
beforeAll(async () => {
  server = await XcapServer.start({ roots: ['/', '/xcap-root'], isUser: (address) => address === 'sip:b@x' });
});
afterAll(() => server.stop());

const index = (user: string) => `/xcap-root/rls-services/users/sip:${user}@x/index`;
const UNION = '/xcap-root/rls-services/global/index';
const USERS = ['a', 'b', 'c'];
beforeEach(async () => {
  for (const user of USERS) await server.delete(index(user));
});

const MEMBERS = `<list>${'<rl:entry uri="sip:member@x"/>'.repeat(5)}</list>`;
const NS = 'xmlns="urn:ietf:params:xml:ns:rls-services" xmlns:rl="urn:ietf:params:xml:ns:resource-lists"';
const services = (...content: string[]) => `<rls-services ${NS}>\n${content.join('\n')}\n</rls-services>`;
const service = (uri: string, content = '<list><rl:entry uri="sip:m@x"/></list>') => `<service uri="${uri}">${content}</service>`;
const reference = (uri: string) => service('sip:s@x', `<resource-list>${uri}</resource-list>`);
const put = (user: string, ...content: string[]) => server.put(index(user), RLS_SERVICES, services(...content));

function conflict({ status, body }: XcapResponse): { kind: string; fields: (string | undefined)[]; values: string[] } {
  expect(status).toBe(409);
  expect(schemaViolations('urn:ietf:params:xml:ns:xcap-error', body)).toEqual([]);
  const [error] = parseXml(body).root.elements;
  const exists = error?.elements ?? [];
  return {
    kind: error?.local ?? '',
    fields: exists.map((e) => attribute(e, 'field')),
    values: exists.flatMap((e) => e.elements.map(textContent)),
  };
}

describe('rule 25: a service URI belongs to one document (RFC 4826 4.4.5)', () => {
  test('rule 25: used by anyone else -> 409 uniqueness-failure with values that are free', async () => {
    expect((await put('a', service('sip:s@x'), service('sip:s-2@x'))).status).toBe(201);
    for (const uri of ['sip:s@x', 'SIP:s@X', 'sip:s@x;transport=tcp']) {
      const { kind, fields, values } = conflict(await put('b', service('sip:free@x'), service(uri)));
      expect([kind, fields]).toEqual(['uniqueness-failure', ['rls-services/service%5B2%5D/@uri']]);
      expect(values).toEqual(['sip:s-3@x', 'sip:s-4@x']);
    }
    expect((await put('b', service('sip:s-3@x'))).status).toBe(201);
    expect((await put('a', service('sip:s@x'))).status).toBe(200);
  });

  test('rule 25: also in a document of another name, twice in one document, or a user', async () => {
    await put('a', service('sip:s@x'));
    const other = index('a').replace(/index$/, 'other');
    expect(conflict(await server.put(other, RLS_SERVICES, services(service('sip:s@x')))).kind).toBe('uniqueness-failure');
    expect(conflict(await put('a', service('sip:t@x'), service('sip:t@X'))).fields).toEqual(['rls-services/service%5B2%5D/@uri']);
    expect(conflict(await put('a', service('sip:b@x'))).values).toEqual(['sip:b-2@x', 'sip:b-3@x']);
  });

  test('who asks for many that are in use is told no more whose they are (4.4.5), until an hour has gone by', async () => {
    const prober = await XcapServer.start({ isUser: (address) => address === 'sip:b@x' });
    try {
      const ask = (...uris: string[]) =>
        prober.put(
          `/xcap-root${index('c').replace(/^.*(\/rls-services)/, '$1')}`,
          RLS_SERVICES,
          services(...uris.map((uri) => service(uri))),
        );
      expect((await ask('sip:mine@x')).status).toBe(201);
      for (let n = 0; n < 20; n++) expect((await ask('sip:b@x')).status).toBe(409);
      const answers = [await ask('sip:b@x'), await ask('sip:nobody@x')];
      expect(answers.map(({ status }) => status)).toEqual([429, 429]);
      expect(answers[0]?.body).toBe(answers[1]?.body);
      expect(Number(answers[0]?.headers['retry-after'])).toBeGreaterThan(0);
      // What the user has is not touched.
      expect((await ask('sip:mine@x')).status).toBe(200);
    } finally {
      await prober.stop();
    }
  });

  test('one document with many addresses in it tells of few, and of no more than so many an hour (4.4.5)', async () => {
    const prober = await XcapServer.start({ isUser: (address) => /^sip:b\d+@x$/.test(address) });
    try {
      const ask = (user: string, name: string, from: number, to: number) => {
        const uris = Array.from({ length: to - from }, (_, i) => `<service uri="sip:${name}${from + i}@x"><list/></service>`);
        return prober.put(`/xcap-root/rls-services/users/sip:${user}@x/index`, RLS_SERVICES, services(...uris));
      };
      const refused = conflict(await ask('c', 'b', 0, 4000));
      expect([refused.kind, refused.fields.length]).toEqual(['uniqueness-failure', 5]);
      // Nor can the rest be looked for in pieces.
      expect((await ask('c', 'b', 3000, 3001)).status).toBe(429);

      // Names that are free tell as much: each PUT asks for 4000 others.
      const answers: number[] = [];
      for (let round = 0; round < 3; round++) answers.push((await ask('a', 'n', round * 4000, (round + 1) * 4000)).status);
      expect(answers).toEqual([201, 200, 429]);
      // What the document has is nobody else's secret.
      expect((await ask('a', 'n', 4000, 8000)).status).toBe(200);
      expect((await ask('a', 'n', 5000, 6000)).status).toBe(200);
    } finally {
      await prober.stop();
    }
  });

  test.each(['', 'bob', 'http://x/list', 'sip:', 'sip:two words@x'])(
    'a service uri must be one that can be subscribed to (4.1): "%s"',
    async (uri) => {
      expect(conflict(await put('a', service(uri))).kind).toBe('constraint-failure');
    },
  );

  test('rule 25: a URI is free again once its service is gone', async () => {
    await put('a', service('sip:s@x'), service('sip:t@x'));
    expect((await server.delete(`${index('a')}/~~/rls-services/service%5B@uri=%22sip:s@x%22%5D`)).status).toBe(200);
    expect((await put('b', service('sip:s@x'))).status).toBe(201);
    expect(conflict(await put('c', service('sip:t@x'))).kind).toBe('uniqueness-failure');
    await server.delete(index('a'));
    expect((await put('c', service('sip:t@x'))).status).toBe(201);
  });

  test('rule 25: of users who claim one URI at the same moment exactly one gets it', async () => {
    let waiting: (() => void)[] = [];
    let events = 0;
    const event = () => {
      // Every claim has come as far as it can: to the store, or to its answer.
      if (++events < USERS.length) return;
      for (const proceed of waiting) proceed();
    };
    const shared = await XcapServer.start({
      wrapStore: (store) => ({
        ...follower(store),
        async write(write) {
          await new Promise<void>((resolve) => {
            waiting.push(resolve);
            event();
          });
          return store.write(write);
        },
      }),
    });
    try {
      for (let round = 0; round < 5; round++) {
        waiting = [];
        events = 0;
        const claims = USERS.map(async (user) => {
          const response = await shared.put(index(user), RLS_SERVICES, services(service(`sip:race${round}@x`)));
          event();
          return response;
        });
        const answers = await Promise.all(claims);
        expect(answers.filter(({ status }) => status < 300).length).toBe(1);
        for (const response of answers.filter(({ status }) => status >= 300)) expect(conflict(response).kind).toBe('uniqueness-failure');
        events = Number.NEGATIVE_INFINITY;
      }
    } finally {
      await shared.stop();
    }
  });

  test('rule 25: a URI stays taken while a slow store has yet to be read again', async () => {
    let reading: Promise<unknown> = Promise.resolve();
    const shared = await XcapServer.start({
      wrapStore: (store) => ({
        ...follower(store),
        write: (write) => store.write(write),
        get(key) {
          const found = new Promise<StoredDocument | undefined>((resolve) => setTimeout(() => resolve(store.get(key)), 20));
          reading = found;
          return found;
        },
      }),
    });
    try {
      expect((await shared.put(index('a'), RLS_SERVICES, services(service('sip:s@x')))).status).toBe(201);
      const written = reading;
      expect(shared.services.find('sip:s@x')).toBeUndefined();
      expect(shared.services.isTaken('sip:s@x', { auid: 'rls-services', xui: 'sip:b@x', name: 'index' })).toBe(true);
      await written;
      expect(shared.services.find('sip:s@x')?.owner).toBe('sip:a@x');
      expect(shared.services.isTaken('sip:s@x', { auid: 'rls-services', xui: 'sip:b@x', name: 'index' })).toBe(true);
    } finally {
      await shared.stop();
    }
  });
});

describe('rule 25: <resource-list> (RFC 4826 4.1, 4.4.5)', () => {
  const path = 'resource-lists/users/sip:a@x/index/~~/resource-lists/list%5B@name=%22f%22%5D';

  test.each([
    `http://xcap.example.com/xcap-root/${path}`,
    `https://xcap.example.com:8080/${path}`,
    `http://127.0.0.1/${path.replace('sip:a@x', 'sip%3Aa%40x')}`,
    `\n http://127.0.0.1/${path.replace('/~~', '\n /~~')}\n`,
  ])('rule 25: %s is an element of a list document of the same user', async (uri) => {
    expect((await put('a', reference(uri))).status).toBe(201);
  });

  test.each([
    ['relative', path],
    ['a path', `/${path}`],
    ['another scheme', `ftp://x/${path}`],
    ['another user', `http://x/${path.replace('sip:a@x', 'sip:b@x')}`],
    ['an unknown user', `http://x/${path.replace('sip:a@x', 'sip:z@x')}`],
    ['another usage', `http://x/${path.replace('resource-lists/', 'rls-services/')}`],
    ['the global tree', `http://x/${path.replace('users/sip:a@x', 'global')}`],
    ['another root', `http://x/elsewhere/${path}`],
    ['a document', `http://x/${path.slice(0, path.indexOf('/~~'))}`],
    ['a malformed escape', `http://x/${path.replace('sip:a@x', '%C3')}`],
  ])('rule 25: %s -> constraint-failure', async (_, uri) => {
    expect(conflict(await put('a', reference(uri))).kind).toBe('constraint-failure');
  });

  test("rule 25: a service's own list is bound as any list (RFC 4826 3.4.5)", async () => {
    const twice = '<list><rl:entry uri="sip:m@x"/><rl:entry uri="sip:m@x"/></list>';
    expect(conflict(await put('a', service('sip:s@x', twice)))).toEqual({
      kind: 'uniqueness-failure',
      fields: ['rls-services/service%5B1%5D/list%5B1%5D/*%5B2%5D/@uri'],
      values: [],
    });
  });
});

describe('rule 25: global/index is the live union (RFC 4826 4.4.7, 4.4.8)', () => {
  test('rule 25: every service of every user, with its namespaces, and nothing of other documents', async () => {
    const empty = await server.get(UNION);
    expect([empty.status, parseXml(empty.body).root.elements.length]).toEqual([200, 0]);
    await put('a', service('sip:s@x'), service('sip:t@x'));
    const foreign = `<r:rls-services xmlns:r="urn:ietf:params:xml:ns:rls-services" xmlns:l="urn:ietf:params:xml:ns:resource-lists"><r:service uri="sip:u@x"><r:list><l:entry uri="sip:m@x"/></r:list></r:service></r:rls-services>`;
    await server.put(index('b'), RLS_SERVICES, foreign);
    await server.put(index('a').replace(/index$/, 'drafts'), RLS_SERVICES, services(service('sip:draft@x')));
    const union = await server.get(UNION);
    expect(schemaViolations('urn:ietf:params:xml:ns:rls-services', union.body)).toEqual([]);
    const { root } = parseXml(union.body);
    expect(root.elements.map((e) => [e.uri, attribute(e, 'uri')])).toEqual(
      ['sip:s@x', 'sip:t@x', 'sip:u@x'].map((uri) => ['urn:ietf:params:xml:ns:rls-services', uri]),
    );
    const last = root.elements[2]?.elements[0]?.elements[0];
    expect(last && [last.uri, inScopeNamespaces(last).get('l')]).toEqual(Array(2).fill('urn:ietf:params:xml:ns:resource-lists'));
    expect((await server.get(`${UNION}/~~/rls-services/service%5B@uri=%22sip:t@x%22%5D/@uri`)).body).toBe('sip:t@x');
    expect(server.services.find('sip:draft@x')).toBeUndefined();
  });

  test('rule 25: it stays small whatever namespaces the users declare', async () => {
    const root = 'rls-services xmlns="urn:ietf:params:xml:ns:rls-services"';
    const many = Array.from({ length: 3000 }, (_, i) => `xmlns:n${i}="urn:n${i}"`).join(' ');
    const plain = Array.from({ length: 3000 }, (_, i) => `<service uri="sip:p${i}@x"><list n7:k="1"/></service>`).join('');
    await server.put(index('a'), RLS_SERVICES, `<${root} ${many}>${plain}</rls-services>`);
    const union = (await server.get(UNION)).body;
    expect(union.length).toBeLessThan(500_000);
    const parsed = parseXml(union).root.elements;
    expect(parsed.length).toBe(3000);
    expect(parsed[2999]?.elements[0]?.attributes[0]?.uri).toBe('urn:n7');

    const long = `xmlns:l="urn:${'l'.repeat(100_000)}"`;
    const used = Array.from({ length: 100 }, (_, i) => `<service uri="sip:q${i}@x"><list l:k="1"/></service>`).join('');
    expect((await server.put(index('b'), RLS_SERVICES, `<${root} ${long}>${used}</rls-services>`)).status).toBe(201);
    expect((await server.get(UNION)).body.length).toBeLessThan(1_500_000);
  });

  test('rule 25: its ETag follows its content and answers conditional requests', async () => {
    await put('a', service('sip:s@x'));
    const first = (await server.get(UNION)).headers.etag ?? '';
    expect((await server.get(UNION, { 'if-none-match': first })).status).toBe(304);
    await put('b', service('sip:t@x'));
    const second = await server.get(UNION, { 'if-none-match': first });
    expect([second.status, second.headers.etag === first]).toEqual([200, false]);
    await server.delete(index('b'));
    expect((await server.get(UNION)).headers.etag).toBe(first);
  });

  test('a large union is made in turns, once for all who ask, and of what has changed alone', { timeout: 60_000 }, async () => {
    const users = Array.from({ length: 80 }, (_, i) => `sip:u${i}@x`);
    const text = (user: string, extra = '') =>
      services(...Array.from({ length: 250 }, (_, i) => `<service uri="${user.replace('@', `-${i}@`)}">${MEMBERS}</service>`), extra);
    const write = async (xui: string, content: string) => {
      const key = { auid: 'rls-services', xui, name: 'index' };
      const stored = await server.store.get(key);
      return server.store.write({ key, expected: stored?.etag, text: content });
    };
    for (const user of users) await write(user, text(user));
    try {
      const uris = (document: StoredDocument | undefined) =>
        [...(document?.text ?? '').matchAll(/<service [^>]*?uri="([^"]*)"/g)].map(([, uri]) => uri);
      const turns = async (): Promise<[number, StoredDocument]> => {
        let [count, ended] = [0, false];
        const union = Promise.resolve(server.services.globalIndex()).finally(() => (ended = true));
        while (!ended) {
          await new Promise((resolve) => setImmediate(resolve));
          count++;
        }
        return [count, await union];
      };
      const [first, union] = await turns();
      expect(first).toBeGreaterThan(10);
      expect(uris(union).length).toBe(20_000);
      expect(server.services.globalIndex()).toBe(union);

      await write('sip:u7@x', text('sip:u7@x', '<service uri="sip:one-more@x"/>'));
      const asked = [server.services.globalIndex(), server.services.globalIndex()];
      expect(asked[0]).toBe(asked[1]);
      // A change that comes while it is made is in what is asked for after it.
      await write('sip:u9@x', text('sip:u9@x', '<service uri="sip:two-more@x"/>'));
      const [before, after] = await Promise.all([asked[0], server.services.globalIndex()]);
      expect([uris(before).includes('sip:one-more@x'), uris(before).length]).toEqual([true, 20_001]);
      expect([uris(after).includes('sip:two-more@x'), uris(after).length]).toEqual([true, 20_002]);
      expect(new Set([union.etag, before?.etag, after?.etag]).size).toBe(3);
    } finally {
      for (const user of users) {
        const key = { auid: 'rls-services', xui: user, name: 'index' };
        await server.store.write({ key, expected: (await server.store.get(key))?.etag, text: undefined });
      }
    }
  });

  test('rule 25: it is only read', async () => {
    const put = await server.put(UNION, RLS_SERVICES, services());
    expect([put.status, put.headers.allow]).toEqual([405, 'GET, HEAD, OPTIONS']);
    expect((await server.put(`${UNION}/~~/rls-services/service`, ELEMENT, service('sip:s@x'))).status).toBe(405);
    expect((await server.delete(UNION)).status).toBe(405);
    expect((await server.get('/xcap-root/rls-services/global/other')).status).toBe(404);
  });
});

describe('the index of services (RFC 4826 4.4.7)', () => {
  test('it knows a service by any spelling of its URI as soon as the PUT is answered', async () => {
    await put('a', service('sip:S@x', '<list/><packages><package>presence</package></packages>'));
    const found = server.services.find('sip:S@X;user=phone');
    expect([found?.owner, found?.key.name, found?.service.packages]).toEqual(['sip:a@x', 'index', ['presence']]);
    await server.delete(index('a'));
    expect(server.services.find('sip:S@x')).toBeUndefined();
  });

  test('the end of one write takes nothing from a later one of the same document, however late the store is read', async () => {
    const { store } = server;
    const reads: (() => void)[] = [];
    const slow = await ServiceIndex.open({
      ...follower(store),
      get(key) {
        const found = store.get(key);
        return new Promise((resolve) => reads.push(() => resolve(found)));
      },
      write: (write) => store.write(write),
    });
    const key = { auid: 'rls-services', xui: 'sip:a@x', name: 'index' };
    const others = { ...key, xui: 'sip:b@x' };
    const reserve = (...uris: string[]) => {
      const document = parseXml(services(...uris.map((uri) => service(uri))));
      return slow.reserve(document, parseRlsServices(document), key);
    };
    const first = reserve('sip:s@x', 'sip:t@x');
    await put('a', service('sip:s@x'), service('sip:t@x'));
    void first.release();
    const second = reserve('sip:s@x', 'sip:u@x');
    // The first is known now, and has ended; the second goes on.
    for (const answer of reads.splice(0)) answer();
    for (let n = 0; n < 3; n++) await new Promise((resolve) => setImmediate(resolve));
    expect(['sip:s@x', 'sip:t@x', 'sip:u@x'].map((uri) => slow.isTaken(uri, others))).toEqual([true, true, true]);
    await server.delete(index('a'));
    for (const answer of reads.splice(0)) answer();
    for (let n = 0; n < 3; n++) await new Promise((resolve) => setImmediate(resolve));
    expect(['sip:s@x', 'sip:t@x', 'sip:u@x'].map((uri) => slow.isTaken(uri, others))).toEqual([true, false, true]);
    void second.release();
    expect(['sip:s@x', 'sip:u@x'].map((uri) => slow.isTaken(uri, others))).toEqual([false, false]);
    slow.close();
  });

  test('it is built from the store at the start, and reads that come back in another order do no harm', async () => {
    await put('a', service('sip:s@x'));
    const { store } = server;
    const reads: (() => void)[] = [];
    const slow = await ServiceIndex.open({
      ...follower(store),
      get(key) {
        const found = store.get(key);
        return new Promise((resolve) => reads.push(() => resolve(found)));
      },
      listAll: (auid) => Promise.resolve(store.listAll(auid)),
      write: (write) => store.write(write),
    });
    expect(slow.find('sip:s@x')?.owner).toBe('sip:a@x');
    await put('b', service('sip:t@x'));
    await put('b', service('sip:u@x'));
    for (const answer of reads.reverse()) {
      answer();
      await Promise.resolve();
    }
    await new Promise((resolve) => setImmediate(resolve));
    expect(slow.find('sip:u@x')?.owner).toBe('sip:b@x');
    expect(slow.find('sip:t@x')).toBeUndefined();
    await server.delete(index('b'));
    expect(slow.find('sip:u@x')).toBeUndefined();
    slow.close();
  });
});

/** All of a store but what changes it. */
function follower(store: DocumentStore): Omit<DocumentStore, 'write'> {
  return {
    get: (key) => store.get(key),
    list: (auid, xui) => store.list(auid, xui),
    listAll: (auid) => store.listAll(auid),
    onChange: (listener) => store.onChange(listener),
  };
}
