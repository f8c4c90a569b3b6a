import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ATTRIBUTE, byName, ELEMENT, type XcapResponse, XcapServer } from '../rfc4825/xcap-server.ts';
import { icon, OMA, USAGES } from './usages.ts';

/** What a hostile or careless client may try with each usage's documents. */
let server: XcapServer;
let watchers: ReadonlySet<string> = new Set();
beforeAll(async () => {
  server = await XcapServer.start({ authenticator: byName, mayWatch: (watcher) => watchers.has(watcher) });
});
afterAll(() => server.stop());

const a = { authorization: 'Test sip:a@x' };
const b = { authorization: 'Test sip:b@x' };
const user = (home: string, name: string) => `${home}/users/sip:a@x/${name}`;

describe.each(USAGES)('$auid: $name', ({ auid, name, type, document, node, open = false }) => {
  const home = `/xcap-root/${auid}`;
  const path = user(home, name);
  beforeAll(async () => {
    expect((await server.put(path, type, document, a)).status).toBe(201);
  });
  afterAll(async () => {
    expect((await server.get(path, a)).body).toBe(document);
    expect((await server.delete(path, a)).status).toBe(200);
  });

  test('a stranger learns nothing by any selector, method or condition', async () => {
    const { headers } = await server.get(path, a);
    const etag = headers.etag ?? '';
    const [plain = '', query = ''] = node.split('?');
    const selectors = [
      '',
      `/~~${node}`,
      '/~~/*',
      '/~~/*/@xmlns',
      '/~~/*/*%5B1%5D',
      `/~~${plain}/namespace::*${query && `?${query}`}`,
      '/~~/none',
      '/~~/a:b',
    ];
    for (const selector of selectors) {
      for (const condition of [{}, { 'if-none-match': etag }, { 'if-match': '"other"' }, { 'if-none-match': '*' }]) {
        for (const method of ['GET', 'HEAD']) {
          const answer = await server.request(method, path + selector, { ...b, ...condition });
          if (open) expect(answer.status).toBeLessThan(500);
          else expect([answer.status, answer.headers.etag, answer.headers['last-modified']]).toEqual([403, undefined, undefined]);
        }
      }
    }
  });

  test('a stranger changes nothing, and is not told whether a condition held or a body was good', async () => {
    const etag = (await server.get(path, a)).headers.etag ?? '';
    for (const condition of [{}, { 'if-match': etag }, { 'if-match': '"other"' }, { 'if-none-match': '*' }] as Record<string, string>[]) {
      for (const answer of [
        await server.put(path, type, document.replace('>', ' >'), { ...b, ...condition }),
        await server.put(path, 'text/plain', 'x', { ...b, ...condition }),
        await server.put(path, type, 'x', { ...b, ...condition, 'content-encoding': 'gzip' }),
        await server.put(path, type, 'x', { ...b, ...condition, 'content-encoding': 'br' }),
        await server.put(`${path}/~~/*`, ELEMENT, '<', { ...b, ...condition }),
        await server.put(`${path}/~~/*/@x`, ATTRIBUTE, 'x', { ...b, ...condition }),
        await server.delete(`${path}/~~/*/*%5B1%5D`, { ...b, ...condition }),
        await server.delete(path, { ...b, ...condition }),
      ]) {
        expect(answer.status).toBe(403);
      }
    }
  });

  test('no spelling of a path leads out of the home directory', async () => {
    const own = `${home}/users/sip:b@x`;
    const ways = [
      `${own}/../sip:a@x/${name}`,
      `${own}/%2e%2e/sip:a@x/${name}`,
      `${own}/..%2fsip:a@x%2f${name}`,
      `${own}/%2e%2e%2fsip:a@x/${name}`,
      `${own}/%252e%252e/sip:a@x/${name}`,
      `${own}/./../sip:a@x/${name}`,
      `${own}//sip:a@x/${name}`,
      `${own}%2f..%2fsip:a@x/${name}`,
      `${own}\\..\\sip:a@x\\${name}`,
      `${home}/global/../users/sip:a@x/${name}`,
      `/xcap-root/other/../${auid}/users/sip:a@x/${name}`,
      `${home}/users/sip:b@x%00/../sip:a@x/${name}`,
      `${own};/../sip:a@x/${name}`,
    ];
    for (const way of ways) {
      const got = await server.get(way, b);
      expect([way, got.status, got.body.includes(document)]).toEqual([way, expect.toSatisfy((s: number) => s >= 400 && s < 500), false]);
      const put = await server.put(way, type, document, b);
      expect([way, put.status]).toEqual([way, expect.toSatisfy((s: number) => s >= 400 && s < 500)]);
    }
    expect(server.store.list(auid, 'sip:b@x')).toEqual([]);
  });

  test('collections are no documents', async () => {
    for (const way of [
      `${home}/`,
      home,
      `${home}/users`,
      `${home}/users/`,
      `${home}/users/sip:a@x`,
      `${home}/users/sip:a@x/`,
      `${path}/`,
      `${home}/global/`,
    ]) {
      for (const who of [a, { authorization: 'Test admin' }]) {
        expect([way, (await server.get(way, who)).status]).toEqual([way, 404]);
        expect([way, (await server.put(way, type, document, who)).status]).toEqual([way, expect.toBeOneOf([404, 405, 409])]);
        expect([way, (await server.delete(way, who)).status]).toEqual([way, expect.toBeOneOf([404, 405])]);
      }
    }
  });

  test('the document is there under any escape of its URI, and under no other case', async () => {
    const escaped = (text: string) => [...text].map((c) => (c === '/' ? c : `%${c.charCodeAt(0).toString(16)}`)).join('');
    expect((await server.get(`/xcap-root/${escaped(auid)}/${escaped('users')}/${escaped('sip:a@x')}/${escaped(name)}`, a)).body).toBe(
      document,
    );
    expect((await server.get(path.replace(name, name.toUpperCase()), a)).status).toBe(404);
    expect((await server.get(path.replace(auid, auid.toUpperCase()), a)).status).toBe(404);
    expect((await server.get(path.replace('/users/', '/Users/'), a)).status).toBe(404);
  });

  test('only the usage’s own type is taken, whatever its parameters', async () => {
    for (const good of [type, type.toUpperCase(), `${type}; charset=utf-8`, `${type};charset="UTF-8"; x=y`]) {
      expect([good, (await server.put(path, good, document, a)).status]).toEqual([good, 200]);
    }
    for (const bad of ['', 'text/xml', `${type}x`, type.slice(0, -1), `text/plain; ${type}`, `x ${type}`, `${type}, text/plain`, ELEMENT]) {
      expect([bad, (await server.put(path, bad, document, a)).status]).toEqual([bad, 415]);
    }
  });

  test('bodies that are no documents of it are refused with their reason', async () => {
    const bodies: [string, string | Buffer][] = [
      ['not-well-formed', ''],
      ['not-well-formed', '{}'],
      ['not-well-formed', document.slice(0, -1)],
      ['not-well-formed', `<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>${document}`],
      ['not-utf-8', Buffer.from(`\ufeff${document}`, 'utf16le')],
      ['not-utf-8', Buffer.concat([Buffer.from(document), Buffer.from([0xff])])],
      ['schema-validation-error', '<a/>'],
      ['schema-validation-error', '<x:a xmlns:x="urn:x"/>'],
    ];
    for (const [error, body] of bodies) {
      const answer = await server.put(path, type, body, a);
      expect([answer.status, answer.headers['content-type'], answer.body]).toEqual([
        409,
        expect.stringMatching(/^application\/xcap-error\+xml/),
        expect.stringContaining(`<${error}`),
      ]);
    }
  });
});

describe('icons', () => {
  const type = `${OMA}pres-content+xml`;
  const path = '/xcap-root/org.openmobilealliance.pres-content/users/sip:a@x/oma_status-icon/index';
  const put = (body: string): Promise<XcapResponse> => server.put(path, type, body, a);

  test.each(['A', 'AA', 'AAA', 'A===', 'AA=A', '=AAA', 'AAAA=', 'AAAA====', 'AA-_', 'AA\u00e4=', '\u0661AAA', 'AAAA<!---->A'])(
    'the data %s are not in base64',
    async (data) => {
      const { status, body } = await put(icon(data));
      expect([status, body]).toEqual([409, expect.stringContaining('not in base64')]);
    },
  );

  test.each(['AAAA', 'AA==', 'AAA=', ' AA\r\n\tAA ', '&#65;AAA', '<![CDATA[AAAA]]>', 'AA<!-- x -->AA', 'AA<?x y?>AA'])(
    'the data %s are',
    async (data) => {
      expect((await put(icon(data))).status).toBeLessThan(202);
      expect((await server.get(path, a)).body).toContain(data.replaceAll('\r\n', '\r\n'));
    },
  );

  test.each([
    [
      'with a prefix',
      '<o:content xmlns:o="urn:oma:xml:prs:pres-content"><o:mime-type>image/png</o:mime-type><o:encoding>base64</o:encoding><o:data>AAAA</o:data></o:content>',
      201,
    ],
    [
      'in the order that agents write',
      '<content xmlns="urn:oma:xml:prs:pres-content"><mime-type>image/jpeg</mime-type><encoding>BASE64</encoding><description>x</description><data>AAAA</data></content>',
      201,
    ],
    [
      'in another namespace',
      '<content xmlns="urn:oma:xml:prs:pres-contents"><mime-type>image/png</mime-type><data>AAAA</data></content>',
      409,
    ],
    ['in none', '<content><mime-type>image/png</mime-type><data>AAAA</data></content>', 409],
    [
      'that would run',
      '<content xmlns="urn:oma:xml:prs:pres-content"><mime-type>text/html</mime-type><data><script xmlns="http://www.w3.org/1999/xhtml">x</script></data></content>',
      409,
    ],
  ])('content %s', async (_, body, status) => {
    await server.delete(path, a);
    expect((await put(body)).status).toBe(status);
  });

  test('up to the bound to the byte', async () => {
    const of = (bytes: number): string => icon(Buffer.alloc(bytes, 7).toString('base64'));
    expect((await put(of(256 * 1024))).status).toBeLessThan(202);
    expect((await put(of(256 * 1024 + 1))).body).toContain('262145 bytes; 262144 are allowed');
  });

  test('who may see the presence reads them, whole, by node and on condition, and never writes; nobody else, nor anything else', async () => {
    await put(icon('AAAA'));
    watchers = new Set(['sip:b@x']);
    const got = await server.get(path, b);
    expect(got.status).toBe(200);
    expect((await server.get(path, { ...b, 'if-none-match': got.headers.etag ?? '' })).status).toBe(304);
    expect((await server.get(`${path}/~~/content/data`, b)).body).toBe('<data>AAAA</data>');
    expect((await server.request('HEAD', path, b)).status).toBe(200);
    expect((await server.put(path, type, icon('BBBB'), b)).status).toBe(403);
    expect((await server.put(`${path}/~~/content/data`, ELEMENT, '<data>BBBB</data>', b)).status).toBe(403);
    expect((await server.delete(path, b)).status).toBe(403);
    expect((await server.get(path, { authorization: 'Test sip:c@x' })).status).toBe(403);
    expect((await server.get('/xcap-root/resource-lists/users/sip:a@x/index', b)).status).toBe(403);
    expect((await server.get('/xcap-root/org.openmobilealliance.xcap-directory/users/sip:a@x/directory.xml', b)).status).toBe(403);
    watchers = new Set();
    expect((await server.get(path, b)).status).toBe(403);
  });

  test('that somebody may see the presence of a user does not tell which icons or users there are', async () => {
    watchers = new Set();
    const answers = await Promise.all(
      [path, `${path}x`, path.replace('sip:a@x', 'sip:nobody@x')].map(async (one) => {
        const { status, body } = await server.get(one, b);
        return [status, body.replaceAll(/sip:\w+@x/g, 'U')];
      }),
    );
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
  });
});
