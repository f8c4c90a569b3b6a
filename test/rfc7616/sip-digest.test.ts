import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { AuthenticationRequest, AuthenticationResult, Authenticator } from '../../sip/core/authenticator.ts';
import type { Logger } from '../../sip/core/log.ts';
import { messageTrace } from '../../sip/core/message-trace.ts';
import { fieldOf, fieldsOf, request, statusOf, UdpPeer } from '../rfc3261/peer.ts';
import { type Stack, startStack } from '../rfc3261/stack.ts';

/** Digest as small as it can be: one nonce, SHA-256 and MD5, the password is the user's name. */
class TinyAuthenticator implements Authenticator {
  authenticate({ method, credentials }: AuthenticationRequest): AuthenticationResult {
    const [field] = credentials;
    if (field === undefined) return this.challenge('no credentials');
    if (!field.startsWith('Digest ')) return { kind: 'malformed', reason: 'Authorization is not Digest' };
    const part = (name: string): string => new RegExp(`\\b${name}="?([^",]*)`).exec(field)?.[1] ?? '';
    const hash = (text: string): string =>
      createHash(part('algorithm') === 'MD5' ? 'md5' : 'sha256')
        .update(text)
        .digest('hex');
    const user = part('username');
    const ha1 = hash(`${user}:example.com:${user}`);
    const expected = hash(`${ha1}:${part('nonce')}:${part('nc')}:${part('cnonce')}:auth:${hash(`${method}:${part('uri')}`)}`);
    if (user === 'slow') return { kind: 'slowed', seconds: 7, reason: 'too many logins failed' };
    if (part('nonce') !== 'n1') return this.challenge('stale nonce', ', stale=true');
    if (part('response') !== expected) return this.challenge('wrong password');
    return { kind: 'user', address: `sip:${user}@example.com`, admin: user === 'root' };
  }

  private challenge(reason: string, more = ''): AuthenticationResult {
    const challenges = ['SHA-256', 'MD5'].map(
      (algorithm) => `Digest realm="example.com", nonce="n1", algorithm=${algorithm}, qop="auth"${more}`,
    );
    return { kind: 'challenge', challenges, reason };
  }
}

const lines: { readonly level: string; readonly object: object; readonly message: string | undefined }[] = [];
const write =
  (level: string) =>
  (object: object, message?: string): void =>
    void lines.push({ level, object, message });
const log: Logger = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error'), isLevelEnabled: () => true };

let stack: Stack;
let peer: UdpPeer;

beforeAll(async () => {
  stack = await startStack({ authenticator: new TinyAuthenticator(), log });
  stack.transactions.trace = messageTrace(log);
  stack.router.handle('REGISTER', (context) =>
    context.respond(200, { headers: [['X-Identity', `${context.identity} ${context.isAdmin} ${context.identitySource}`]] }),
  );
  peer = await UdpPeer.open(stack.port);
});
afterAll(async () => {
  peer.close();
  await stack.close();
});

function authorization(user: string, password: string, algorithm = 'SHA-256', nonce = 'n1'): string {
  const hash = (text: string): string =>
    createHash(algorithm === 'MD5' ? 'md5' : 'sha256')
      .update(text)
      .digest('hex');
  const ha1 = hash(`${user}:example.com:${password}`);
  const response = hash(`${ha1}:${nonce}:00000001:c1:auth:${hash('REGISTER:sip:example.com')}`);
  return `Authorization: Digest username="${user}", realm="example.com", nonce="${nonce}", uri="sip:example.com", qop=auth, nc=00000001, cnonce="c1", algorithm=${algorithm}, response="${response}"`;
}

const from = (user: string): string => `<sip:${user}@example.com>;tag=1`;

it('RFC 3261 22.1, RFC 8760 2.3: 401 with all challenges, strongest first', async () => {
  const response = await peer.ask(request({ method: 'REGISTER' }));
  expect(statusOf(response)).toBe(401);
  expect(fieldsOf(response, 'WWW-Authenticate').map((field) => /algorithm=([^,]*)/.exec(field)?.[1])).toEqual(['SHA-256', 'MD5']);
});

it.each(['SHA-256', 'MD5'])('RFC 3261 22.4: lets the user in with %s', async (algorithm) => {
  const response = await peer.ask(
    request({ method: 'REGISTER', from: from('alice'), fields: [authorization('alice', 'alice', algorithm)] }),
  );
  expect(statusOf(response)).toBe(200);
  expect(fieldOf(response, 'X-Identity')).toBe('sip:alice@example.com false digest');
});

it('RFC 7616 3.3: a wrong password and an old nonce are challenged anew, an old nonce with stale', async () => {
  const wrong = await peer.ask(request({ method: 'REGISTER', from: from('alice'), fields: [authorization('alice', 'wrong')] }));
  expect(statusOf(wrong)).toBe(401);
  expect(fieldOf(wrong, 'WWW-Authenticate')).not.toContain('stale');
  const old = await peer.ask(
    request({ method: 'REGISTER', from: from('alice'), fields: [authorization('alice', 'alice', 'SHA-256', 'n0')] }),
  );
  expect(statusOf(old)).toBe(401);
  expect(fieldOf(old, 'WWW-Authenticate')).toContain('stale=true');
});

it('RFC 3261 21.5.4: after too many failed logins 503 with Retry-After', async () => {
  const slowed = await peer.ask(request({ method: 'REGISTER', from: from('slow'), fields: [authorization('slow', 'slow')] }));
  expect([statusOf(slowed), fieldOf(slowed, 'Retry-After'), fieldOf(slowed, 'WWW-Authenticate')]).toEqual([503, '7', undefined]);
});

it('RFC 4475 3.3.7: credentials that cannot be understood are 400', async () => {
  expect(statusOf(await peer.ask(request({ method: 'REGISTER', fields: ['Authorization: NoOneKnowsThisScheme opaque'] })))).toBe(400);
});

it('From must be the authenticated user, except for an admin', async () => {
  const borrowed = await peer.ask(request({ method: 'REGISTER', from: from('alice'), fields: [authorization('bob', 'bob')] }));
  expect(statusOf(borrowed)).toBe(403);
  const admin = await peer.ask(request({ method: 'REGISTER', from: from('alice'), fields: [authorization('root', 'root')] }));
  expect(fieldOf(admin, 'X-Identity')).toBe('sip:root@example.com true digest');
});

it('the same request with credentials is no merged request', async () => {
  const sent = request({ method: 'REGISTER', from: from('alice') });
  expect(statusOf(await peer.ask(sent))).toBe(401);
  const again = sent
    .replace('branch=z9hG4bK', 'branch=z9hG4bKagain')
    .replace('Content-Length', `${authorization('alice', 'alice')}\r\nContent-Length`);
  expect(statusOf(await peer.ask(again))).toBe(200);
});

it('OPTIONS needs no credentials, SUBSCRIBE without a handler tells nothing', async () => {
  expect(statusOf(await peer.ask(request()))).toBe(200);
  expect(statusOf(await peer.ask(request({ method: 'SUBSCRIBE', uri: 'sip:bob@example.com' })))).toBe(405);
});

it('the log has a line per request and every message, and no digest response', async () => {
  lines.length = 0;
  await peer.ask(request({ method: 'REGISTER', from: from('alice'), fields: [authorization('alice', 'wrong')] }));
  const line = lines.find(({ level }) => level === 'info');
  expect(line?.object).toMatchObject({
    method: 'REGISTER',
    uri: 'sip:example.com',
    from: from('alice'),
    status: 401,
    because: 'wrong password',
  });
  const text = JSON.stringify(lines);
  expect(lines.filter(({ level }) => level === 'debug')).toHaveLength(2);
  expect(text).toContain('Authorization: [hidden]');
  expect(text).not.toContain('cnonce');
});
