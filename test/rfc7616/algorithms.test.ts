import { afterEach, describe, expect, it } from 'vitest';
import { headerLines } from '../helpers/sip-message.ts';
import { Stage } from '../scenarios/stage.ts';

const stage = new Stage();
afterEach(() => stage.close());

const offered = async (user: string): Promise<(string | undefined)[]> => {
  const peer = await stage.peer(user);
  const response = await peer.register({ authenticate: false });
  expect(response.status).toBe(401);
  return headerLines(response, 'www-authenticate').map((value) => /algorithm=([^,]*)/.exec(value)?.[1]);
};

describe('RFC 8760 2.2: which algorithms are offered', () => {
  it('is SHA-256, then MD5, unless set', async () => {
    await stage.boot();
    expect(await offered('alice')).toEqual(['SHA-256', 'MD5']);
    for (const algorithm of ['SHA-256', 'MD5'] as const) {
      const peer = await stage.peer('alice', { name: algorithm, algorithm });
      expect((await peer.register()).status).toBe(200);
    }
  });

  it('is what is set, in that order, and no other is accepted', async () => {
    await stage.boot({ digestAlgorithms: ['MD5', 'SHA-256'] });
    expect(await offered('alice')).toEqual(['MD5', 'SHA-256']);
    await stage.boot({ digestAlgorithms: ['SHA-256'] });
    expect(await offered('alice')).toEqual(['SHA-256']);
    const old = await stage.peer('alice', { name: 'old', algorithm: 'MD5' });
    expect((await old.register()).status).toBe(401);
    expect((await (await stage.peer('alice', { name: 'new' })).register()).status).toBe(200);
  });
});
