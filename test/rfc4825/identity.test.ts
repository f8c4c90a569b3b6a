import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type SentAnswer, send } from '../helpers/http-exchange.ts';
import { type InProcessServer, startServer } from '../helpers/server.ts';

const LIST = '<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"/>';
const TYPE = { 'content-type': 'application/resource-lists+xml' };
const basic = (user: string, password = `pw-${user}`) => ({
  authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
});
const document = (xui: string, name = 'index') => `/xcap-root/resource-lists/users/${xui}/${name}`;

let server: InProcessServer;
const ask = (method: string, path: string, headers: Record<string, string> = {}, body?: string, from = '127.0.0.1'): Promise<SentAnswer> =>
  send({ port: server.http.port, method, path, headers, body, from });

async function start(settings: Parameters<typeof startServer>[0] = {}): Promise<void> {
  server = await startServer({ domains: ['example.com', 'example.org'], ...settings });
  for (const user of ['alice', 'bob', '+15550100']) await server.addUser(user, `pw-${user}`);
  server.running.accounts.add('sip:root@example.com', 'pw-root', true);
}

describe('RFC 4825 6.2: an XUI in every form names one user', () => {
  beforeAll(() => start());
  afterAll(() => server.stop());

  test.each([
    'sip:alice@example.com',
    'alice@example.com',
    'alice',
    'sip%3Aalice%40example.com',
    'SIP:alice@EXAMPLE.COM',
    'alice@Example.Com',
    'sips:alice@example.com',
    'pres:alice@example.com',
    'im:alice@example.com',
    'sip:alice@example.com:5061',
    'sip:alice@example.com;transport=tcp',
    'sip:al%2569ce@example.com',
    'sip:alice@example.com.',
  ])('%s is sip:alice@example.com', async (xui) => {
    await ask('PUT', document('sip:alice@example.com'), { ...basic('alice'), ...TYPE }, LIST);
    const found = await ask('GET', document(xui), basic('alice'));
    expect([found.status, found.body]).toEqual([200, LIST]);
  });

  test.each([
    'tel:+15550100',
    'tel:+1-555-0100',
    'TEL:+1.555.01(00)',
    'tel:+15550100;isub=1',
    'tel%3A%2B15550100',
    'sip:+15550100@example.com',
    'sip:+1-555-0100@example.com;user=phone',
    '+15550100',
  ])('RFC 3966, RFC 3261 19.1.6: %s is the user +15550100', async (xui) => {
    await ask('PUT', document('+15550100'), { ...basic('+15550100'), ...TYPE }, LIST);
    expect((await ask('GET', document(xui), basic('+15550100'))).status).toBe(200);
  });

  test.each([
    'sip:Alice@example.com',
    'sip:alice@example.org',
    'tel:+15550101',
    'tel:15550100',
    'tel:alice',
    'sip:alice%2540example.com',
    'http:alice@example.com',
    'sip:alice@example.com@example.com',
    'sip:',
    ':',
    '%20',
  ])('%s is nobody: 404 to an admin', async (xui) => {
    expect((await ask('GET', document(xui), basic('root'))).status).toBe(404);
  });
});

describe('RFC 4825 8: what strangers learn of who is a user', () => {
  beforeAll(async () => {
    await start();
    await ask('PUT', document('alice'), { ...basic('alice'), ...TYPE }, LIST);
  });
  afterAll(() => server.stop());

  const methods: [string, string | undefined][] = [
    ['GET', undefined],
    ['HEAD', undefined],
    ['PUT', LIST],
    ['DELETE', undefined],
    ['OPTIONS', undefined],
    ['POST', LIST],
  ];
  const paths = (xui: string) => [
    document(xui),
    document(xui, 'none'),
    document(xui, 'a/b'),
    `${document(xui)}/~~/resource-lists/list`,
    `${document(xui)}/~~/z:x`,
    document(xui).replace('resource-lists', 'pres-rules'),
  ];
  let peers = 0;
  /** All that a client sees, with what differs in every answer left out. */
  const seen = ({ status, headers, body }: SentAnswer) => {
    const shown = Object.entries(headers).filter(([name]) => name !== 'date');
    return JSON.stringify([status, shown, body]).replace(/nonce=\\*"[^"]*"/g, '');
  };

  test.each(methods)(
    '%s: without credentials, as another user and with a wrong password a user and nobody look alike',
    async (method, body) => {
      const strangers = [{}, basic('bob'), basic('alice', 'wrong'), basic('nobody', 'wrong'), { authorization: 'Bearer x' }];
      for (const credentials of strangers) {
        for (const [i, path] of paths('sip:alice@example.com').entries()) {
          const nobody = paths('sip:nobody@example.com')[i] ?? '';
          const headers = { ...credentials, ...(body !== undefined && TYPE) };
          // Each from an address of its own, so that none is slowed.
          const from = `127.1.${peers++ >> 8}.${peers & 255}`;
          const [existing, absent] = [await ask(method, path, headers, body, from), await ask(method, nobody, headers, body, from)];
          expect(seen(absent).replaceAll('nobody', 'alice'), `${method} ${path}`).toBe(seen(existing));
          if (method !== 'OPTIONS' && method !== 'POST') expect([401, 403]).toContain(existing.status);
        }
      }
    },
  );

  test('the 401 says the same for a wrong password and a wrong name', async () => {
    const [password, name] = [await ask('GET', document('bob'), basic('bob', 'x')), await ask('GET', document('bob'), basic('none', 'x'))];
    expect([password.status, name.status]).toEqual([401, 401]);
    expect(password.body).toBe(name.body);
  });

  test('owners and admins get the 404', async () => {
    expect((await ask('GET', document('alice', 'none'), basic('alice'))).body).toContain('sip:alice@example.com/none');
    expect((await ask('GET', document('sip:nobody@example.com'), basic('root'))).body).toBe(
      'there is no user sip:nobody@example.com here\n',
    );
    expect((await ask('PUT', document('nobody'), { ...basic('root'), ...TYPE }, LIST)).status).toBe(404);
    expect((await ask('GET', document('nobody').replace('resource-lists', 'unknown'))).status).toBe(404);
  });
});

describe('3GPP TS 24.109: identities asserted by a trusted proxy', () => {
  beforeAll(async () => {
    await start({ trustedProxies: ['127.0.0.1', '10.0.0.0/8'] });
    await ask('PUT', document('alice'), { ...basic('alice'), ...TYPE }, LIST);
  });
  afterAll(() => server.stop());
  const as = (value: string, from = '127.0.0.1') =>
    send({ port: server.http.port, path: document('alice'), headers: { 'x-3gpp-asserted-identity': value }, from });

  test.each([
    ['in quotes', '"sip:alice@example.com"', 200],
    ['bare', 'sip:alice@example.com', 200],
    ['in another form', '"SIP:alice@EXAMPLE.com:5060;transport=tcp"', 200],
    ['among others of the same user', '"tel:+15550100", "sip:alice@example.com"', 200],
    ["an admin's", '"sip:root@example.com"', 200],
    ["another user's", '"sip:bob@example.com"', 403],
    ['of no user here', '"sip:alice@elsewhere.net"', 403],
    ['that is none', '"alice"', 400],
    ['cut short', '"sip:alice@example.com', 400],
    ['empty', '', 400],
    ['of many', Array.from({ length: 17 }, () => '"sip:alice@example.com"').join(', '), 400],
    ['endless', '"sip:alice@example.com",'.repeat(10_000).slice(0, 10_000), 400],
  ])('an identity %s', async (_, value, status) => {
    expect((await as(value)).status).toBe(status);
  });

  test('X-XCAP-Asserted-Identity alike; a telephone number is its user', async () => {
    const headers = { 'x-xcap-asserted-identity': '"tel:+1-555-0100"' };
    expect((await ask('PUT', document('tel:+15550100'), { ...headers, ...TYPE }, LIST)).status).toBe(201);
    expect((await ask('GET', document('alice'), headers)).status).toBe(403);
  });

  test('from any other address the fields are nothing, whatever a forwarding header says', async () => {
    const asserted = { 'x-3gpp-asserted-identity': '"sip:alice@example.com"', 'x-xcap-asserted-identity': '"sip:alice@example.com"' };
    const forwarded = { 'x-forwarded-for': '127.0.0.1', forwarded: 'for=127.0.0.1', 'x-real-ip': '127.0.0.1' };
    const ask = (headers: Record<string, string>) => send({ port: server.http.port, path: document('alice'), headers, from: '127.0.0.2' });
    expect((await ask(asserted)).status).toBe(401);
    expect((await ask({ ...asserted, ...forwarded })).status).toBe(401);
    expect((await ask({ ...asserted, ...basic('bob') })).status).toBe(403);
    expect((await ask({ ...asserted, ...basic('alice') })).status).toBe(200);
  });

  test('a proxy that lets a client add a field of its own is not believed', async () => {
    const two = { 'x-3gpp-asserted-identity': '"sip:alice@example.com"', 'x-xcap-asserted-identity': '"sip:bob@example.com"' };
    expect((await ask('GET', document('alice'), two)).status).toBe(400);
    const twice = { 'x-3gpp-asserted-identity': ['"sip:alice@example.com"', '"sip:bob@example.com"'] };
    expect((await send({ port: server.http.port, path: document('alice'), headers: twice })).status).toBe(400);
  });

  test('without the field the proxy logs in like anyone', async () => {
    expect((await ask('GET', document('alice'))).status).toBe(401);
    expect((await ask('GET', document('alice'), basic('alice'))).status).toBe(200);
  });
});

describe('RFC 6585 4: failed logins over HTTP', () => {
  beforeAll(() => start());
  afterAll(() => server.stop());

  test('are answered 429 with Retry-After after ten, to one address only', async () => {
    const attempt = (from: string, password: string) =>
      send({ port: server.http.port, path: document('alice'), headers: basic('alice', password), from });
    for (let i = 0; i < 10; i++) expect((await attempt('127.0.0.3', `guess${i}`)).status).toBe(401);
    const slowed = await attempt('127.0.0.3', 'pw-alice');
    expect([slowed.status, slowed.headers['retry-after']]).toEqual([429, '10']);
    expect((await attempt('127.0.0.4', 'pw-alice')).status).toBe(404);
  });
});
