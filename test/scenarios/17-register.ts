import { parseFields } from '../helpers/digest-client.ts';
import { parseNameAddress } from '../helpers/sip-headers.ts';
import { header, headerLines, headerList, type SipMessage } from '../helpers/sip-message.ts';
import type { Scenario, Stage } from './stage.ts';

export const register: Scenario = {
  number: 17,
  title: 'REGISTER',
  async play(stage) {
    stage.note('without authentication');
    await stage.boot({ auth: 'none' });
    await bindings(stage);
    stage.note('with digest');
    const server = await stage.boot({ auth: 'digest' });
    await digest(stage, 'MD5');
    await digest(stage, 'SHA-256');
    await wrongPassword(stage);
    await oldNonce(stage, server.earlierNonce());
  },
};

function bindingsOf(response: SipMessage): Map<string, number> {
  return new Map(
    headerList(response, 'contact').map((value) => {
      const { uri, params } = parseNameAddress(value);
      return [uri, Number(params.get('expires'))];
    }),
  );
}

async function bindings(stage: Stage): Promise<void> {
  const peer = await stage.peer('A');
  const second = 'sip:a@192.0.2.9:5070';
  const first = await peer.register({ expires: 600 });
  stage.equal(first.status, 200, 'REGISTER is answered 200 without a challenge');
  stage.equal([...bindingsOf(first)], [[peer.contact, 600]], 'with the binding and its expiry');
  const both = bindingsOf(await peer.register({ contact: `<${second}>;expires=300` }));
  stage.equal([...both.keys()].sort(), [peer.contact, second].sort(), 'a second contact makes two bindings, and both are listed');
  stage.equal(both.get(second), 300, 'each with its own expiry');
  const left = both.get(peer.contact) ?? 0;
  stage.expect(left > 590 && left <= 600, 'that runs on');
  stage.equal([...bindingsOf(await peer.register({ expires: 0 })).keys()], [second], 'Expires: 0 removes the one it names');
  const none = await peer.register({ contact: '*', expires: 0 });
  stage.equal([none.status, bindingsOf(none).size], [200, 0], 'and Contact: * removes all');
}

async function digest(stage: Stage, algorithm: 'MD5' | 'SHA-256'): Promise<void> {
  const peer = await stage.peer('A', { algorithm, name: `A with ${algorithm}` });
  const response = await peer.register();
  const [request, challenge, repeated, final] = peer.transcript.entries.map(({ message }) => message);
  if (!request || !challenge || !repeated || !final) throw peer.error('expected two requests and two responses');
  stage.equal(challenge.status, 401, `${algorithm}: the first REGISTER is challenged`);
  const offered = headerLines(challenge, 'www-authenticate').map((value) => parseFields(value).get('algorithm') ?? 'MD5');
  stage.equal(offered, ['SHA-256', 'MD5'], 'with both algorithms, the stronger first (RFC 8760 2.3)');
  stage.equal(header(request, 'call-id'), header(repeated, 'call-id'), 'the same request goes out again');
  stage.expect(
    /algorithm=("?)(MD5|SHA-256)\1/.exec(header(repeated, 'authorization') ?? '')?.[2] === algorithm,
    `with ${algorithm} credentials`,
  );
  stage.equal(response.status, 200, 'and is answered 200');
  stage.expect(bindingsOf(response).has(peer.contact), 'with the binding');
  const before = peer.transcript.entries.length;
  stage.equal((await peer.register()).status, 200, 'the same nonce with a higher count is good again');
  stage.equal(peer.transcript.entries.length - before, 2, 'without another challenge');
}

async function wrongPassword(stage: Stage): Promise<void> {
  const peer = await stage.peer('A', { password: 'wrong', name: 'somebody' });
  const response = await peer.register();
  const statuses = peer.transcript.entries.flatMap(({ direction, message }) => (direction === 'received' ? [message?.status] : []));
  stage.equal(statuses, [401, 401], 'a wrong password gets 401 again');
  const [fields] = headerLines(response, 'www-authenticate').map(parseFields);
  stage.expect(fields?.get('stale')?.toLowerCase() !== 'true', 'which does not say stale');
}

async function oldNonce(stage: Stage, earlier: string): Promise<void> {
  const peer = await stage.peer('A', { name: 'A with an old nonce' });
  stage.equal((await peer.register()).status, 200, 'A has a good nonce');
  const replayed = peer.transcript.entries.length;
  peer.digest.rewind();
  stage.equal((await peer.register()).status, 200, 'a nonce count used twice is challenged, and then answered 200');
  await expectStale(
    stage,
    peer.transcript.entries.slice(replayed).map(({ message }) => message),
    'the replay',
  );
  const forged = peer.transcript.entries.length;
  peer.digest.forgeNonce(earlier);
  stage.equal((await peer.register()).status, 200, 'an old nonce is challenged, and then answered 200');
  await expectStale(
    stage,
    peer.transcript.entries.slice(forged).map(({ message }) => message),
    'the old nonce',
  );
}

async function expectStale(stage: Stage, messages: readonly (SipMessage | undefined)[], what: string): Promise<void> {
  const challenge = messages.find((message) => message?.status === 401);
  const values = challenge ? headerLines(challenge, 'www-authenticate') : [];
  stage.expect(
    values.length > 0 && values.every((value) => parseFields(value).get('stale')?.toLowerCase() === 'true'),
    `${what} gets 401 with stale=true`,
  );
}
