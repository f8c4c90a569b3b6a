import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ConfigError, loadConfig, resolveConfig } from '../../server/config.ts';
import { CONFIG_KEYS, environmentName, settingsTable } from '../../server/config-keys.ts';

const directory = mkdtempSync(join(tmpdir(), 'rollcall-config-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

let files = 0;
function yaml(text: string): string {
  const file = join(directory, `${files++}.yaml`);
  writeFileSync(file, text);
  return file;
}

/** Two values for each key, as text, and what they come to. */
const SAMPLES: Record<string, [text: string, value: unknown][]> = {
  domain: [['Example.COM.', ['example.com']], ['b.example', ['b.example']], ['c.example', ['c.example']]], // biome-ignore format: a table
  http: [['[::1]:81', [{ host: '::1', port: 81 }]], ['0.0.0.0:0', [{ host: '0.0.0.0', port: 0 }]], ['localhost:65535', [{ host: 'localhost', port: 65535 }]]], // biome-ignore format: a table
  'tls-cert': [['/etc/a.pem', '/etc/a.pem'], ['b.pem', resolve('b.pem')], ['/c.pem', '/c.pem']], // biome-ignore format: a table
  'tls-key': [['/etc/a.key', '/etc/a.key'], ['b.key', resolve('b.key')], ['/c.key', '/c.key']], // biome-ignore format: a table
  'tls-domain-cert': [['/a.pem=/a.key', [{ cert: '/a.pem', key: '/a.key' }]], ['b.pem=b.key', [{ cert: resolve('b.pem'), key: resolve('b.key') }]], ['/c.pem=/c.key', [{ cert: '/c.pem', key: '/c.key' }]]], // biome-ignore format: a table
  'max-subscriptions-per-address': [
    ['10', 10],
    ['20', 20],
    ['30', 30],
  ],
  'undecided-time': [['86400', 86400], ['3600', 3600], ['60', 60]], // biome-ignore format: a table
  'deactivate-on-stop': [
    ['1', 1],
    ['2', 2],
    ['3', 3],
  ],
  t1: [['10', 10], ['20', 20], ['30', 30]], // biome-ignore format: a table
  'max-connections': [
    ['100', 100],
    ['200', 200],
    ['300', 300],
  ],
  'max-connections-per-address': [
    ['10', 10],
    ['20', 20],
    ['30', 30],
  ],
  'max-http-connections': [
    ['100', 100],
    ['200', 200],
    ['300', 300],
  ],
  'max-http-connections-per-address': [
    ['10', 10],
    ['20', 20],
    ['30', 30],
  ],
  'tls-ca': [['/etc/ca.pem', '/etc/ca.pem'], ['ca.pem', resolve('ca.pem')], ['/d.pem', '/d.pem']], // biome-ignore format: a table
  sip: [['127.0.0.2:1', [{ host: '127.0.0.2', port: 1 }]], ['127.0.0.2:2', [{ host: '127.0.0.2', port: 2 }]], ['127.0.0.2:3', [{ host: '127.0.0.2', port: 3 }]]], // biome-ignore format: a table
  'next-hop': [
    ['Example.ORG=sip:10.0.0.1;transport=tcp', [{ domain: 'example.org', uri: 'sip:10.0.0.1;transport=tcp' }]],
    ['*.example.org=sips:gw.example.org', [{ domain: '*.example.org', uri: 'sips:gw.example.org' }]],
    ['*=sip:[2001:db8::1]:5070', [{ domain: '*', uri: 'sip:[2001:db8::1]:5070' }]],
  ],
  'dns-server': [['192.0.2.53', ['192.0.2.53']], ['[::1]:5353', ['[::1]:5353']], ['2001:db8::53', ['2001:db8::53']]], // biome-ignore format: a table
  'udp-limit': [['1300', 1300], ['65535', 65535], ['1500', 1500]], // biome-ignore format: a table
  'xcap-root': [
    ['/', ['/']],
    ['/services/', ['/services']],
    ['/a/b', ['/a/b']],
  ],
  'xcap-public-root': [['https://xcap.example.com/', 'https://xcap.example.com'], ['http://[::1]:81/a/b', 'http://[::1]:81/a/b'], ['https://x/c', 'https://x/c']], // biome-ignore format: a table
  data: [['d1', resolve('d1')], ['/d2', '/d2'], ['./d3', resolve('d3')]], // biome-ignore format: a table
  auth: [['none', 'none'], ['digest', 'digest'], ['none', 'none']], // biome-ignore format: a table
  'trusted-proxy': [['192.0.2.1', ['192.0.2.1']], ['10.0.0.0/8', ['10.0.0.0/8']], ['2001:DB8::/32', ['2001:db8::/32']]], // biome-ignore format: a table
  'metrics-from': [['192.0.2.1', ['192.0.2.1']], ['10.0.0.0/8', ['10.0.0.0/8']], ['loopback', ['loopback']]], // biome-ignore format: a table
  'forbidden-target': [['192.0.2.1', ['192.0.2.1']], ['local', ['local']], ['none', ['none']], ['10.0.0.0/8', ['10.0.0.0/8']]], // biome-ignore format: a table
  'sip-trusted-peer': [['192.0.2.1', ['192.0.2.1']], ['10.0.0.0/8', ['10.0.0.0/8']], ['2001:DB8::/32', ['2001:db8::/32']]], // biome-ignore format: a table
  'digest-algorithm': [['MD5', ['MD5']], ['SHA-256', ['SHA-256']], ['MD5', ['MD5']]], // biome-ignore format: a table
  'sip-from': [['any', 'any'], ['own', 'own'], ['any', 'any']], // biome-ignore format: a table
  'max-document-size': [['2048', 2048], ['65536', 65536], ['1024', 1024]], // biome-ignore format: a table
  'max-depth': [['10', 10], ['20', 20], ['99', 99]], // biome-ignore format: a table
  'max-documents': [['1', 1], ['2', 2], ['3', 3]], // biome-ignore format: a table
  'default-decision': [
    ['allow', 'allow'],
    ['polite-block', 'polite-block'],
    ['block', 'block'],
  ],
  'max-contacts': [['1', 1], ['20', 20], ['60', 60]], // biome-ignore format: a table
  'min-expires': [['1', 1], ['30', 30], ['60', 60]], // biome-ignore format: a table
  'timer-c': [['181', 181], ['240', 240], ['3600', 3600]], // biome-ignore format: a table
  'diff-interval': [['0', 0], ['30', 30], ['60', 60]], // biome-ignore format: a table
  'presence-from-registrations': [['yes', 'yes'], ['no', 'no'], ['yes', 'yes']], // biome-ignore format: a table
  'anonymous-watchers': [['accept', 'accept'], ['refuse', 'refuse'], ['accept', 'accept']], // biome-ignore format: a table
  'own-watcherinfo': [['allow', 'allow'], ['refuse', 'refuse'], ['allow', 'allow']], // biome-ignore format: a table
  'warm-up': [['no', 'no'], ['yes', 'yes'], ['no', 'no']], // biome-ignore format: a table
  'presence-interval': [['0', 0], ['3', 3], ['60', 60]], // biome-ignore format: a table
  'winfo-interval': [['0', 0], ['5', 5], ['60', 60]], // biome-ignore format: a table
  'forced-interval': [['0', 0], ['5', 5], ['60', 60]], // biome-ignore format: a table
  'no-reply-timeout': [['1', 1], ['30', 30], ['60', 60]], // biome-ignore format: a table
  'list-interval': [['0', 0], ['100', 100], ['200', 200]], // biome-ignore format: a table
  'list-remote-members': [['off', 'off'], ['all', 'all'], ['off', 'off']], // biome-ignore format: a table
  'list-notify-size': [['1000', 1000], ['2000', 2000], ['3000', 3000]], // biome-ignore format: a table
  'max-diversions': [['1', 1], ['3', 3], ['9', 9]], // biome-ignore format: a table
  'max-diverted-abroad': [['0', 0], ['30', 30], ['60', 60]], // biome-ignore format: a table
  'country-code': [['49', '49'], ['1', '1'], ['358', '358']], // biome-ignore format: a table
  usages: [
    [
      'org.example.a;urn:example:a;Application/A+xml',
      [{ auid: 'org.example.a', namespace: 'urn:example:a', contentType: 'application/a+xml' }],
    ],
    ['b;urn:b;b/b;b.xsd', [{ auid: 'b', namespace: 'urn:b', contentType: 'b/b', schema: resolve('b.xsd') }]],
    ['c;urn:c;c/c;', [{ auid: 'c', namespace: 'urn:c', contentType: 'c/c' }]],
  ],
  'message-queue': [['0', 0], ['5', 5], ['7', 7]], // biome-ignore format: a table
  'message-size': [['2048', 2048], ['4096', 4096], ['8192', 8192]], // biome-ignore format: a table
  'message-queue-bytes': [['2048', 2048], ['4096', 4096], ['8192', 8192]], // biome-ignore format: a table
  'message-store-bytes': [['2048', 2048], ['4096', 4096], ['8192', 8192]], // biome-ignore format: a table
  'message-expires': [['1', 1], ['60', 60], ['3600', 3600]], // biome-ignore format: a table
  'message-recipients': [['1', 1], ['2', 2], ['3', 3]], // biome-ignore format: a table
  'message-lists-abroad': [['yes', 'yes'], ['no', 'no'], ['yes', 'yes']], // biome-ignore format: a table
  'message-blocking': [['presence-rules', 'presence-rules'], ['barring', 'barring'], ['presence-rules', 'presence-rules']], // biome-ignore format: a table
  log: [['debug', 'debug'], ['silent', 'silent'], ['trace', 'trace']], // biome-ignore format: a table
};

describe('settings', () => {
  it('have a sample here each', () => {
    expect(Object.keys(SAMPLES).sort()).toEqual(CONFIG_KEYS.map(({ name }) => name).sort());
  });

  it('have the documented defaults', () => {
    const config = resolveConfig();
    expect(config).toMatchObject({
      domains: ['localhost'],
      http: [{ host: '127.0.0.1', port: 8080 }],
      sip: [{ host: '127.0.0.1', port: 5060 }],
      xcapRoots: ['/xcap-root'],
      dataDirectory: resolve('data'),
      auth: 'digest',
      defaultDecision: 'confirm',
    });
    expect(loadConfig({ flags: {}, environment: {} })).toEqual(config);
    expect(Object.isFrozen(config) && Object.isFrozen(config.http)).toBe(true);
  });

  it.each(CONFIG_KEYS.map((key) => [key.name, key] as const))(
    '%s: flags win over variables, these over the file, this over the default',
    (name, key) => {
      const [fromFlag, fromVariable, fromFile] = SAMPLES[name] ?? [];
      const config = yaml(`${name}: ${JSON.stringify(fromFile?.[0])}\n`);
      const read = (flags: object, environment: Record<string, string>) => loadConfig({ flags: { ...flags }, environment })[key.field];
      const flag = key.list ? [fromFlag?.[0]] : fromFlag?.[0];
      const variable = { [environmentName(name)]: fromVariable?.[0] ?? '' };
      expect(read({ config, [name]: flag }, variable)).toEqual(fromFlag?.[1]);
      expect(read({ config }, variable)).toEqual(fromVariable?.[1]);
      expect(read({ config }, {})).toEqual(fromFile?.[1]);
      expect(read({}, { ROLLCALL_CONFIG: config })).toEqual(fromFile?.[1]);
      expect(read({}, {})).toEqual(resolveConfig()[key.field]);
    },
  );

  it('that are lists take several values from each source, each once', () => {
    const expected = ['a.example', 'b.example'];
    expect(loadConfig({ flags: { domain: ['a.example', 'b.example', 'A.example'] }, environment: {} }).domains).toEqual(expected);
    expect(loadConfig({ flags: {}, environment: { ROLLCALL_DOMAIN: 'a.example, b.example' } }).domains).toEqual(expected);
    expect(loadConfig({ flags: { config: yaml('domain: [a.example, b.example]') }, environment: {} }).domains).toEqual(expected);
  });

  it('name SIP endpoints by what is spoken there, and take them back as they are', () => {
    const files = { 'tls-cert': '/a.pem', 'tls-key': '/a.key' };
    const sip = ['tls://[::1]:5061', 'WSS://127.0.0.1:443/', 'ws://127.0.0.1:80', '127.0.0.1:5060'];
    const config = loadConfig({ flags: { ...files, sip }, environment: {} });
    expect(config.sip).toEqual([
      { host: '::1', port: 5061, transport: 'tls' },
      { host: '127.0.0.1', port: 443, transport: 'wss' },
      { host: '127.0.0.1', port: 80, transport: 'ws' },
      { host: '127.0.0.1', port: 5060 },
    ]);
    expect(resolveConfig(config).sip).toEqual(config.sip);
  });

  it('name a certificate with its key as one value or as a mapping, and say what is wrong with others', () => {
    const config = loadConfig({
      flags: { config: yaml('tls-domain-cert: [{cert: /a.pem, key: /a.key}, /b.pem=/b.key]') },
      environment: {},
    });
    expect(config.tlsDomains).toEqual([{ cert: '/a.pem', key: '/a.key' }, { cert: '/b.pem', key: '/b.key' }]); // biome-ignore format: one line
    expect(resolveConfig(config)).toEqual(config);
    for (const value of ['/a.pem', '/a.pem=', '=/a.key', '', 'a=b=c']) {
      expect(() => loadConfig({ flags: { 'tls-domain-cert': [value] }, environment: {} })).toThrow(/--tls-domain-cert: .*CERT=KEY/);
    }
  });

  it('name endpoints with and without TLS, and take them back as they are', () => {
    const files = { 'tls-cert': '/a.pem', 'tls-key': '/a.key' };
    const http = ['https://[::1]:443', 'HTTP://127.0.0.1:80/', '127.0.0.1:81'];
    const config = loadConfig({ flags: { ...files, http }, environment: {} });
    expect(config.http).toEqual([
      { host: '::1', port: 443, secure: true },
      { host: '127.0.0.1', port: 80 },
      { host: '127.0.0.1', port: 81 },
    ]);
    expect(resolveConfig(config)).toEqual(config);
  });

  it('stand in a table with flag, variable, key, default and meaning each', () => {
    const rows = settingsTable().split('\n').slice(2);
    expect(rows).toHaveLength(CONFIG_KEYS.length);
    for (const [index, { name, meaning }] of CONFIG_KEYS.entries()) {
      for (const word of [`--${name}`, environmentName(name), meaning]) expect(rows[index]).toContain(word);
    }
  });

  it('stand in the README as they are', () => {
    expect(readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8')).toContain(settingsTable());
  });

  it('given in code are checked like any other', () => {
    expect(resolveConfig({ http: [{ host: '127.0.0.1', port: 0 }] }).http).toEqual([{ host: '127.0.0.1', port: 0 }]);
    expect(() => resolveConfig({ http: [{ host: '127.0.0.1', port: 70_000 }] })).toThrow(ConfigError);
    expect(() => resolveConfig({ nonsense: 1 } as object)).toThrow('nonsense is no setting');
  });
});

describe('a wrong setting is told in one line', () => {
  const wrong: [string, { flags?: Record<string, unknown>; environment?: Record<string, string> }, RegExp][] = [
    ['port', { flags: { http: ['127.0.0.1:99999'] } }, /^--http: 99999 is not a port$/],
    [
      'next hop that is no URI',
      { flags: { 'next-hop': ['example.org=10.0.0.1'] } },
      /^--next-hop: "example\.org=10\.0\.0\.1" is not DOMAIN=URI/,
    ],
    ['next hop without a domain', { flags: { 'next-hop': ['sip:10.0.0.1'] } }, /^--next-hop: .* is not DOMAIN=URI/],
    ['name server by name', { flags: { 'dns-server': ['ns.example.org'] } }, /^--dns-server: .* is not the address of a name server/],
    ['name server without a port', { flags: { 'dns-server': ['192.0.2.1:0'] } }, /^--dns-server: .* is not the address of a name server/],
    ['endpoint without port', { flags: { sip: ['127.0.0.1'] } }, /^--sip: "127\.0\.0\.1" is not HOST:PORT/],
    ['bare IPv6 address', { flags: { sip: ['::1:5060'] } }, /^--sip: "::1:5060" is not HOST:PORT/],
    ['domain', { environment: { ROLLCALL_DOMAIN: 'exa$mple' } }, /^ROLLCALL_DOMAIN: "exa\$mple" is not a domain$/],
    ['root without slash', { flags: { 'xcap-root': ['xcap'] } }, /^--xcap-root: "xcap" is not the path/],
    ['root with a query', { flags: { 'xcap-root': ['/x?y'] } }, /^--xcap-root:/],
    ['root that climbs', { flags: { 'xcap-root': ['/x/../y'] } }, /^--xcap-root:/],
    ['root that is taken', { flags: { 'xcap-root': ['/metrics'] } }, /^--xcap-root: \/metrics answers something else$/],
    [
      'https without a certificate',
      { flags: { http: ['https://127.0.0.1:8443'] } },
      /^http: an https endpoint needs tls-cert and tls-key$/,
    ],
    ['scheme', { flags: { http: ['ftp://127.0.0.1:8443'] } }, /^--http: "ftp:.*" is not HOST:PORT/],
    ['https for SIP', { flags: { sip: ['https://127.0.0.1:5061'] } }, /^--sip: "https" is not one of tls, ws, wss$/],
    ['TLS without a certificate', { flags: { sip: ['tls://127.0.0.1:5061'] } }, /^sip: a tls endpoint needs tls-cert and tls-key$/],
    ['size', { flags: { 'max-document-size': '10' } }, /^--max-document-size: "10" is not a number of bytes from 1024 to 67108864$/],
    ['public root', { flags: { 'xcap-public-root': '/xcap-root' } }, /^--xcap-public-root: "\/xcap-root" is not the URI of an XCAP root/],
    ['public root', { flags: { 'xcap-public-root': 'https://a@x/b?c' } }, /^--xcap-public-root: "https:\/\/a@x\/b\?c" is not the URI/],
    ['proxy', { flags: { 'trusted-proxy': ['example.com'] } }, /^--trusted-proxy: "example\.com" is not an IP address or a block/],
    ['block', { flags: { 'trusted-proxy': ['10.0.0.0/33'] } }, /^--trusted-proxy: "10\.0\.0\.0\/33" is not an IP address/],
    ['choice', { environment: { ROLLCALL_AUTH: 'yes' } }, /^ROLLCALL_AUTH: "yes" is not one of digest, none$/],
    ['level', { flags: { log: 'loud' } }, /^--log: "loud" is not one of trace/],
    ['variable', { environment: { ROLLCALL_DOMIAN: 'x' } }, /^ROLLCALL_DOMIAN is no setting$/],
    ['file', { flags: { config: '/nowhere/rollcall.yaml' } }, /^cannot read \/nowhere\/rollcall\.yaml: ENOENT/],
    ['directory for a file', { flags: { config: directory } }, /^cannot read .*: EISDIR/],
    ['key in the file', { flags: { config: yaml('domian: x') } }, /\.yaml: domian is no setting$/],
    ['value in the file', { flags: { config: yaml('http: 8080') } }, /\.yaml: http: 8080 is not HOST:PORT/],
    ['shape of the file', { flags: { config: yaml('- a\n- b') } }, /\.yaml: the file must hold settings/],
    ['empty list', { flags: { config: yaml('http: []') } }, /\.yaml: http: at least one is needed$/],
    ['YAML', { flags: { config: yaml('a: [') } }, /\.yaml: .*line 1/],
  ];
  it.each(wrong)('%s', (_, { flags = {}, environment = {} }, message) => {
    let told: unknown;
    try {
      loadConfig({ flags, environment });
    } catch (error) {
      told = error;
    }
    expect(told).toBeInstanceOf(ConfigError);
    expect((told as ConfigError).message).toMatch(message);
    expect((told as ConfigError).message).not.toContain('\n');
  });

  it('takes an empty file and empty variables as nothing said', () => {
    expect(loadConfig({ flags: { config: yaml('') }, environment: { ROLLCALL_HTTP: '' } })).toEqual(resolveConfig());
  });
});
